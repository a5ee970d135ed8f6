//! The door for agents: a hello is checked, the stream welcomed and given to its listener.

use super::Rooms;
use super::listen::Listener;
use super::processor::Processors;
use super::refusals::Refusals;
use super::streams::{Answer, QUEUE, Streams};
use crate::net::Peer;
use crate::task;
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::ids::{NodeSlot, Stamp};
use dkron_core::jump::Verdict;
use dkron_core::node::Registration;
use dkron_wire::delivery::{self, service};
use futures::stream::{BoxStream, StreamExt};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// How long the hello of a stream may take.
const HELLO_WAIT: Duration = Duration::from_secs(5);
/// What an agent says may wait while reports are being committed.
const HEARD: usize = 256;

/// Serves agents.
#[derive(Clone)]
pub struct Attendance {
    pub(super) rooms: Rooms,
    pub(super) streams: Streams,
    processors: Processors,
    refusals: Refusals,
}

struct Hello {
    stamp: Option<Stamp>,
    process: u64,
    registration: Registration,
}

impl Attendance {
    /// The service over these rooms.
    pub fn new(rooms: Rooms) -> Attendance {
        Attendance {
            rooms,
            streams: Streams::default(),
            processors: Processors::new(),
            refusals: Refusals::default(),
        }
    }

    /// The nodes that registered with this server as the leader and have a stream to it.
    pub fn attending(&self) -> Vec<NodeSlot> {
        self.streams.places()
    }

    async fn hello(&self, incoming: &mut Streaming<service::FromAgent>) -> Result<Hello, Status> {
        let first = tokio::time::timeout(HELLO_WAIT, incoming.message()).await;
        let first = first.map_err(|_| {
            Status::deadline_exceeded(format!("no hello came within {} s", HELLO_WAIT.as_secs()))
        })??;
        let first = first.ok_or_else(|| Status::invalid_argument("no hello came"))?;
        delivery::check_protocols(&first, self.rooms.raft.formats())
            .map_err(|error| Status::failed_precondition(error.to_string()))?;
        match read(first)? {
            FromAgent::Hello { stamp, process, registration } => Ok(Hello { stamp, process, registration }),
            _ => Err(Status::invalid_argument("the first message must be hello")),
        }
    }

    /// This server's stamp, if the agent may work under it.
    fn stamp_for(&self, agent: Option<Stamp>) -> Result<Stamp, Status> {
        let own = self.rooms.raft.identity().stamp;
        let own = own.ok_or_else(|| Status::unavailable("this server belongs to no cluster yet"))?;
        match agent {
            Some(agent) if agent.cluster != own.cluster => Err(Status::failed_precondition(format!(
                "the agent belongs to cluster {}, this server to cluster {}",
                agent.cluster, own.cluster
            ))),
            Some(agent) if agent.incarnation > own.incarnation => Err(Status::failed_precondition(format!(
                "the agent has seen incarnation {} of the cluster, this server is still of incarnation {}",
                agent.incarnation.0, own.incarnation.0
            ))),
            _ => Ok(own),
        }
    }

    fn welcome(
        &self,
        incoming: Streaming<service::FromAgent>,
        hello: Hello,
    ) -> Result<mpsc::Receiver<Answer>, Status> {
        let stamp = self.stamp_for(hello.stamp)?;
        let (answers, outgoing) = mpsc::channel(QUEUE);
        let node = hello.registration.node;
        let open = self.streams.open(node, hello.process, answers.clone())?;
        let server = self.rooms.raft.identity().server;
        // There is room: nobody else has spoken.
        drop(answers.try_send(Ok(ToAgent::Welcome { server, stamp })));
        let (heard, said) = mpsc::channel(HEARD);
        let reader = task::spawn("agent-reader", pump(incoming, heard));
        let listener = Listener {
            rooms: self.rooms.clone(),
            processors: self.processors.clone(),
            open,
            registration: hello.registration,
            answers,
            leadership: self.rooms.raft.leader(),
            servers: self.rooms.servers.clone(),
            refusals: self.refusals.clone(),
            term: None,
            place: None,
            left: false,
        };
        // The listener ends with the agent's words or the server; the stream ends when the listener drops its
        // sender.
        drop(task::spawn("agent-listener", async move {
            listener.run(said).await;
            reader.abort();
        }));
        Ok(outgoing)
    }
}

#[tonic::async_trait]
impl service::Agents for Attendance {
    type AttendStream = BoxStream<'static, Result<service::ToAgent, Status>>;

    async fn attend(
        &self,
        request: Request<Streaming<service::FromAgent>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let mut incoming = request.into_inner();
        let hello = self.hello(&mut incoming).await;
        let hello = hello.inspect_err(|status| self.refusals.note(None, "", status))?;
        let (node, name) = (hello.registration.node, hello.registration.name.clone());
        let spoken = peer.map_or(Ok(()), |peer| peer.speaks_as(&name, hello.registration.server));
        let spoken = spoken.map_err(Status::permission_denied);
        spoken.inspect_err(|status| self.refusals.note(Some(node), &name, status))?;
        let outgoing = self.welcome(incoming, hello);
        let outgoing = outgoing.inspect_err(|status| self.refusals.note(Some(node), &name, status))?;
        // Read as late as can be: an agent goes by it, so a clock that is in doubt is not told.
        let raft = self.rooms.raft.clone();
        let said = move |said: Answer| {
            said.map(|said| {
                let tells = matches!(said, ToAgent::Launch(_) | ToAgent::Leading { .. });
                let reading = tells.then(|| raft.time()).filter(|reading| reading.verdict == Verdict::Steady);
                let clock = reading.map(|reading| reading.time.nanos());
                service::ToAgent { clock, ..delivery::to_agent_to_wire(&said) }
            })
        };
        Ok(Response::new(ReceiverStream::new(outgoing).map(said).boxed()))
    }
}

/// Reads and checks what the agent says, ahead of the listener by a bounded queue.
async fn pump(mut incoming: Streaming<service::FromAgent>, heard: mpsc::Sender<FromAgent>) {
    loop {
        let said = match incoming.message().await {
            Ok(Some(message)) => read(message),
            Ok(None) => return,
            Err(status) => Err(status),
        };
        match said {
            Ok(said) => {
                if heard.send(said).await.is_err() {
                    return;
                }
            }
            Err(status) => {
                tracing::debug!(%status, "an agent's stream broke");
                return;
            }
        }
    }
}

fn read(message: service::FromAgent) -> Result<FromAgent, Status> {
    delivery::from_agent(message).map_err(|error| Status::invalid_argument(error.to_string()))
}
