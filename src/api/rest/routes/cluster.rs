//! The cluster: status, members, leader, health, pause, hold.

use super::query::Query;
use super::{Answer, Door, json, listed};
use crate::api::rest::go_json::Json;
use crate::api::rest::member_json::{MemberStatus, MemberView, encode_leader, encode_members};
use crate::api::rest::replies::{encode_health, encode_is_leader, encode_paused};
use crate::api::rest::status_json::{StatusView, encode_status};
use crate::api::status::Problem;
use crate::app::cluster::{Member, gone};
use crate::telemetry::counters;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dkron_core::command::Scope;
use std::time::Duration;

/// How long the state may take to answer a probe.
const LIVE_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn status(State(door): State<Door>, query: Query) -> Answer {
    let members = door.app.members().await?;
    let (failed, left) = gone(&members);
    let view = StatusView {
        name: &door.node,
        version: env!("CARGO_PKG_VERSION"),
        members: members.len() as u64,
        failed,
        left,
        encrypted: door.sealed,
        tags: &door.tags,
    };
    Ok(json(StatusCode::OK, encode_status(&view, query.pretty())))
}

pub(super) async fn members(State(door): State<Door>, query: Query) -> Answer {
    let members = door.app.members().await?;
    Ok(listed(members.len(), encode_members(members.iter().map(view), query.pretty())))
}

pub(super) async fn leader(State(door): State<Door>, query: Query) -> Answer {
    match door.app.leader().await? {
        Some(leader) => Ok(json(StatusCode::OK, encode_leader(&view(&leader), query.pretty()))),
        // As Dkron: clients take this for "no leader".
        None => Ok((StatusCode::INTERNAL_SERVER_ERROR, "null").into_response()),
    }
}

pub(super) fn view(member: &Member) -> MemberView<'_> {
    let (address, port) = member.address.rsplit_once(':').unwrap_or((&member.address, "0"));
    MemberView {
        id: member.id,
        name: &member.name,
        address: address.trim_matches(['[', ']']),
        port: port.parse().unwrap_or(0),
        tags: &member.tags,
        status: MemberStatus::of(member.liveness),
        formats: member.formats,
    }
}

pub(super) async fn is_leader(State(door): State<Door>) -> Response {
    let leads = door.app.is_leader();
    let status = if leads { StatusCode::OK } else { StatusCode::NOT_FOUND };
    json(status, encode_is_leader(leads))
}

pub(super) async fn paused(State(door): State<Door>, query: Query) -> Answer {
    Ok(json(StatusCode::OK, encode_paused(door.app.is_paused().await?, query.pretty())))
}

pub(super) async fn pause(State(door): State<Door>, query: Query) -> Answer {
    set_paused(&door, true, &query).await
}

pub(super) async fn unpause(State(door): State<Door>, query: Query) -> Answer {
    set_paused(&door, false, &query).await
}

async fn set_paused(door: &Door, paused: bool, query: &Query) -> Answer {
    door.app.pause(paused).await?;
    Ok(json(StatusCode::OK, encode_paused(paused, query.pretty())))
}

/// Stops all ticks; running jobs go on.
pub(super) async fn hold(State(door): State<Door>, query: Query) -> Answer {
    door.app.hold(Scope::Cluster).await?;
    Ok(json(StatusCode::OK, held(true, query.pretty())))
}

/// Lets ticks go on; those of the time in between are passed over, with a record.
pub(super) async fn release(State(door): State<Door>, query: Query) -> Answer {
    door.app.release(Scope::Cluster).await?;
    Ok(json(StatusCode::OK, held(false, query.pretty())))
}

fn held(held: bool, pretty: bool) -> Vec<u8> {
    Json::object([("held", Json::Bool(held))]).render(pretty)
}

/// As Dkron: the process answers.
pub(super) async fn health() -> Response {
    json(StatusCode::OK, encode_health())
}

/// What is counted, as Prometheus reads it.
pub(super) async fn metrics() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, counters::exposition()).into_response()
}

/// The process is alive and its state can be read.
pub(super) async fn live(State(door): State<Door>) -> Answer {
    let health = tokio::time::timeout(LIVE_WAIT, door.app.health()).await;
    let stuck = |_| {
        let message = format!("the state did not answer within {} s", LIVE_WAIT.as_secs());
        Problem(StatusCode::SERVICE_UNAVAILABLE, message)
    };
    let health = health.map_err(stuck)??;
    let body = Json::object([
        ("live", Json::Bool(true)),
        ("applied", Json::Number(health.applied.into())),
        ("jobs", Json::Number(health.jobs as i128)),
        ("digest", Json::text(format!("{:032x}", health.digest))),
    ]);
    Ok(json(StatusCode::OK, body.render(false)))
}

/// Writes are taken, ticks decided, and what is shown is true; otherwise 503 with the reasons.
pub(super) async fn ready(State(door): State<Door>) -> Answer {
    let health = door.app.health().await?;
    let obstacles = door.app.obstacles().await;
    let ready = obstacles.is_empty();
    let held = health.held_since.map(|since| format!("all ticks are held since {since}"));
    let reasons = obstacles.into_iter().chain(held).chain(door.app.remarks()).map(Json::text);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Json::object([("ready", Json::Bool(ready)), ("reasons", Json::List(reasons.collect()))]);
    Ok(json(status, body.render(false)))
}
