//! What surrounds every route: who answers, who may ask, and what is not there.

use super::Door;
use crate::api::status::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

/// Says which node answers.
pub(super) async fn whom(State(door): State<Door>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Ok(name) = HeaderValue::from_str(&door.node) {
        response.headers_mut().insert(HeaderName::from_static("x-whom"), name);
    }
    response
}

/// A page of another site cannot make a browser change anything here: a request that changes something and
/// names an origin must name this very host.
pub(super) async fn same_origin(request: Request, next: Next) -> Result<Response, Problem> {
    check_origin(&request)?;
    Ok(next.run(request).await)
}

fn check_origin(request: &Request) -> Result<(), Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let text =
        |name: HeaderName| request.headers().get(&name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(site @ ("cross-site" | "same-site")) = text(HeaderName::from_static("sec-fetch-site")) {
        return Err(Problem(StatusCode::FORBIDDEN, format!("a {site} page may not change anything here")));
    }
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    if text(header::HOST) == Some(host) {
        return Ok(());
    }
    Err(Problem(StatusCode::FORBIDDEN, format!("the page at {origin} may not change anything here")))
}

/// As Dkron: a browser is sent to the pages, a client that wants JSON finds nothing here.
pub(super) async fn front(State(door): State<Door>, request: Request) -> Response {
    let accepts = request.headers().get_all(header::ACCEPT).iter();
    let kinds: Vec<&str> =
        accepts.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
    match (door.ui, kinds.is_empty() || kinds.into_iter().any(is_html)) {
        (true, true) => Redirect::to("/ui/").into_response(),
        (true, false) => StatusCode::NOT_FOUND.into_response(),
        (false, _) => not_found(request).await,
    }
}

/// As Dkron: the pages are in a folder.
pub(super) async fn pages(State(door): State<Door>, request: Request) -> Response {
    match door.ui {
        true => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/ui/")]).into_response(),
        false => not_found(request).await,
    }
}

fn is_html(kind: &str) -> bool {
    matches!(kind.split(';').next().unwrap_or_default().trim(), "text/html" | "text/*" | "*/*")
}

/// What Dkron answers to an unknown path or method; a slash too many is taken off first.
pub(super) async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    if let Some(shorter) = path.strip_suffix('/').filter(|shorter| shorter.starts_with("/v1/")) {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{shorter}{query}");
        return match *request.method() {
            Method::GET => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, target)]).into_response(),
            _ => Redirect::temporary(&target).into_response(),
        };
    }
    Problem(StatusCode::NOT_FOUND, "404 page not found".to_owned()).into_response()
}
