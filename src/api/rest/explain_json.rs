//! Why a job did or did not run, and the times of an expression.

use super::go_json::Json;
use super::go_time;
use super::run_json::run_json;
use super::skip_json::skip_json;
use crate::app::explain::Explained;
use dkron_core::explain::{Reason, Ticks};
use dkron_core::time::Time;

/// `GET /v1/jobs/:job/explain`
pub fn encode_explained(explained: &Explained, pretty: bool) -> Vec<u8> {
    let explanation = &explained.explanation;
    let text = explanation.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default();
    let next = explanation.next.map_or(Json::Null, |next| {
        Json::object([
            ("scheduled_at", go_time::utc(Some(next.nominal))),
            ("starts_at", go_time::utc(Some(next.starts_at))),
        ])
    });
    Json::object([
        ("job", Json::text(&*explained.job)),
        ("now", go_time::utc(Some(explained.now))),
        ("at", go_time::nullable(explained.at)),
        ("answer", Json::text(explanation.answer.word())),
        ("text", Json::text(text)),
        ("reasons", Json::List(explanation.reasons.iter().map(reason_json).collect())),
        ("ticks", explanation.ticks.map_or(Json::Null, ticks_json)),
        ("open", Json::List(explained.open.iter().map(|run| run_json(run, None)).collect())),
        ("ran", Json::List(explained.ran.iter().map(|run| run_json(run, None)).collect())),
        ("skipped", Json::List(explained.skipped.iter().map(skip_json).collect())),
        ("next", next),
        ("decided_up_to", go_time::utc(Some(explanation.decided_up_to))),
        ("history_complete", Json::Bool(!explained.gaps)),
    ])
    .render(pretty)
}

fn reason_json(reason: &Reason) -> Json {
    Json::object([
        ("code", Json::text(reason.code)),
        ("text", Json::text(&reason.text)),
        ("since", go_time::nullable(reason.since)),
        ("until", go_time::nullable(reason.until)),
        ("execution_id", reason.execution.map_or(Json::Null, |id| Json::text(id.to_string()))),
    ])
}

fn ticks_json(ticks: Ticks) -> Json {
    Json::object([
        ("is_tick", Json::Bool(ticks.is_tick)),
        ("before", go_time::nullable(ticks.before)),
        ("after", go_time::nullable(ticks.after)),
    ])
}

/// `GET /v1/schedule/next`: an array of instants in UTC, as `dkron schedule next --output json` prints it.
pub fn encode_times(times: &[Time], pretty: bool) -> Vec<u8> {
    Json::List(times.iter().map(|time| Json::text(time.to_string())).collect()).render(pretty)
}
