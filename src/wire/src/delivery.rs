//! What servers and agents say to one another, and the service that carries it.
//!
//! The streams hold generated messages; the two rooms that own them convert at once, so that the rest sees
//! the core's types only.

use crate::error::WireError;
use crate::formats;
use crate::generated::agent::v1 as proto;
use crate::generated::agent::v1::from_agent::Message as Up;
use crate::generated::agent::v1::to_agent::Message as Down;
use crate::launch::{execution_from_proto, execution_to_proto, launch_from_proto, launch_to_proto};
use crate::registration;
use crate::reports::{decode_reports, encode_reports};
use crate::wide;
use bytes::Bytes;
use dkron_core::command::Report;
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent, Told};
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, ExecutionId, Incarnation, NodeId, Stamp};
use dkron_core::time::Time;
use std::sync::Arc;

/// The protocols between agents and servers that this version speaks. They go with the log's formats: one number says
/// which build somebody is.
pub const AGENT_PROTOCOLS: Formats = Formats::OWN;

/// The service, made from `agent.proto`.
pub mod service {
    pub use crate::generated::agent::v1::agents_client::AgentsClient;
    pub use crate::generated::agent::v1::agents_server::{Agents, AgentsServer};
    pub use crate::generated::agent::v1::{FromAgent, ToAgent};
}

/// The stream's message for what an agent says.
pub fn from_agent_to_wire(said: &FromAgent) -> service::FromAgent {
    let message = match said {
        FromAgent::Hello { stamp, process, registration } => Up::Hello(proto::Hello {
            protocol: AGENT_PROTOCOLS.first.into(),
            protocol_last: AGENT_PROTOCOLS.last.into(),
            cluster: stamp.map(|stamp| wide::bytes(stamp.cluster.0)),
            registration: Some(registration::to_proto(registration)),
            incarnation: stamp.map_or(0, |stamp| stamp.incarnation.0),
            process: *process,
        }),
        FromAgent::Leaving => Up::Leaving(proto::Leaving {}),
        FromAgent::Reports(told) => Up::Reports(told_to_proto(told)),
        FromAgent::Output { id, offset, bytes } => Up::Output(proto::Output {
            id: wide::bytes(id.0),
            offset: *offset,
            bytes: Bytes::from_owner(Arc::clone(bytes)),
        }),
    };
    service::FromAgent { message: Some(message) }
}

/// What an agent says with this message.
pub fn from_agent(message: service::FromAgent) -> Result<FromAgent, WireError> {
    match message.message.ok_or(WireError::Missing { field: "from_agent.message" })? {
        Up::Hello(hello) => hello_from_proto(hello),
        Up::Leaving(_) => Ok(FromAgent::Leaving),
        Up::Reports(reports) => Ok(FromAgent::Reports(told_from_proto(&reports)?)),
        Up::Output(output) => Ok(FromAgent::Output {
            id: ExecutionId(wide::read(&output.id, "output.id")?),
            offset: output.offset,
            bytes: output.bytes[..].into(),
        }),
    }
}

fn hello_from_proto(hello: proto::Hello) -> Result<FromAgent, WireError> {
    check_protocol("agent protocol", hello.protocol)?;
    let cluster = hello.cluster.map(|cluster| wide::read(&cluster, "hello.cluster")).transpose()?;
    let incarnation = Incarnation(hello.incarnation);
    let registration = hello.registration.ok_or(WireError::Missing { field: "hello.registration" })?;
    Ok(FromAgent::Hello {
        stamp: cluster.map(|cluster| Stamp { cluster: ClusterId(cluster), incarnation }),
        process: hello.process,
        registration: registration::from_proto(registration)?,
    })
}

fn told_to_proto(told: &[Told]) -> proto::Reports {
    let reports: Vec<Report> = told.iter().map(|told| told.report.clone()).collect();
    let ids: Vec<u8> = told.iter().flat_map(|told| told.id.0.to_be_bytes()).collect();
    proto::Reports { reports: Some(encode_reports(&reports, Time::EPOCH)), ids: ids.into() }
}

fn told_from_proto(reports: &proto::Reports) -> Result<Vec<Told>, WireError> {
    let rows = reports.reports.as_ref().ok_or(WireError::Missing { field: "reports.reports" })?;
    let rows = decode_reports(rows, Time::EPOCH)?;
    let ids = reports.ids.chunks(16);
    if ids.len() != rows.len() {
        return Err(WireError::Length { field: "reports.ids", found: reports.ids.len() as u64 });
    }
    let told = |(id, report): (&[u8], Report)| {
        let id = ExecutionId(wide::read(id, "reports.ids")?);
        Ok(Told { id, report: Report { check: id.check(), ..report } })
    };
    ids.zip(rows).map(told).collect()
}

/// The stream's message for what a server says to an agent.
pub fn to_agent_to_wire(said: &ToAgent) -> service::ToAgent {
    let message = match said {
        ToAgent::Welcome { server, stamp } => Down::Welcome(proto::Welcome {
            protocol: AGENT_PROTOCOLS.first.into(),
            server: wide::bytes(server.0),
            cluster: wide::bytes(stamp.cluster.0),
            incarnation: stamp.incarnation.0,
        }),
        ToAgent::Leading { term } => Down::Leading(proto::Leading { term: *term }),
        ToAgent::Following => Down::Following(proto::Following {}),
        ToAgent::Servers(servers) => Down::Servers(servers_to_proto(servers)),
        ToAgent::Left => Down::Left(proto::Left {}),
        ToAgent::Launch(launch) => Down::Launch(launch_to_proto(launch)),
        ToAgent::Cancel { execution, id } => Down::Cancel(proto::Cancel {
            execution: Some(execution_to_proto(*execution)),
            id: wide::bytes(id.0),
        }),
        ToAgent::Settled(ids) => {
            Down::Settled(proto::Settled { ids: wide::concat(ids.iter().map(|id| id.0)) })
        }
    };
    service::ToAgent { message: Some(message), ..Default::default() }
}

/// What a server says to an agent with this message.
pub fn to_agent(message: service::ToAgent) -> Result<ToAgent, WireError> {
    match message.message.ok_or(WireError::Missing { field: "to_agent.message" })? {
        Down::Welcome(welcome) => {
            check_protocol("agent protocol", welcome.protocol)?;
            let cluster = ClusterId(wide::read(&welcome.cluster, "welcome.cluster")?);
            Ok(ToAgent::Welcome {
                server: NodeId(wide::read(&welcome.server, "welcome.server")?),
                stamp: Stamp { cluster, incarnation: Incarnation(welcome.incarnation) },
            })
        }
        Down::Leading(leading) => Ok(ToAgent::Leading { term: leading.term }),
        Down::Following(_) => Ok(ToAgent::Following),
        Down::Servers(servers) => Ok(ToAgent::Servers(servers_from_proto(servers)?)),
        Down::Left(_) => Ok(ToAgent::Left),
        Down::Launch(launch) => Ok(ToAgent::Launch(launch_from_proto(launch)?)),
        Down::Cancel(cancel) => Ok(ToAgent::Cancel {
            execution: execution_from_proto(cancel.execution)?,
            id: ExecutionId(wide::read(&cancel.id, "cancel.id")?),
        }),
        Down::Settled(settled) => {
            let ids = wide::read_all(&settled.ids, "settled.ids")?;
            Ok(ToAgent::Settled(ids.into_iter().map(ExecutionId).collect()))
        }
    }
}

fn servers_to_proto(servers: &[ServerAddress]) -> proto::Servers {
    let server = |server: &ServerAddress| proto::Server {
        id: wide::bytes(server.id.0),
        address: server.address.to_string(),
    };
    proto::Servers { servers: servers.iter().map(server).collect() }
}

fn servers_from_proto(servers: proto::Servers) -> Result<Arc<[ServerAddress]>, WireError> {
    let server = |server: proto::Server| {
        let id = NodeId(wide::read(&server.id, "servers.id")?);
        Ok(ServerAddress { id, address: server.address.into() })
    };
    servers.servers.into_iter().map(server).collect()
}

/// A protocol that this version knows: who speaks another one cannot be answered in it.
fn check_protocol(what: &'static str, found: u32) -> Result<u8, WireError> {
    let unknown = WireError::UnknownFormat { what, found, known: AGENT_PROTOCOLS };
    u8::try_from(found).ok().filter(|found| AGENT_PROTOCOLS.contains(*found)).ok_or(unknown)
}

/// Says in a hello that its agent speaks these protocols only.
pub fn say_protocols(message: &mut service::FromAgent, protocols: Formats) {
    if let Some(Up::Hello(hello)) = &mut message.message {
        hello.protocol = protocols.first.into();
        hello.protocol_last = formats::told(protocols.last);
    }
}

/// Whether an agent that says this hello, and a server that speaks `own`, have a protocol in common.
pub fn check_protocols(message: &service::FromAgent, own: Formats) -> Result<(), WireError> {
    let Some(Up::Hello(hello)) = &message.message else { return Ok(()) };
    let read = |number: u32| formats::read(number, "hello.protocol");
    let first = read(hello.protocol)?;
    let agent = Formats { first, last: read(hello.protocol_last)?.max(first) };
    match agent.meet(own) {
        true => Ok(()),
        false => Err(WireError::TooFarApart { agent, own }),
    }
}
