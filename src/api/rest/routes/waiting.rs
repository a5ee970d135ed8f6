//! The routes of a server that belongs to no cluster yet: it says that it lives, whom it sees, and what it waits
//! for; everything else is refused with the reasons.

use super::cluster::view;
use super::guard;
use super::query::Query;
use super::{Answer, json, listed};
use crate::api::rest::go_json::Json;
use crate::api::rest::member_json::encode_members;
use crate::api::rest::replies::{encode_health, encode_is_leader};
use crate::api::status::Problem;
use crate::app::waiting::Waiting;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

/// The routes until [`super::router`] takes over.
/// Of a node that is secured only the process is shown: who may see more is not known yet.
pub fn waiting_router(waiting: Waiting, secured: bool) -> Router {
    let seen = if secured { any(refuse) } else { get(members) };
    Router::new()
        .route("/health", get(async || json(StatusCode::OK, encode_health())))
        .route(
            "/livez",
            get(async || json(StatusCode::OK, Json::object([("live", Json::Bool(true))]).render(false))),
        )
        .route("/readyz", get(ready))
        .route("/v1/members", seen)
        // As Dkron: clients take this for "no leader".
        .route("/v1/leader", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "null").into_response()))
        .route("/v1/isleader", get(async || json(StatusCode::NOT_FOUND, encode_is_leader(false))))
        .route("/v1", any(refuse))
        .route("/v1/{*path}", any(refuse))
        .fallback(any(guard::not_found))
        .with_state(waiting)
}

async fn ready(State(waiting): State<Waiting>) -> Response {
    let reasons = waiting.reasons().into_iter().map(Json::text).collect();
    let body = Json::object([("ready", Json::Bool(false)), ("reasons", Json::List(reasons))]);
    json(StatusCode::SERVICE_UNAVAILABLE, body.render(false))
}

async fn members(State(waiting): State<Waiting>, query: Query) -> Answer {
    let members = waiting.members();
    Ok(listed(members.len(), encode_members(members.iter().map(view), query.pretty())))
}

async fn refuse(State(waiting): State<Waiting>) -> Problem {
    Problem(StatusCode::SERVICE_UNAVAILABLE, waiting.reasons().join("; "))
}
