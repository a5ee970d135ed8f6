//! Dkron's routes, version 1: which path asks for what.

mod access;
mod beyond;
mod cluster;
mod executions;
mod explain;
mod guard;
mod jobs;
mod operator;
mod output;
mod paging;
mod precondition;
mod query;
mod reading;
mod tokens;
mod waiting;

pub(super) use executions::SORTS as RUN_SORTS;
pub(super) use explain::TIMES_MAX;
pub(super) use jobs::SORTS as JOB_SORTS;
pub(super) use paging::PAGE_MAX;
pub use waiting::waiting_router;

use crate::api::rest::openapi;
use crate::api::rest::read::BODY_BYTES_MAX;
use crate::api::status::Problem;
use crate::app::App;
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, delete, get, post, put};
use dkron_core::job::Words;
use std::sync::Arc;

/// A backup's largest size: a hundred thousand jobs of 1 KiB and their frame.
const BACKUP_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the routes work with.
#[derive(Clone)]
pub struct Door {
    /// The use cases.
    pub app: App,
    /// This node's name, which every answer carries as `X-Whom`.
    pub node: Arc<str>,
    /// This node's tags.
    pub tags: Arc<Words>,
    /// Whether browsers are sent to the web pages.
    pub ui: bool,
    /// Whether gossip is encrypted.
    pub sealed: bool,
}

type Answer = Result<Response, Problem>;

/// The routes.
pub fn router(door: Door) -> Router {
    let v1 = Router::new()
        .route("/", get(cluster::status))
        .route("/members", get(cluster::members))
        .route("/pause", get(cluster::paused).post(cluster::pause))
        .route("/unpause", post(cluster::unpause))
        .route("/hold", post(cluster::hold))
        .route("/release", post(cluster::release))
        .route("/busy", get(executions::busy))
        .route("/jobs", get(jobs::list).post(jobs::submit).patch(jobs::submit))
        .route("/jobs/{job}", put(jobs::submit).get(jobs::get).delete(jobs::delete).post(jobs::run))
        .route("/jobs/{job}/run", post(jobs::run))
        .route("/jobs/{job}/toggle", post(jobs::toggle))
        .route("/jobs/{job}/hold", post(jobs::hold))
        .route("/jobs/{job}/release", post(jobs::release))
        .route("/jobs/{job}/executions", get(executions::list).delete(executions::delete))
        .route("/jobs/{job}/executions/{execution}", get(executions::get))
        .route("/jobs/{job}/executions/{execution}/output", get(output::output))
        .route("/jobs/{job}/executions/{execution}/cancel", post(executions::cancel))
        .route("/jobs/{job}/skips", get(executions::skips))
        .route("/jobs/{job}/explain", get(explain::explain))
        .route("/executions", get(executions::across))
        .route("/schedule/next", get(explain::next))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/self", get(tokens::own))
        .route("/tokens/bootstrap", post(tokens::bootstrap))
        .route("/tokens/recover", post(tokens::recover))
        .route("/tokens/{token}", get(tokens::get).delete(tokens::revoke))
        .route("/jobs/{job}/backfill", post(beyond::backfill).get(beyond::waiting).delete(beyond::call_off))
        .route("/default-zone", get(beyond::zone).put(beyond::set_zone))
        .route("/leave", post(operator::leave))
        .route("/operator/health", get(operator::health))
        .route("/cluster/peers", get(operator::peers))
        .route("/cluster/peers/{peer}", delete(operator::remove))
        .route("/cluster/peers/{peer}/demote", post(operator::demote))
        .route("/cluster/peers/{peer}/promote", post(operator::promote))
        .route("/cluster/transfer", post(operator::transfer))
        .route("/nodes", get(operator::nodes))
        .route("/nodes/{node}/drain", post(operator::drain))
        .route("/nodes/{node}/cordon", post(operator::cordon))
        .route("/nodes/{node}/uncordon", post(operator::uncordon))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route("/restore", post(jobs::restore).layer(DefaultBodyLimit::max(BACKUP_BYTES_MAX)))
        .layer(from_fn_with_state(door.clone(), reading::truthful))
        // These say nothing of the state.
        .route("/leader", get(cluster::leader))
        .route("/isleader", get(cluster::is_leader))
        .route("/openapi.json", get(described))
        .layer(from_fn_with_state(door.clone(), access::check))
        .layer(from_fn_with_state(door.clone(), guard::whom))
        .layer(axum::middleware::from_fn(guard::same_origin));
    Router::new()
        .route("/health", get(cluster::health))
        .route("/livez", get(cluster::live))
        .route("/readyz", get(cluster::ready))
        .route("/metrics", get(cluster::metrics))
        .route("/", get(guard::front).layer(from_fn_with_state(door.clone(), guard::whom)))
        .route("/ui", get(guard::pages).layer(from_fn_with_state(door.clone(), guard::whom)))
        .route(
            "/v1/",
            get(cluster::status)
                .layer(from_fn_with_state(door.clone(), reading::truthful))
                .layer(from_fn_with_state(door.clone(), guard::whom)),
        )
        .layer(from_fn_with_state(door.clone(), access::check))
        .nest("/v1", v1)
        .fallback(any(guard::not_found))
        .method_not_allowed_fallback(guard::not_found)
        .with_state(door)
}

/// What all routes take and answer, for programs.
async fn described() -> Response {
    json(StatusCode::OK, openapi::document().to_vec())
}

/// Every route's method and path, for the test that compares them with their description.
#[cfg(test)]
pub(super) fn known_routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    access::ROUTES.iter().map(|(method, path, _)| (*method, *path))
}

/// A JSON answer.
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A JSON list with the number of its elements.
fn listed(total: usize, body: Vec<u8>) -> Response {
    let mut response = json(StatusCode::OK, body);
    let name = HeaderName::from_static("x-total-count");
    response.headers_mut().insert(name, HeaderValue::from(total));
    response
}

/// Adds `Location`, if the path makes one.
fn located(mut response: Response, path: &str) -> Response {
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A client's request id: the header `Idempotency-Key`, any text. The same key within ten minutes acts once.
fn request_id(headers: &HeaderMap) -> Option<dkron_core::ids::RequestId> {
    let key = headers.get("idempotency-key")?;
    Some(dkron_core::ids::RequestId::of_key(key.as_bytes()))
}
