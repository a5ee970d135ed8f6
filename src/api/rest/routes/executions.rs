//! Executions: those of a job, one of them, and what runs now.

use super::paging::{PAGE, marked, paged};
use super::query::Query;
use super::{Answer, Door, jobs, json, listed};
use crate::api::rest::cursor;
use crate::api::rest::execution_json::{
    ExecutionView, ListForm, encode_busy, encode_execution, encode_executions,
};
use crate::api::rest::run_json::{encode_run, encode_runs};
use crate::api::rest::skip_json::encode_skips;
use crate::api::status::Problem;
use crate::app::access::Caller;
use crate::app::executions::{Cancelled, Place, Run, Runs, Sought, Status, WORDS};
use axum::Extension;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use dkron_core::execution::Verdict;
use dkron_core::time::Time;
use std::collections::BTreeSet;

/// What Dkron's list of one job's executions may be sorted by; the first one where nothing is said.
pub(in crate::api::rest) const SORTS: [&str; 4] = ["id", "started_at", "finished_at", "attempt"];

/// One job's executions: all that are kept, sorted, as Dkron; or by pages, the newest first.
pub(super) async fn list(
    State(door): State<Door>,
    (Path(job), OriginalUri(uri)): (Path<String>, OriginalUri),
    query: Query,
) -> Answer {
    let sort = query.choice("_sort", &SORTS)?;
    let output_size_limit = query.number("output_size_limit")?;
    let limit = query.limit()?;
    let listing = match limit {
        Some(limit) => {
            if let Some(word) = ["_sort", "_order"].into_iter().find(|word| query.said(word).is_some()) {
                return Err(Problem::bad_request(format!("{word}: not allowed beside limit and cursor")));
            }
            let place = query.place(cursor::decode_executions, uri.path())?;
            door.app.executions_page(&job, limit, place).await?
        }
        None => sorted(door.app.executions(&job).await?, sort, query.said("_order")),
    };
    let form = ListForm { zone: listing.zone, output_size_limit };
    let body = encode_executions(listing.runs.iter().map(view), form, query.pretty());
    // A page does not know how many there are.
    let response = match limit {
        Some(_) => json(StatusCode::OK, body),
        None => listed(listing.runs.len(), body),
    };
    Ok(marked(onward(response, (&query, &uri), listing.next), listing.lost_up_to))
}

fn sorted(mut listing: Runs, sort: &str, order: Option<&str>) -> Runs {
    listing.runs.sort_by_key(|run| match sort {
        "finished_at" => run.finished_at.map_or(0, Time::nanos),
        "attempt" => i64::from(run.attempt),
        _ => run.started_at.map_or(0, Time::nanos),
    });
    if order.is_none_or(|order| order == "DESC") {
        listing.runs.reverse();
    }
    listing
}

/// Says where a list of executions goes on.
fn onward(response: Response, (query, uri): (&Query, &Uri), next: Option<Place>) -> Response {
    let next = next.map(|place| cursor::encode_executions(query.question(uri.path()), place));
    paged(response, uri, next)
}

/// Executions of all jobs, the newest first, by pages.
pub(super) async fn across(
    State(door): State<Door>,
    (Extension(caller), OriginalUri(uri)): (Extension<Caller>, OriginalUri),
    query: Query,
) -> Answer {
    let sought = Sought {
        job: query.said("job").map(str::to_owned),
        prefix: query.said("job_prefix").map(str::to_owned),
        statuses: statuses(&query)?,
        node: query.said("node").map(str::to_owned),
        from: query.instant("from")?,
        to: query.instant("to")?,
        limit: query.limit()?.unwrap_or(PAGE),
        place: query.place(cursor::decode_executions, uri.path())?,
        caller,
    };
    let output_bytes = query.number("output_size_limit")?;
    let found = door.app.executions_across(sought).await?;
    let response = json(StatusCode::OK, encode_runs(&found.runs, output_bytes, query.pretty()));
    Ok(marked(onward(response, (&query, &uri), found.next), found.lost_up_to))
}

/// `status`, once or more often, each with one word or several between commas.
fn statuses(query: &Query) -> Result<BTreeSet<Status>, Problem> {
    let mut found = BTreeSet::new();
    let values = query.all().filter(|(key, _)| *key == "status").flat_map(|(_, value)| value.split(','));
    for word in values.map(str::trim).filter(|word| !word.is_empty()) {
        let named = Status::named(word).ok_or_else(|| {
            Problem::bad_request(format!("status: '{word}' is not allowed, allowed are {WORDS}"))
        })?;
        found.extend(named);
    }
    Ok(found)
}

/// Ends an execution: 202 while its agent still has to, 200 once it is over.
pub(super) async fn cancel(
    State(door): State<Door>,
    Path((job, execution)): Path<(String, String)>,
    query: Query,
) -> Answer {
    let (status, run) = match door.app.cancel_execution(&job, &execution).await? {
        Cancelled::Asked(run) => (StatusCode::ACCEPTED, run),
        Cancelled::Done(run) => (StatusCode::OK, run),
    };
    Ok(json(status, encode_run(&run, None, query.pretty())))
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
        success: run.status == Status::Ended(Verdict::Succeeded),
        output: &run.output,
        cut: run.cut > 0,
        node_name: &run.node,
        group: run.decided_at.nanos(),
        attempt: run.attempt,
    }
}
