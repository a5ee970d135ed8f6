//! Ticks that were passed over, which Dkron has no word for.

use super::go_json::Json;
use super::go_time;
use dkron_core::execution::Skipped;

/// `GET /v1/jobs/:job/skips`: a list of stretches, newest first. `dkron check-ledger --skips` reads it.
pub fn encode_skips(skips: &[Skipped], pretty: bool) -> Vec<u8> {
    Json::List(skips.iter().map(skip_json).collect()).render(pretty)
}

pub(super) fn skip_json(skip: &Skipped) -> Json {
    Json::object([
        ("job", Json::text(&*skip.job_name)),
        ("from", go_time::utc(Some(skip.from))),
        ("to", go_time::utc(Some(skip.to))),
        ("count", Json::Number(skip.count.into())),
        ("reason", Json::text(skip.reason.to_string())),
        ("origin", Json::text(skip.origin.word())),
        ("blocked_by", skip.blocked_by.map_or(Json::Null, |id| Json::text(id.to_string()))),
        ("decided_at", go_time::utc(Some(skip.decided_at))),
    ])
}
