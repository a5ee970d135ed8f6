//! What each route asks of who calls it: one table, looked at before any handler.
//!
//! A route that is not in the table is not there, whoever asks: a new one is nobody's until somebody says whose.

use super::Door;
use super::guard::not_found;
use crate::api::status::Problem;
use crate::app::access::Caller;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dkron_core::access::Capability::{self, *};

/// What is asked of a caller while tokens are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// Nothing: it says no more than that the process answers, or judges by itself.
    Nothing,
    /// Any token that counts.
    Token,
    /// The capability; it is not about jobs, or about all of them.
    All(Capability),
    /// The capability for the job that the path names.
    Job(Capability),
    /// The capability for some jobs: the handler looks at each job that it shows or touches.
    Each(Capability),
}

use Need::{All, Each, Job, Nothing, Token};

/// Every route, by method and path.
pub(super) const ROUTES: &[(&str, &str, Need)] = &[
    ("GET", "/health", Nothing),
    ("GET", "/livez", Nothing),
    ("GET", "/readyz", Nothing),
    ("GET", "/metrics", All(ReadCluster)),
    ("GET", "/v1/", All(ReadCluster)),
    ("GET", "/v1", All(ReadCluster)),
    ("GET", "/v1/openapi.json", Nothing),
    ("GET", "/v1/members", All(ReadCluster)),
    ("GET", "/v1/leader", All(ReadCluster)),
    ("GET", "/v1/isleader", All(ReadCluster)),
    ("GET", "/v1/pause", All(ReadCluster)),
    ("POST", "/v1/pause", All(OperateCluster)),
    ("POST", "/v1/unpause", All(OperateCluster)),
    ("POST", "/v1/hold", All(OperateCluster)),
    ("POST", "/v1/release", All(OperateCluster)),
    ("GET", "/v1/busy", Each(ReadExecutions)),
    ("GET", "/v1/jobs", Each(ReadJobs)),
    ("POST", "/v1/jobs", Each(WriteJobs)),
    ("PATCH", "/v1/jobs", Each(WriteJobs)),
    ("PUT", "/v1/jobs/{job}", Each(WriteJobs)),
    ("GET", "/v1/jobs/{job}", Job(ReadJobs)),
    ("DELETE", "/v1/jobs/{job}", Job(WriteJobs)),
    ("POST", "/v1/jobs/{job}", Job(RunJobs)),
    ("POST", "/v1/jobs/{job}/run", Job(RunJobs)),
    ("POST", "/v1/jobs/{job}/toggle", Job(WriteJobs)),
    ("POST", "/v1/jobs/{job}/hold", Job(RunJobs)),
    ("POST", "/v1/jobs/{job}/release", Job(RunJobs)),
    ("GET", "/v1/jobs/{job}/executions", Job(ReadExecutions)),
    ("DELETE", "/v1/jobs/{job}/executions", Job(WriteJobs)),
    ("GET", "/v1/jobs/{job}/executions/{execution}", Job(ReadExecutions)),
    ("GET", "/v1/jobs/{job}/executions/{execution}/output", Job(ReadExecutions)),
    ("POST", "/v1/jobs/{job}/executions/{execution}/cancel", Job(RunJobs)),
    ("GET", "/v1/jobs/{job}/skips", Job(ReadJobs)),
    ("GET", "/v1/jobs/{job}/explain", Job(ReadExecutions)),
    ("GET", "/v1/executions", Each(ReadExecutions)),
    ("GET", "/v1/schedule/next", Token),
    ("POST", "/v1/jobs/{job}/backfill", Job(RunJobs)),
    ("GET", "/v1/jobs/{job}/backfill", Job(ReadJobs)),
    ("DELETE", "/v1/jobs/{job}/backfill", Job(RunJobs)),
    ("GET", "/v1/default-zone", All(ReadCluster)),
    ("PUT", "/v1/default-zone", All(OperateCluster)),
    ("POST", "/v1/leave", All(OperateCluster)),
    ("GET", "/v1/operator/health", All(ReadCluster)),
    ("GET", "/v1/cluster/peers", All(ReadCluster)),
    ("DELETE", "/v1/cluster/peers/{peer}", All(OperateCluster)),
    ("POST", "/v1/cluster/peers/{peer}/demote", All(OperateCluster)),
    ("POST", "/v1/cluster/peers/{peer}/promote", All(OperateCluster)),
    ("POST", "/v1/cluster/transfer", All(OperateCluster)),
    ("GET", "/v1/nodes", All(ReadCluster)),
    ("POST", "/v1/nodes/{node}/drain", All(OperateCluster)),
    ("POST", "/v1/nodes/{node}/cordon", All(OperateCluster)),
    ("POST", "/v1/nodes/{node}/uncordon", All(OperateCluster)),
    ("GET", "/", All(ReadCluster)),
    ("GET", "/ui", Nothing),
    ("POST", "/v1/restore", Each(WriteJobs)),
    ("GET", "/v1/tokens", All(ManageTokens)),
    ("POST", "/v1/tokens", Each(ManageTokens)),
    ("GET", "/v1/tokens/{token}", All(ManageTokens)),
    ("DELETE", "/v1/tokens/{token}", Each(ManageTokens)),
    ("GET", "/v1/tokens/self", Token),
    ("POST", "/v1/tokens/bootstrap", Nothing),
    ("POST", "/v1/tokens/recover", Nothing),
];

/// Lets a request through whose caller may make it; the caller goes with it.
pub(super) async fn check(
    State(door): State<Door>,
    path: Option<MatchedPath>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let method = match request.method().as_str() {
        "HEAD" => "GET",
        method => method,
    };
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let found = ROUTES.iter().find(|(known, at, _)| *known == method && *at == path);
    let Some((_, _, need)) = found else { return not_found(request).await };
    let job = params.iter().find(|(name, _)| *name == "job").map(|(_, job)| job.to_owned());
    match admit(&door, *need, job.as_deref(), request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            caller.asks(next.run(request)).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(door: &Door, need: Need, job: Option<&str>, headers: &HeaderMap) -> Result<Caller, Problem> {
    if need == Nothing {
        return Ok(Caller::Anybody);
    }
    let caller = door.app.caller(sent(headers)).await?;
    match (need, job) {
        (Nothing | Token, _) => {}
        (Job(capability), Some(_)) => caller.may(capability, job)?,
        (Job(capability), None) => caller.may_for_all(capability)?,
        (Each(capability), _) => caller.may(capability, None)?,
        (All(capability), _) => caller.may_for_all(capability)?,
    }
    Ok(caller)
}

/// The token that was sent, in either header.
fn sent(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    let bearer =
        bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    bearer.or_else(|| text("x-dkron-token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::collections::BTreeSet;

    /// The routes as the router's own text has them.
    fn written() -> BTreeSet<(String, String)> {
        let text = include_str!("mod.rs");
        let text = &text[text.find("pub fn router").expect("the router")..];
        let text = &text[..text.find("\n}\n").expect("its end")];
        let (inner, outer) =
            text.split_once("Router::new()\n        .route(\"/health\"").expect("two routers");
        let mut routes = BTreeSet::new();
        for (prefix, part) in [("/v1", inner.to_owned()), ("", format!(".route(\"/health\"{outer}"))] {
            for route in part.split(".route(\"").skip(1) {
                let (path, rest) = route.split_once('"').expect("a path");
                for method in ["get", "post", "put", "patch", "delete"] {
                    let names = |call: &str| rest.contains(&format!("{call}{method}("));
                    if names(", ") || names(").") {
                        routes.insert((method.to_uppercase(), format!("{prefix}{path}")));
                    }
                }
            }
        }
        routes
    }

    #[test]
    fn every_route_says_what_it_asks_of_its_caller() {
        let known: BTreeSet<(String, String)> =
            ROUTES.iter().map(|(method, path, _)| (method.to_string(), path.to_string())).collect();
        assert_eq!(known.len(), ROUTES.len(), "a route stands there twice");
        let written = written();
        assert!(written.len() > 30, "{written:?}");
        let silent: Vec<_> = written.difference(&known).collect();
        assert!(silent.is_empty(), "without an entry in ROUTES: {silent:?}");
        let gone: Vec<_> = known.difference(&written).filter(|(_, path)| path != "/v1").collect();
        assert!(gone.is_empty(), "in ROUTES and not in the router: {gone:?}");
    }

    #[test]
    fn nothing_that_changes_anything_asks_for_nothing() {
        let open: Vec<&str> = ROUTES
            .iter()
            .filter(|(method, _, need)| *method != "GET" && matches!(need, Nothing | Token))
            .map(|(_, path, _)| *path)
            .collect();
        // These two judge by themselves: the state, and the server's disk.
        assert_eq!(open, ["/v1/tokens/bootstrap", "/v1/tokens/recover"]);
    }

    #[test]
    fn a_token_is_read_from_either_header() {
        let header = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            sent(&headers).map(str::to_owned)
        };
        assert_eq!(header("authorization", "Bearer dkron_1").as_deref(), Some("dkron_1"));
        assert_eq!(header("authorization", "bearer  dkron_1 ").as_deref(), Some("dkron_1"));
        assert_eq!(header("x-dkron-token", "dkron_2").as_deref(), Some("dkron_2"));
        assert_eq!(header("authorization", "Basic abc"), None);
    }
}
