//! An agent as a server sees it: one stream, and every word of it the test's.

use super::servers::{STAMP, Server};
use super::{PATIENCE, within};
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::ids::{BootId, JournalId, NodeId, Stamp};
use dkron_core::job::Words;
use dkron_core::node::Registration;
use dkron_wire::delivery::service::{self, AgentsClient};
use dkron_wire::delivery::{from_agent_to_wire, to_agent};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Who calls.
#[derive(Clone)]
pub(super) struct Agent {
    pub(super) registration: Registration,
    pub(super) stamp: Option<Stamp>,
    pub(super) process: u64,
}

/// One stream of an agent to a server.
pub(super) struct Call {
    up: mpsc::Sender<service::FromAgent>,
    down: Streaming<service::ToAgent>,
}

impl Agent {
    pub(super) fn new(number: u128) -> Agent {
        let registration = Registration {
            node: NodeId(1_000 + number),
            name: format!("agent-{number}").into(),
            journal: JournalId(number),
            life: 1,
            boot: BootId(1),
            tags: Words::from([("dc".to_owned(), "here".to_owned())]),
            slots: 4,
            server: false,
            address: "127.0.0.1:0".into(),
        };
        Agent { registration, stamp: Some(STAMP), process: 1 }
    }

    pub(super) fn id(&self) -> NodeId {
        self.registration.node
    }

    /// Says hello at an address.
    pub(super) async fn call_at(&self, address: &str) -> Result<Call, Status> {
        let hello = FromAgent::Hello {
            stamp: self.stamp,
            process: self.process,
            registration: self.registration.clone(),
        };
        call(address, from_agent_to_wire(&hello)).await
    }

    /// Says hello and is welcomed.
    pub(super) async fn call(&self, server: &Server) -> Call {
        let mut call = within("a stream", self.call_at(&server.address)).await.expect("no refusal");
        assert_eq!(call.hear().await, ToAgent::Welcome { server: server.id, stamp: STAMP });
        call
    }

    /// Says hello to a leader, and is registered.
    pub(super) async fn register(&self, server: &Server) -> Call {
        let mut call = self.call(server).await;
        call.until("it is registered", |said| matches!(said, ToAgent::Leading { .. })).await;
        call
    }
}

/// Opens a stream with these first words.
pub(super) async fn call(address: &str, hello: service::FromAgent) -> Result<Call, Status> {
    let channel = dkron::net::Dialer::default().dial(address).await;
    let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
    let (up, receiver) = mpsc::channel(16);
    up.send(hello).await.expect("there is room");
    let down = AgentsClient::new(channel).attend(ReceiverStream::new(receiver)).await?.into_inner();
    Ok(Call { up, down })
}

impl Call {
    pub(super) async fn say(&self, said: FromAgent) {
        self.up.send(from_agent_to_wire(&said)).await.expect("the server listens");
    }

    pub(super) async fn hear(&mut self) -> ToAgent {
        let said = within("a word", self.down.message()).await.expect("no error").expect("no end");
        to_agent(said).expect("a good message")
    }

    /// Listens until the server says that it leads, with this term or a higher one; why it never will, if so.
    pub(super) async fn leads(&mut self, least: u64) -> Result<(), String> {
        loop {
            let said = self.down.message().await.map_err(|status| status.to_string())?;
            let said = to_agent(said.ok_or("it ended")?).map_err(|error| error.to_string())?;
            if matches!(said, ToAgent::Leading { term } if term >= least) {
                return Ok(());
            }
        }
    }

    /// Listens until the server says this, which is what it is back with.
    pub(super) async fn until(&mut self, what: &str, is: impl Fn(&ToAgent) -> bool) -> ToAgent {
        let listening = async {
            loop {
                let said = self.hear().await;
                if is(&said) {
                    return said;
                }
            }
        };
        within(what, listening).await
    }

    /// The reason for which the server ends the stream.
    pub(super) async fn refusal(mut self) -> Status {
        let listening = async {
            loop {
                match self.down.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it ended without a reason"),
                    Err(status) => return status,
                }
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.expect("it is refused in time")
    }
}
