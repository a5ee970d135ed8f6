//! Why a job did or did not run, and when an expression fires.

use super::query::Query;
use super::{Answer, Door, json};
use crate::api::rest::explain_json::{encode_explained, encode_times};
use crate::api::status::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use dkron_core::rules::{Expression, Timing};
use dkron_core::schedule::Dst;

/// Most instants of one answer.
pub(in crate::api::rest) const TIMES_MAX: usize = 1_000;
/// Instants of an answer whose client says nothing.
const TIMES: usize = 5;

pub(super) async fn explain(State(door): State<Door>, Path(job): Path<String>, query: Query) -> Answer {
    let at = query.instant("at")?;
    let explained = door.app.explain(&job, at).await?;
    Ok(json(StatusCode::OK, encode_explained(&explained, query.pretty())))
}

/// The next times of an expression, as a job of its own would have them.
pub(super) async fn next(State(door): State<Door>, query: Query) -> Answer {
    let Some(text) = query.get("expr") else {
        return Err(Problem::bad_request("expr: it is missing, allowed is a schedule expression"));
    };
    let dst = match query.said("dst") {
        Some(word) => word.parse::<Dst>().map_err(|error| Problem::bad_request(format!("dst: {error}")))?,
        None => Dst::default(),
    };
    let count = match query.number("count")? {
        None => TIMES,
        Some(count) if (1..=TIMES_MAX).contains(&count) => count,
        Some(count) => {
            return Err(Problem::bad_request(format!(
                "count: '{count}' is not allowed, allowed is a whole number from 1 to {TIMES_MAX}"
            )));
        }
    };
    let from = query.instant("from")?.unwrap_or_else(|| door.app.now());
    let expression = Expression {
        text,
        zone: query.said("tz").unwrap_or("UTC"),
        dst,
        job: query.said("job").unwrap_or("job"),
    };
    let timing =
        Timing::of_expression(expression).map_err(|error| Problem::bad_request(error.to_string()))?;
    let times: Vec<_> = timing.times(from).take(count).collect();
    Ok(json(StatusCode::OK, encode_times(&times, query.pretty())))
}
