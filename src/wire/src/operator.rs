//! What operators ask of servers, and what a server that does not lead passes on to the one that does.

use crate::commands::numbered;
use crate::error::WireError;
use crate::formats;
use crate::generated::operator::v1 as proto;
use crate::generated::server::v1 as server;
use crate::submit::{Head, head_from_proto, head_to_proto};
use crate::wide;
use dkron_core::format::Formats;
use dkron_core::ids::NodeId;
use dkron_core::node::{Liveness, NodeView, Work};
use dkron_core::time::{Span, Time};
use dkron_core::voters::{Complaint, Health, Peer, ServerHealth, Wish};

/// The service, made from `operator.proto`.
pub mod service {
    pub use crate::generated::operator::v1::operator_client::OperatorClient;
    pub use crate::generated::operator::v1::operator_server::{Operator, OperatorServer};
    pub use crate::generated::operator::v1::{
        ChangePeerReply, ChangePeerRequest, HealthReply, HealthRequest, LeaveReply, LeaveRequest, Member,
        MembersReply, MembersRequest, NodesReply, NodesRequest, PeersReply, PeersRequest, SetWorkReply,
        SetWorkRequest, TransferReply, TransferRequest,
    };
}

/// The metadatum of a status that has the number of a failure's kind.
pub const KIND: &str = "dkron-kind";

/// What only the leader can do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Task {
    /// Tell how the members do.
    Health,
    /// Store a wish about a member, by its id or name.
    ChangePeer(String, Wish),
    /// Hand the leadership over, to a member by its id or name, or to whoever is nearest.
    Transfer(Option<String>),
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// How the members do.
    Health(Health),
    /// Whom it was about.
    Peer(Peer),
    /// The number of a kind of failure, and words for people.
    Failed(u32, String),
}

/// The message for a task.
pub fn task_to_wire(head: Head, task: &Task) -> server::OperateRequest {
    use server::operate_request::Task as Wire;
    let task = match task {
        Task::Health => Wire::Health(proto::HealthRequest {}),
        Task::ChangePeer(peer, wish) => {
            Wire::ChangePeer(proto::ChangePeerRequest { peer: peer.clone(), wish: wish.number().into() })
        }
        Task::Transfer(to) => Wire::Transfer(proto::TransferRequest { to: to.clone().unwrap_or_default() }),
    };
    server::OperateRequest { head: Some(head_to_proto(head)), task: Some(task) }
}

/// Whom a task is meant for, and the task.
pub fn task_from_wire(message: server::OperateRequest) -> Result<(Head, Task), WireError> {
    use server::operate_request::Task as Wire;
    let head = head_from_proto(message.head.ok_or(WireError::Missing { field: "operate.head" })?)?;
    let task = match message.task.ok_or(WireError::Missing { field: "operate.task" })? {
        Wire::Health(_) => Task::Health,
        Wire::ChangePeer(change) => {
            let wish = wish_from_wire(change.wish)?;
            Task::ChangePeer(change.peer, wish)
        }
        Wire::Transfer(transfer) => Task::Transfer(Some(transfer.to).filter(|to| !to.is_empty())),
    };
    Ok((head, task))
}

/// The message for what became of a task, as of `now` on this machine's steady clock.
pub fn done_to_wire(done: &Done, now: Time) -> server::OperateReply {
    use server::operate_reply::Outcome as Wire;
    let outcome = match done {
        Done::Health(health) => Wire::Health(health_to_wire(health, now)),
        Done::Peer(peer) => Wire::Peer(peer_to_wire(peer)),
        Done::Failed(kind, message) => Wire::Failed(server::Failed { kind: *kind, message: message.clone() }),
    };
    server::OperateReply { outcome: Some(outcome) }
}

/// What became of a task, by the steady clock of the machine that reads it.
pub fn done_from_wire(message: server::OperateReply, now: Time) -> Result<Done, WireError> {
    use server::operate_reply::Outcome as Wire;
    Ok(match message.outcome.ok_or(WireError::Missing { field: "operate.outcome" })? {
        Wire::Health(health) => Done::Health(health_from_wire(health, now)?),
        Wire::Peer(peer) => Done::Peer(peer_from_wire(peer)?),
        Wire::Failed(failed) => Done::Failed(failed.kind, failed.message),
    })
}

/// A wish by its number.
pub fn wish_from_wire(number: u32) -> Result<Wish, WireError> {
    numbered(number, Wish::from_number, "change_peer.wish")
}

/// What a node may do, by its number.
pub fn work_from_wire(number: u32) -> Result<Work, WireError> {
    numbered(number, Work::from_number, "set_work.work")
}

/// Whether a node lives, by its number.
pub fn liveness_from_wire(number: u32) -> Result<Liveness, WireError> {
    numbered(number, Liveness::from_number, "member.liveness")
}

/// An id in its message.
pub fn id_to_wire(id: NodeId) -> bytes::Bytes {
    wide::bytes(id.0)
}

/// The id in a message.
pub fn id_from_wire(bytes: &[u8]) -> Result<NodeId, WireError> {
    Ok(NodeId(wide::read(bytes, "operator.id")?))
}

/// The message for a member.
pub fn peer_to_wire(peer: &Peer) -> proto::Peer {
    proto::Peer {
        id: wide::bytes(peer.id.0),
        name: peer.name.to_string(),
        address: peer.address.to_string(),
        voter: peer.voter,
        leader: peer.leader,
        wish: peer.wish.map(|wish| wish.number().into()),
    }
}

/// The member in this message.
pub fn peer_from_wire(peer: proto::Peer) -> Result<Peer, WireError> {
    Ok(Peer {
        id: NodeId(wide::read(&peer.id, "peer.id")?),
        name: peer.name.into(),
        address: peer.address.into(),
        voter: peer.voter,
        leader: peer.leader,
        wish: peer.wish.map(|wish| numbered(wish, Wish::from_number, "peer.wish")).transpose()?,
    })
}

/// A member that a reply must have.
pub fn some_peer_from_wire(peer: Option<proto::Peer>) -> Result<Peer, WireError> {
    peer_from_wire(peer.ok_or(WireError::Missing { field: "reply.peer" })?)
}

/// The members in this message.
pub fn peers_from_wire(peers: Vec<proto::Peer>) -> Result<Vec<Peer>, WireError> {
    peers.into_iter().map(peer_from_wire).collect()
}

/// The message for how the members do, as of `now`.
pub fn health_to_wire(health: &Health, now: Time) -> proto::HealthReply {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    proto::HealthReply {
        healthy: health.healthy,
        quorum_size: small(health.quorum_size),
        failure_tolerance: small(health.failure_tolerance),
        servers: health.servers.iter().map(|server| server_to_wire(server, now)).collect(),
        format: health.format.into(),
    }
}

/// How the members do, by the clock of who reads it.
pub fn health_from_wire(health: proto::HealthReply, now: Time) -> Result<Health, WireError> {
    let servers = health.servers.into_iter().map(|server| server_from_wire(server, now));
    Ok(Health {
        healthy: health.healthy,
        quorum_size: health.quorum_size as usize,
        failure_tolerance: health.failure_tolerance as usize,
        // A build from before the first raise does not tell.
        format: formats::read(health.format, "health.format")?.max(Formats::FIRST),
        servers: servers.collect::<Result<_, _>>()?,
    })
}

fn server_to_wire(health: &ServerHealth, now: Time) -> proto::Server {
    proto::Server {
        peer: Some(peer_to_wire(&health.peer)),
        lag: health.lag,
        heard_nanos_ago: health.heard.map(|at| (now - at).nanos()),
        well_for_nanos: health.well_since.map(|at| (now - at).nanos()),
        complaints: health.complaints.iter().map(|complaint| complaint.number().into()).collect(),
        clock_ahead_nanos: health.clock_ahead.map(Span::nanos),
        version: health.version.to_string(),
        formats_first: health.formats.map_or(0, |formats| formats.first.into()),
        formats_last: health.formats.map_or(0, |formats| formats.last.into()),
    }
}

fn server_from_wire(server: proto::Server, now: Time) -> Result<ServerHealth, WireError> {
    let ago = |nanos: i64| now - Span::from_nanos(nanos);
    let complaint = |number| numbered(number, Complaint::from_number, "server.complaints");
    Ok(ServerHealth {
        peer: peer_from_wire(server.peer.ok_or(WireError::Missing { field: "server.peer" })?)?,
        lag: server.lag,
        heard: server.heard_nanos_ago.map(ago),
        well_since: server.well_for_nanos.map(ago),
        clock_ahead: server.clock_ahead_nanos.map(Span::from_nanos),
        version: server.version.into(),
        formats: formats::range(server.formats_first, server.formats_last)?,
        complaints: server.complaints.into_iter().map(complaint).collect::<Result<_, _>>()?,
    })
}

/// The message for a node.
pub fn node_to_wire(node: &NodeView) -> proto::Node {
    proto::Node {
        id: wide::bytes(node.id.0),
        name: node.name.to_string(),
        address: node.address.to_string(),
        server: node.server,
        liveness: node.liveness.number().into(),
        work: node.work.number().into(),
        slots: node.slots,
        executions: node.executions,
    }
}

/// The node in this message.
pub fn node_from_wire(node: proto::Node) -> Result<NodeView, WireError> {
    Ok(NodeView {
        id: NodeId(wide::read(&node.id, "node.id")?),
        name: node.name.into(),
        address: node.address.into(),
        server: node.server,
        liveness: numbered(node.liveness, Liveness::from_number, "node.liveness")?,
        work: numbered(node.work, Work::from_number, "node.work")?,
        slots: node.slots,
        executions: node.executions,
    })
}

/// A node that a reply must have.
pub fn some_node_from_wire(node: Option<proto::Node>) -> Result<NodeView, WireError> {
    node_from_wire(node.ok_or(WireError::Missing { field: "reply.node" })?)
}

/// The nodes in this message.
pub fn nodes_from_wire(nodes: Vec<proto::Node>) -> Result<Vec<NodeView>, WireError> {
    nodes.into_iter().map(node_from_wire).collect()
}
