//! Executions as the routes that Dkron has not show them: with how they stand, why they ran and what they are called,
//! and `null` where Dkron has Go's zero time.

use super::execution_json::execution_id;
use super::go_json::Json;
use super::go_time;
use crate::app::executions::{Run, Status};
use dkron_core::execution::Verdict;

/// One execution, with at most so many bytes of the end of its output; without, if that is none.
pub fn encode_run(run: &Run, output_bytes: Option<usize>, pretty: bool) -> Vec<u8> {
    run_json(run, output_bytes).render(pretty)
}

/// A list of them.
pub fn encode_runs(runs: &[Run], output_bytes: Option<usize>, pretty: bool) -> Vec<u8> {
    Json::List(runs.iter().map(|run| run_json(run, output_bytes)).collect()).render(pretty)
}

pub(super) fn run_json(run: &Run, output_bytes: Option<usize>) -> Json {
    let pair = |key: &str, value: Json| (key.to_owned(), value);
    let id = run.started_at.map_or(Json::Null, |at| Json::text(execution_id(Some(at), &run.node)));
    let mut pairs = vec![
        pair("id", id),
        pair("execution_id", Json::text(run.id.to_string())),
        pair("job_name", Json::text(&*run.job_name)),
        pair("status", Json::text(run.status.word())),
        pair("origin", Json::text(run.origin.word())),
        pair("scheduled_at", go_time::utc(Some(run.nominal))),
        pair("decided_at", go_time::utc(Some(run.decided_at))),
        pair("started_at", go_time::nullable(run.started_at)),
        pair("finished_at", go_time::nullable(run.finished_at)),
        pair("success", Json::Bool(run.status == Status::Ended(Verdict::Succeeded))),
        pair("node_name", Json::text(&*run.node)),
        pair("group", Json::Number(run.decided_at.nanos().into())),
        pair("attempt", Json::Number(run.attempt.into())),
        pair("exit_code", run.code.map_or(Json::Null, |code| Json::Number(code.into()))),
        pair("error", Json::text(&*run.error)),
        pair("output_bytes", Json::Number(run.output_bytes.into())),
    ];
    if let Some(limit) = output_bytes {
        let start = run.output.len().saturating_sub(limit);
        pairs.push(pair("output", Json::Text(run.output[start..].to_vec())));
        pairs.push(pair("output_truncated", Json::Bool(run.cut > 0 || start > 0)));
    }
    Json::Object(pairs)
}
