//! Who may call what between nodes: one table, asked before any service sees a call.
//!
//! With TLS on, every connection has shown a certificate of the cluster's authority; here its role is held against
//! the call. What is not in the table is refused, so that a new call is nobody's until somebody says whose.

use crate::app::access::Keep;
use crate::net::Peer;
use crate::net::trust::{Refusals, Role};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tonic::Status;

const SERVERS: &[Role] = &[Role::Server];
const NODES: &[Role] = &[Role::Server, Role::Agent];
const OPERATORS: &[Role] = &[Role::Server, Role::Operator];

/// Why an operator's call is refused in clear.
const CLOSED: &str = "the API of this cluster asks for tokens, and without TLS between nodes this port cannot know who \
     calls: use the REST API with a token, or start the servers with --tls-ca-file, --tls-cert-file, --tls-key-file";

/// Each call and who may make it.
const CALLS: &[(&str, &[Role])] = &[
    ("/dkron.agent.v1.Agents/Attend", NODES),
    ("/dkron.consensus.v1.Consensus/Append", SERVERS),
    ("/dkron.consensus.v1.Consensus/Digests", SERVERS),
    ("/dkron.consensus.v1.Consensus/Heartbeat", SERVERS),
    ("/dkron.consensus.v1.Consensus/PreVote", SERVERS),
    ("/dkron.consensus.v1.Consensus/Quarantine", SERVERS),
    ("/dkron.consensus.v1.Consensus/Snapshot", SERVERS),
    ("/dkron.consensus.v1.Consensus/SnapshotOffset", SERVERS),
    ("/dkron.consensus.v1.Consensus/TransferLeader", SERVERS),
    ("/dkron.consensus.v1.Consensus/Vote", SERVERS),
    ("/dkron.keyring.v1.Keyring/Everywhere", OPERATORS),
    ("/dkron.keyring.v1.Keyring/Here", SERVERS),
    ("/dkron.operator.v1.Operator/ChangePeer", OPERATORS),
    ("/dkron.operator.v1.Operator/Health", OPERATORS),
    ("/dkron.operator.v1.Operator/Leave", OPERATORS),
    ("/dkron.operator.v1.Operator/Members", OPERATORS),
    ("/dkron.operator.v1.Operator/Nodes", OPERATORS),
    ("/dkron.operator.v1.Operator/Peers", OPERATORS),
    ("/dkron.operator.v1.Operator/SetWork", OPERATORS),
    ("/dkron.operator.v1.Operator/Transfer", OPERATORS),
    ("/dkron.server.v1.Copies/Output", SERVERS),
    ("/dkron.server.v1.Copies/Put", SERVERS),
    ("/dkron.server.v1.Copies/Rows", SERVERS),
    ("/dkron.server.v1.Formation/Abort", SERVERS),
    ("/dkron.server.v1.Formation/Hello", SERVERS),
    ("/dkron.server.v1.Formation/Promise", SERVERS),
    ("/dkron.server.v1.Formation/Servers", NODES),
    ("/dkron.server.v1.Leader/Confirm", SERVERS),
    ("/dkron.server.v1.Leader/Follow", SERVERS),
    ("/dkron.server.v1.Leader/Operate", SERVERS),
    ("/dkron.server.v1.Leader/Submit", SERVERS),
];

/// Puts the table before calls, if nodes show certificates. If they show none, nobody knows who calls: then operators'
/// calls are refused as soon as the API asks for tokens.
pub(super) fn gate(calls: Router, secured: bool, tokens: Keep) -> Router {
    if !secured {
        return calls.layer(from_fn(move |request: Request, next: Next| {
            let closed = is_of_operators(request.uri().path()) && tokens.is_closed();
            async move {
                match closed {
                    true => Status::permission_denied(CLOSED).into_http::<axum::body::Body>().into_response(),
                    false => next.run(request).await,
                }
            }
        }));
    }
    let refusals = Arc::new(Refusals::default());
    calls.layer(from_fn(move |request: Request, next: Next| {
        let refusals = refusals.clone();
        async move {
            match judge(request.extensions().get::<Peer>(), request.uri().path()) {
                Ok(()) => next.run(request).await,
                Err((peer, reason)) => refuse(&refusals, &peer, reason),
            }
        }
    }))
}

/// Whether a person makes this call and no node.
fn is_of_operators(call: &str) -> bool {
    CALLS.iter().any(|(known, roles)| *known == call && *roles == OPERATORS)
}

fn refuse(refusals: &Refusals, peer: &str, reason: String) -> Response {
    if refusals.is_news(peer, &reason) {
        tracing::warn!(peer, reason, "a call is refused");
    }
    Status::permission_denied(reason).into_http::<axum::body::Body>().into_response()
}

/// Whether this peer may make this call; else who it is, and a sentence for both sides.
fn judge(peer: Option<&Peer>, call: &str) -> Result<(), (String, String)> {
    let roles = CALLS.iter().find(|(known, _)| *known == call).map_or(&[][..], |(_, roles)| *roles);
    let Some(peer) = peer else {
        return Err(("unknown".to_owned(), format!("{call}: the caller has shown no certificate")));
    };
    if peer.is_one_of(roles) {
        return Ok(());
    }
    let shown = peer.certificate().map_or("nothing".to_owned(), |certificate| certificate.shown());
    let wanted = roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(" or ");
    let wanted = if wanted.is_empty() { "nobody" } else { &wanted };
    let reason = format!("{call}: the caller's certificate is for {shown}, this call is for role: {wanted}");
    Err((peer.address().ip().to_string(), reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::any;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;
    use tower::ServiceExt;

    /// Every `rpc` of every service in the `.proto` files.
    fn spoken() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/proto");
        let mut calls = BTreeSet::new();
        for file in fs::read_dir(folder).expect("the folder").flatten() {
            let text = fs::read_to_string(file.path()).expect("a text");
            let (mut package, mut service) = (String::new(), String::new());
            for line in text.lines().map(str::trim) {
                let word = |head: &str| {
                    let rest = line.strip_prefix(head)?;
                    Some(rest.split(['(', ';', ' ', '{']).next().unwrap_or_default().to_owned())
                };
                if let Some(found) = word("package ") {
                    package = found;
                } else if let Some(found) = word("service ") {
                    service = found;
                } else if let Some(found) = word("rpc ") {
                    calls.insert(format!("/{package}.{service}/{found}"));
                }
            }
        }
        calls
    }

    #[test]
    fn every_call_between_nodes_is_in_the_table_and_nothing_else() {
        let known: BTreeSet<String> = CALLS.iter().map(|(call, _)| (*call).to_owned()).collect();
        assert_eq!(known, spoken());
    }

    #[test]
    fn agents_only_attend_and_ask_for_servers() {
        let agents: Vec<&str> =
            CALLS.iter().filter(|(_, roles)| roles.contains(&Role::Agent)).map(|(call, _)| *call).collect();
        assert_eq!(agents, ["/dkron.agent.v1.Agents/Attend", "/dkron.server.v1.Formation/Servers"]);
        assert!(CALLS.iter().all(|(_, roles)| !roles.contains(&Role::Client)), "clients use the API");
        assert!(CALLS.iter().all(|(_, roles)| roles.contains(&Role::Server)));
    }

    #[tokio::test]
    async fn in_clear_operators_are_refused_once_the_api_asks_for_tokens() {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = Keep::new(folder.path().to_owned());
        let leave = "/dkron.operator.v1.Operator/Leave";
        let vote = "/dkron.consensus.v1.Consensus/Vote";
        let calls = Router::new().route(leave, any(async || "done")).route(vote, any(async || "done"));
        let calls = gate(calls, false, tokens.clone());
        let answer = async |call: &str| {
            let request = Request::builder().uri(call).body(axum::body::Body::empty()).expect("a request");
            let response = calls.clone().oneshot(request).await.expect("an answer");
            response.headers().get("grpc-status").and_then(|status| status.to_str().ok().map(str::to_owned))
        };
        assert_eq!((answer(leave).await, answer(vote).await), (None, None));
        tokens.close().await.expect("closed");
        assert_eq!((answer(leave).await.as_deref(), answer(vote).await), (Some("7"), None));
    }

    #[test]
    fn who_has_shown_nothing_calls_nothing() {
        let (_, reason) = judge(None, "/dkron.consensus.v1.Consensus/Vote").expect_err("refused");
        assert!(reason.contains("shown no certificate"), "{reason}");
    }
}
