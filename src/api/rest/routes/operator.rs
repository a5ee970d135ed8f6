//! What operators change: who votes and leads, which nodes get work; and how well the servers do.

use super::query::Query;
use super::{Answer, Door, json, listed};
use crate::api::rest::operator_json::{
    Now, encode_left, encode_node, encode_nodes, encode_peer, encode_peers, encode_servers_health,
};
use crate::clock;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use dkron_core::node::Work;
use dkron_core::voters::Wish;

/// This server gives up its vote and membership, and then stops.
pub(super) async fn leave(State(door): State<Door>, query: Query) -> Answer {
    door.app.leave().await?;
    Ok(json(StatusCode::OK, encode_left(&door.app.roster(), door.app.server(), query.pretty())))
}

/// 200 if all servers are well, else 503: with the same body.
pub(super) async fn health(State(door): State<Door>, query: Query) -> Answer {
    let health = door.app.servers_health().await?;
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let now = Now { steady: clock::steady(), wall: clock::wall() };
    Ok(json(status, encode_servers_health(&health, now, query.pretty())))
}

pub(super) async fn peers(State(door): State<Door>, query: Query) -> Answer {
    let peers = door.app.peers().await?;
    Ok(listed(peers.len(), encode_peers(&peers, query.pretty())))
}

pub(super) async fn remove(State(door): State<Door>, Path(peer): Path<String>, query: Query) -> Answer {
    change(&door, &peer, Wish::Remove, &query).await
}

pub(super) async fn demote(State(door): State<Door>, Path(peer): Path<String>, query: Query) -> Answer {
    change(&door, &peer, Wish::Demote, &query).await
}

pub(super) async fn promote(State(door): State<Door>, Path(peer): Path<String>, query: Query) -> Answer {
    change(&door, &peer, Wish::Promote, &query).await
}

async fn change(door: &Door, peer: &str, wish: Wish, query: &Query) -> Answer {
    let peer = door.app.change_peer(peer, wish).await?;
    Ok(json(StatusCode::OK, encode_peer(&peer, query.pretty())))
}

/// `?to=` names the server that is to lead, by id or name.
pub(super) async fn transfer(State(door): State<Door>, query: Query) -> Answer {
    let leader = door.app.transfer(query.said("to").map(str::to_owned)).await?;
    Ok(json(StatusCode::OK, encode_peer(&leader, query.pretty())))
}

pub(super) async fn nodes(State(door): State<Door>, query: Query) -> Answer {
    let nodes = door.app.nodes().await?;
    Ok(listed(nodes.len(), encode_nodes(&nodes, query.pretty())))
}

pub(super) async fn drain(State(door): State<Door>, Path(node): Path<String>, query: Query) -> Answer {
    set_work(&door, &node, Work::Draining, &query).await
}

pub(super) async fn cordon(State(door): State<Door>, Path(node): Path<String>, query: Query) -> Answer {
    set_work(&door, &node, Work::Cordoned, &query).await
}

pub(super) async fn uncordon(State(door): State<Door>, Path(node): Path<String>, query: Query) -> Answer {
    set_work(&door, &node, Work::Open, &query).await
}

async fn set_work(door: &Door, node: &str, work: Work, query: &Query) -> Answer {
    let node = door.app.set_work(node, work).await?;
    Ok(json(StatusCode::OK, encode_node(&node, query.pretty())))
}
