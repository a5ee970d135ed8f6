//! `dkron raft`: who votes, who leads, how well the servers do.

use super::table;
use super::{Door, FAILED, Failure};
use crate::clock;
use dkron_core::time::{Span, Time};
use dkron_core::voters::{Health, Peer, ServerHealth, Wish};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Commands on the servers that decide together.
#[derive(clap::Args)]
pub(in crate::cli) struct Raft {
    #[command(flatten)]
    door: Door,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show the members: who votes, who leads
    ListPeers,
    /// Show how well the members do and how many may be lost; exits with 1 if not all are well
    Health,
    /// Remove a member that lives or is dead; one that lives stays away until it is started anew or promoted
    RemovePeer(Target),
    /// Take a member's vote; it follows on and stays without a vote until it is promoted
    Demote(Target),
    /// Give a member a vote as soon as it is well; also a removed server that still runs
    Promote(Target),
    /// Hand the leadership over
    TransferLeader {
        /// The server that is to lead, by id or name [default: the voter that is nearest to the leader]
        #[arg(long, value_name = "ID|NAME")]
        to: Option<String>,
    },
}

#[derive(clap::Args)]
struct Target {
    /// The server's id or name
    #[arg(long = "peer-id", value_name = "ID|NAME")]
    peer: String,
}

impl Raft {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Failure> {
        let door = self.door;
        match self.command {
            Command::ListPeers => {
                let mut peers = door.ask(async |mut operator| Ok(operator.peers().await?))?;
                peers.sort_by(|one, other| one.name.cmp(&other.name));
                Ok(door.print(|| peers_table(&peers), || peers.iter().map(peer_json).collect()))
            }
            Command::Health => {
                let mut health = door.ask(async |mut operator| Ok(operator.health().await?))?;
                health.servers.sort_by(|one, other| one.peer.name.cmp(&other.peer.name));
                let now = clock::steady();
                door.print(|| health_table(&health, now), || health_json(&health, now));
                Ok(ExitCode::from(if health.healthy { 0 } else { FAILED }))
            }
            Command::RemovePeer(target) => change(&door, &target, Wish::Remove),
            Command::Demote(target) => change(&door, &target, Wish::Demote),
            Command::Promote(target) => change(&door, &target, Wish::Promote),
            Command::TransferLeader { to } => {
                let leader = door.ask(async |mut operator| Ok(operator.transfer(to).await?))?;
                Ok(door.print(|| format!("{} leads", named(&leader)), || peer_json(&leader)))
            }
        }
    }
}

fn change(door: &Door, target: &Target, wish: Wish) -> Result<ExitCode, Failure> {
    let peer = door.ask(async |mut operator| Ok(operator.change_peer(&target.peer, wish).await?))?;
    let done = match wish {
        Wish::Remove => "Peer removed",
        Wish::Demote => "Votes no more",
        Wish::Promote => "Votes",
    };
    let json = || json!({"done": wish.to_string(), "id": peer.id.to_string(), "node": &*peer.name});
    Ok(door.print(|| format!("{done}: {}", named(&peer)), json))
}

fn named(peer: &Peer) -> String {
    format!("{} ({})", name(peer), peer.id)
}

fn name(peer: &Peer) -> &str {
    if peer.name.is_empty() { "(unknown)" } else { &peer.name }
}

fn state(peer: &Peer) -> &'static str {
    if peer.leader { "leader" } else { "follower" }
}

/// Dkron's table.
pub(super) fn peers_table(peers: &[Peer]) -> String {
    let row = |peer: &Peer| {
        let address = peer.address.to_string();
        [name(peer).to_owned(), peer.id.to_string(), address, state(peer).to_owned(), peer.voter.to_string()]
    };
    let rows: Vec<_> = peers.iter().map(row).collect();
    table(["Node", "ID", "Address", "State", "Voter"], &rows)
}

pub(super) fn peer_json(peer: &Peer) -> Value {
    json!({
        "node": &*peer.name,
        "id": peer.id.to_string(),
        "address": &*peer.address,
        "state": state(peer),
        "voter": peer.voter,
        "wish": peer.wish.map(|wish| wish.to_string()),
    })
}

fn health_table(health: &Health, now: Time) -> String {
    let row = |server: &ServerHealth| {
        let ago = |at: Option<Time>| at.map_or("never".to_owned(), |at| seconds(now - at));
        let peer = &server.peer;
        let contact = if peer.leader { "-".to_owned() } else { ago(server.heard) };
        let complaints: Vec<String> = server.complaints.iter().map(ToString::to_string).collect();
        [
            name(peer).to_owned(),
            peer.id.to_string(),
            state(peer).to_owned(),
            peer.voter.to_string(),
            server.complaints.is_empty().to_string(),
            server.well_since.map_or("-".to_owned(), |at| seconds(now - at)),
            contact,
            server.lag.map_or("-".to_owned(), |lag| lag.to_string()),
            server.formats.map_or("-".to_owned(), |formats| formats.to_string()),
            complaints.join("; "),
        ]
    };
    let rows: Vec<_> = health.servers.iter().map(row).collect();
    let head = [
        "Node",
        "ID",
        "State",
        "Voter",
        "Healthy",
        "Healthy for",
        "Last contact",
        "Lag",
        "Log formats",
        "Complaints",
    ];
    format!(
        "Healthy: {}\nQuorum: {}\nFailure tolerance: {}\nLog format: {}{}\n\n{}",
        health.healthy,
        health.quorum_size,
        health.failure_tolerance,
        health.format,
        held_back(health),
        table(head, &rows)
    )
}

/// Who keeps the format from being raised, in the middle of an upgrade.
fn held_back(health: &Health) -> String {
    let names: Vec<&str> = health.holding_back().map(|server| name(&server.peer)).collect();
    if names.is_empty() { String::new() } else { format!(", held back by {}", names.join(", ")) }
}

/// Spans in milliseconds; none for what is not known.
fn health_json(health: &Health, now: Time) -> Value {
    let server = |server: &ServerHealth| {
        let mut shown = peer_json(&server.peer);
        let millis = |at: Option<Time>| at.map(|at| (now - at).millis());
        let complaints: Vec<String> = server.complaints.iter().map(ToString::to_string).collect();
        let more = [
            ("healthy", json!(server.complaints.is_empty())),
            ("healthy_for_ms", json!(millis(server.well_since))),
            ("last_contact_ms", json!(millis(server.heard).filter(|_| !server.peer.leader))),
            ("lag", json!(server.lag)),
            ("clock_ahead_ms", json!(server.clock_ahead.map(Span::millis))),
            ("version", json!(&*server.version)),
            ("log_formats", json!(server.formats.map(|formats| [formats.first, formats.last]))),
            ("complaints", json!(complaints)),
        ];
        more.into_iter().for_each(|(key, value)| shown[key] = value);
        shown
    };
    json!({
        "healthy": health.healthy,
        "quorum": health.quorum_size,
        "failure_tolerance": health.failure_tolerance,
        "log_format": health.format,
        "log_format_held_back_by": health.holding_back().map(|server| name(&server.peer)).collect::<Vec<_>>(),
        "servers": health.servers.iter().map(server).collect::<Value>(),
    })
}

fn seconds(span: Span) -> String {
    let millis = span.millis().max(0);
    match millis {
        0..10_000 => format!("{millis} ms"),
        _ => format!("{} s", millis / 1_000),
    }
}
