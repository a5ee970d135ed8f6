//! How servers that form a cluster speak: questions, promises and their ends; and where agents find servers.

use crate::commands::{founding_from_proto, founding_to_proto};
use crate::error::WireError;
use crate::formats;
use crate::generated::server::v1 as proto;
use crate::wide;
use dkron_core::bootstrap::{Answer, Hello, Promise, Refusal, Relation};
use dkron_core::delivery::ServerAddress;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};

use prost::Message;

/// The service, made from `server.proto`.
pub mod service {
    pub use crate::generated::server::v1::formation_client::FormationClient;
    pub use crate::generated::server::v1::formation_server::{Formation, FormationServer};
    pub use crate::generated::server::v1::{
        AbortReply, AbortRequest, HelloReply, HelloRequest, PromiseReply, PromiseRequest, ServersReply,
        ServersRequest,
    };
}

/// The promise's bytes, as a server keeps them on its disk.
pub fn encode_promise(promise: &Promise) -> Vec<u8> {
    promise_to_proto(promise).encode_to_vec()
}

/// The promise in these bytes.
pub fn decode_promise(bytes: &[u8]) -> Result<Promise, WireError> {
    let decoded = proto::Promise::decode(bytes).map_err(|error| WireError::malformed("promise", &error))?;
    promise_from_proto(decoded)
}

fn promise_to_proto(promise: &Promise) -> proto::Promise {
    proto::Promise {
        cluster: wide::bytes(promise.cluster.0),
        initialiser: wide::bytes(promise.initialiser.0),
        set: wide::concat(promise.set.iter().map(|id| id.0)),
        founder: Some(founding_to_proto(&promise.founder)),
        withdrawn: promise.withdrawn,
    }
}

fn promise_from_proto(promise: proto::Promise) -> Result<Promise, WireError> {
    Ok(Promise {
        cluster: ClusterId(wide::read(&promise.cluster, "promise.cluster")?),
        initialiser: NodeId(wide::read(&promise.initialiser, "promise.initialiser")?),
        set: wide::read_all(&promise.set, "promise.set")?.into_iter().map(NodeId).collect(),
        founder: founding_from_proto(
            promise.founder.ok_or(WireError::Missing { field: "promise.founder" })?,
        )?,
        withdrawn: promise.withdrawn,
    })
}

/// The message for a question to `target`.
pub fn hello_to_wire(target: NodeId, hello: &Hello) -> service::HelloRequest {
    service::HelloRequest {
        target: wide::bytes(target.0),
        from: wide::bytes(hello.from.0),
        about: hello.about.as_ref().map(promise_to_proto),
        initialised: hello.initialised,
        ..service::HelloRequest::default()
    }
}

/// Says in a question which log formats the asking server reads.
pub fn say_formats(message: &mut service::HelloRequest, formats: Formats) {
    message.formats_last = formats::told(formats.last);
    message.formats_first = if message.formats_last == 0 { 0 } else { formats.first.into() };
}

/// The log formats that the server reads which asks.
pub fn hello_formats(message: &service::HelloRequest) -> Result<Formats, WireError> {
    let told = formats::range(message.formats_first, message.formats_last)?;
    Ok(told.unwrap_or_default())
}

/// Whom a question is meant for, and the question.
pub fn hello_from_wire(message: service::HelloRequest) -> Result<(NodeId, Hello), WireError> {
    let hello = Hello {
        from: NodeId(wide::read(&message.from, "hello.from")?),
        about: message.about.map(promise_from_proto).transpose()?,
        initialised: message.initialised,
    };
    Ok((NodeId(wide::read(&message.target, "hello.target")?), hello))
}

/// The message for an answer.
pub fn answer_to_wire(answer: &Answer) -> service::HelloReply {
    service::HelloReply {
        cluster: answer.stamp.map(|stamp| wide::bytes(stamp.cluster.0)),
        incarnation: answer.stamp.map_or(0, |stamp| stamp.incarnation.0),
        founded: answer.founded,
        expect: answer.expect,
        relation: answer.relation.number().into(),
    }
}

/// The answer in this message.
pub fn answer_from_wire(message: service::HelloReply) -> Result<Answer, WireError> {
    let unknown = || WireError::UnknownNumber { field: "hello.relation", number: message.relation.into() };
    let relation = u8::try_from(message.relation).ok().and_then(Relation::from_number);
    Ok(Answer {
        stamp: read_stamp(message.cluster.as_deref(), message.incarnation)?,
        founded: message.founded,
        expect: message.expect,
        relation: relation.ok_or_else(unknown)?,
    })
}

fn read_stamp(cluster: Option<&[u8]>, incarnation: u32) -> Result<Option<Stamp>, WireError> {
    let cluster = cluster.map(|cluster| wide::read(cluster, "stamp.cluster")).transpose()?;
    Ok(cluster.map(|cluster| Stamp { cluster: ClusterId(cluster), incarnation: Incarnation(incarnation) }))
}

/// The message that asks `target` for a promise.
pub fn request_to_wire(target: NodeId, promise: &Promise) -> service::PromiseRequest {
    service::PromiseRequest { target: wide::bytes(target.0), promise: Some(promise_to_proto(promise)) }
}

/// Who is asked for a promise, and the promise.
pub fn request_from_wire(message: service::PromiseRequest) -> Result<(NodeId, Promise), WireError> {
    let promise = message.promise.ok_or(WireError::Missing { field: "promise_request.promise" })?;
    Ok((NodeId(wide::read(&message.target, "promise_request.target")?), promise_from_proto(promise)?))
}

/// The message for a promise given or refused.
pub fn verdict_to_wire(verdict: Result<(), Refusal>) -> service::PromiseReply {
    service::PromiseReply { refused: verdict.err().map(refusal_to_proto) }
}

/// Whether the promise is given.
pub fn verdict_from_wire(message: service::PromiseReply) -> Result<Result<(), Refusal>, WireError> {
    message.refused.map_or(Ok(Ok(())), |refused| refusal_from_proto(&refused).map(Err))
}

fn refusal_to_proto(refusal: Refusal) -> proto::PromiseRefused {
    let plain = |kind| proto::PromiseRefused { kind, ..proto::PromiseRefused::default() };
    match refusal {
        Refusal::Expect(expect) => proto::PromiseRefused { expect, ..plain(1) },
        Refusal::Malformed => plain(2),
        Refusal::Formed(stamp) => proto::PromiseRefused {
            cluster: wide::bytes(stamp.cluster.0),
            incarnation: stamp.incarnation.0,
            ..plain(3)
        },
        Refusal::Withdrawn => plain(4),
        Refusal::Promised { cluster, initialiser } => proto::PromiseRefused {
            cluster: wide::bytes(cluster.0),
            initialiser: wide::bytes(initialiser.0),
            ..plain(5)
        },
        Refusal::Storing => plain(6),
    }
}

fn refusal_from_proto(refused: &proto::PromiseRefused) -> Result<Refusal, WireError> {
    let cluster = || Ok(ClusterId(wide::read(&refused.cluster, "refused.cluster")?));
    Ok(match refused.kind {
        1 => Refusal::Expect(refused.expect),
        2 => Refusal::Malformed,
        3 => Refusal::Formed(Stamp { cluster: cluster()?, incarnation: Incarnation(refused.incarnation) }),
        4 => Refusal::Withdrawn,
        5 => Refusal::Promised {
            cluster: cluster()?,
            initialiser: NodeId(wide::read(&refused.initialiser, "refused.initialiser")?),
        },
        6 => Refusal::Storing,
        kind => return Err(WireError::UnknownNumber { field: "refused.kind", number: kind.into() }),
    })
}

/// The message by which an initialiser gives a cluster up.
pub fn abort_to_wire(target: NodeId, from: NodeId, cluster: ClusterId) -> service::AbortRequest {
    service::AbortRequest {
        target: wide::bytes(target.0),
        from: wide::bytes(from.0),
        cluster: wide::bytes(cluster.0),
    }
}

/// Whom it is meant for, who gives up, and which cluster.
pub fn abort_from_wire(message: &service::AbortRequest) -> Result<(NodeId, NodeId, ClusterId), WireError> {
    Ok((
        NodeId(wide::read(&message.target, "abort.target")?),
        NodeId(wide::read(&message.from, "abort.from")?),
        ClusterId(wide::read(&message.cluster, "abort.cluster")?),
    ))
}

/// The question of a node that is no server: who the servers of its region are.
pub fn question_to_wire(cluster: Option<ClusterId>, region: &str) -> service::ServersRequest {
    service::ServersRequest {
        cluster: cluster.map(|cluster| wide::bytes(cluster.0)),
        region: region.to_owned(),
    }
}

/// Which cluster the asking node belongs to, and its region.
pub fn question_from_wire(
    message: service::ServersRequest,
) -> Result<(Option<ClusterId>, String), WireError> {
    let cluster = message.cluster.map(|cluster| wide::read(&cluster, "servers.cluster")).transpose()?;
    Ok((cluster.map(ClusterId), message.region))
}

/// The message that names the servers.
pub fn servers_to_wire(stamp: Option<Stamp>, servers: &[ServerAddress]) -> service::ServersReply {
    service::ServersReply {
        cluster: stamp.map(|stamp| wide::bytes(stamp.cluster.0)),
        incarnation: stamp.map_or(0, |stamp| stamp.incarnation.0),
        servers: servers.iter().map(server_to_proto).collect(),
    }
}

/// The cluster, if it is formed, and its servers.
pub fn servers_from_wire(
    message: service::ServersReply,
) -> Result<(Option<Stamp>, Vec<ServerAddress>), WireError> {
    let stamp = read_stamp(message.cluster.as_deref(), message.incarnation)?;
    Ok((stamp, message.servers.into_iter().map(server_from_proto).collect::<Result<_, _>>()?))
}

fn server_to_proto(server: &ServerAddress) -> proto::ServerAddress {
    proto::ServerAddress { id: wide::bytes(server.id.0), address: server.address.to_string() }
}

fn server_from_proto(server: proto::ServerAddress) -> Result<ServerAddress, WireError> {
    Ok(ServerAddress { id: NodeId(wide::read(&server.id, "server.id")?), address: server.address.into() })
}
