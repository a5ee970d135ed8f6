//! Executions: those of a job, one of them, and what runs now.

use super::query::Query;
use super::{Answer, Door, jobs, json, listed};
use crate::api::rest::execution_json::{
    ExecutionView, ListForm, encode_busy, encode_execution, encode_executions,
};
use crate::api::rest::skip_json::encode_skips;
use crate::app::access::Caller;
use crate::app::executions::Run;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use dkron_core::execution::Verdict;
use dkron_core::time::Time;

pub(super) async fn list(State(door): State<Door>, Path(job): Path<String>, query: Query) -> Answer {
    let sort = query.choice("_sort", &["id", "started_at", "finished_at", "attempt"])?;
    let limit = query.number("output_size_limit")?;
    let listing = door.app.executions(&job).await?;
    let mut runs = listing.runs;
    runs.sort_by_key(|run| match sort {
        "finished_at" => run.finished_at.map_or(0, Time::nanos),
        "attempt" => i64::from(run.attempt),
        _ => run.started_at.map_or(0, Time::nanos),
    });
    if query.said("_order").is_none_or(|order| order == "DESC") {
        runs.reverse();
    }
    let form = ListForm { zone: listing.zone, output_size_limit: limit };
    Ok(listed(runs.len(), encode_executions(runs.iter().map(view), form, query.pretty())))
}

pub(super) async fn get(
    State(door): State<Door>,
    Path((job, execution)): Path<(String, String)>,
    query: Query,
) -> Answer {
    let run = door.app.execution(&job, &execution).await?;
    let mut response = json(StatusCode::OK, encode_execution(&view(&run), query.pretty()));
    if run.cut > 0 {
        // The body is Dkron's, which has no place for it.
        let name = HeaderName::from_static("x-dkron-output-cut");
        response.headers_mut().insert(name, HeaderValue::from(run.cut));
    }
    Ok(response)
}

pub(super) async fn busy(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Answer {
    let mut runs = door.app.busy().await?;
    runs.retain(|run| caller.means(&run.job_name));
    Ok(listed(runs.len(), encode_busy(runs.iter().map(view), query.pretty())))
}

/// The ticks of a job that were passed over, each stretch with its reason.
pub(super) async fn skips(State(door): State<Door>, Path(job): Path<String>, query: Query) -> Answer {
    let skips = door.app.skips(&job).await?;
    Ok(listed(skips.len(), encode_skips(&skips, query.pretty())))
}

pub(super) async fn delete(State(door): State<Door>, Path(job): Path<String>, query: Query) -> Answer {
    let shown = door.app.delete_executions(&job).await?;
    Ok(json(StatusCode::OK, jobs::encode(&shown, query.pretty())))
}

fn view(run: &Run) -> ExecutionView<'_> {
    ExecutionView {
        job_name: &run.job_name,
        started_at: run.started_at,
        finished_at: run.finished_at,
        success: run.verdict == Some(Verdict::Succeeded),
        output: &run.output,
        cut: run.cut > 0,
        node_name: &run.node,
        group: run.decided_at.nanos(),
        attempt: run.attempt,
    }
}
