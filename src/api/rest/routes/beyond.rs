//! What Dkron has no route for: ticks of the past run after all, another default zone.

use super::query::Query;
use super::{Answer, Door, jobs, json, request_id};
use crate::api::rest::wish_json::{
    decode_backfill, decode_zone, encode_ticks, encode_zone, encode_zone_change,
};
use crate::api::status::Problem;
use crate::app::backfill::Wanted;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};

/// Ticks of a stretch of a job's past: shown (`dry_run`), or run one after the other.
pub(super) async fn backfill(
    State(door): State<Door>,
    Path(job): Path<String>,
    headers: HeaderMap,
    query: Query,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let sent = decode_backfill(&body.map_err(jobs::unread)?).map_err(|error| refused(&error))?;
    let wanted = Wanted {
        job: job.clone(),
        range: sent.from..sent.to,
        limit: sent.limit,
        dry_run: sent.dry_run,
        request: request_id(&headers),
    };
    let ticks = door.app.backfill(wanted).await?;
    Ok(json(StatusCode::OK, encode_ticks(&job, &ticks, Some(sent.dry_run), query.pretty())))
}

/// The backfilled runs that wait.
pub(super) async fn waiting(State(door): State<Door>, Path(job): Path<String>, query: Query) -> Answer {
    let ticks = door.app.waiting_backfill(&job).await?;
    Ok(json(StatusCode::OK, encode_ticks(&job, &ticks, None, query.pretty())))
}

/// Those that wait are called off; one that runs runs on.
pub(super) async fn call_off(State(door): State<Door>, Path(job): Path<String>, query: Query) -> Answer {
    let ticks = door.app.call_off_backfill(&job).await?;
    Ok(json(StatusCode::OK, encode_ticks(&job, &ticks, None, query.pretty())))
}

pub(super) async fn zone(State(door): State<Door>, query: Query) -> Answer {
    Ok(json(StatusCode::OK, encode_zone(&door.app.default_zone().await?, query.pretty())))
}

/// Another zone for the jobs that name none, or (`dry_run`) what that would change.
pub(super) async fn set_zone(
    State(door): State<Door>,
    query: Query,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let sent = decode_zone(&body.map_err(jobs::unread)?).map_err(|error| refused(&error))?;
    let change = door.app.set_default_zone(&sent.zone, sent.dry_run).await?;
    Ok(json(StatusCode::OK, encode_zone_change(&change, sent.dry_run, query.pretty())))
}

fn refused(error: &crate::api::rest::read::ReadError) -> Problem {
    Problem::bad_request(error.to_string())
}
