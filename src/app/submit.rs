//! A client's intent on its way into the log, wherever the leader is.
//!
//! It is tried again while servers elect, always under the same request id, so that it acts once whatever was
//! lost on the way. The caller gets its answer when this server, too, has applied it.

use super::{App, Error, Kind, access, random, reads};
use crate::net::{self, Channels};
use crate::raft::{self, Committed, Priority, Server};
use dkron_core::access::Principal;
use dkron_core::command::{Command, Reply};
use dkron_core::ids::{JobUid, NodeId, RequestId};
use dkron_core::intent::Intent;
use dkron_core::roster::Roster;
use dkron_core::schedule::ZoneData;
use dkron_wire::submit::service::{LeaderClient, SubmitReply};
use dkron_wire::submit::{self, Head, Outcome, Submitted};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::Channel;

/// How long an intent is tried: several elections.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the next try, unless another leader is known earlier.
const PAUSE: Duration = Duration::from_millis(50);
/// A definition of the largest size and its frame, several times.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The way to the server that leads.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) roster: watch::Receiver<Arc<Roster>>,
    pub(super) channels: Channels,
}

impl Way {
    /// A connection to where a server takes calls now.
    pub(super) fn channel(&self, server: &Server) -> Result<Channel, net::Error> {
        let known = self.roster.borrow().server(server.id).map(|seen| seen.calls.clone());
        let address = known.unwrap_or_else(|| server.peer.address.clone());
        self.channels.get(&address)
    }
}

/// Why a try came to nothing.
enum Failed {
    /// Another try may do better.
    Again(Error),
    /// No other try would.
    Finally(Error),
}

impl App {
    /// Puts a client's intent into the log. The same request id within ten minutes is answered as before.
    pub(super) async fn act(
        &self,
        priority: Priority,
        request: RequestId,
        intent: Intent,
    ) -> Result<Reply, Error> {
        let mut last = None;
        let tries = async {
            let mut leadership = self.raft.leader();
            loop {
                let Some(leader) = self.led_by() else {
                    changed(&mut leadership).await;
                    continue;
                };
                // From here on it may be in somebody's log.
                let unknown: Error = raft::Error::Unknown.into();
                let before = last.replace(unknown);
                match self.try_once(&leader, priority, request, intent.clone()).await {
                    Ok(committed) => return Ok(committed),
                    Err(Failed::Finally(error)) => return Err(error),
                    Err(Failed::Again(_)) if before.is_some_and(|before| before.kind() == Kind::Unknown) => {}
                    Err(Failed::Again(error)) => last = Some(error),
                }
                changed(&mut leadership).await;
            }
        };
        let committed = match tokio::time::timeout(PATIENCE, tries).await {
            Ok(answered) => answered?,
            Err(_) => return Err(last.unwrap_or_else(|| self.leaderless())),
        };
        self.seen(committed.index).await?;
        reads::note(committed.index);
        match committed.reply {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    /// Nothing was proposed, because nobody could be asked.
    fn leaderless(&self) -> Error {
        let message = format!("no server leads at the moment: {}; try again soon", self.missing());
        Error::new(Kind::Unavailable, message)
    }

    /// What another server passed on, to be done here or not at all.
    pub async fn submitted(&self, submitted: Submitted) -> Outcome {
        let priority = match Priority::ALL.get(usize::from(submitted.priority)) {
            Some(priority @ (Priority::Write | Priority::Bulk)) => *priority,
            _ => Priority::Bulk,
        };
        match self.act_here(priority, submitted.by, submitted.request, submitted.intent).await {
            Ok(committed) => Outcome::Committed(committed.index, committed.reply),
            Err(error) => Outcome::Failed(error.kind().number(), error.to_string()),
        }
    }

    async fn try_once(
        &self,
        leader: &Server,
        priority: Priority,
        request: RequestId,
        intent: Intent,
    ) -> Result<Committed, Failed> {
        let by = access::principal();
        if leader.id == self.server() {
            return self.act_here(priority, by, request, intent).await.map_err(sorted);
        }
        self.is_known_to(leader, &intent).map_err(Failed::Finally)?;
        let head = self.head(leader.id).map_err(Failed::Finally)?;
        let submitted = Submitted { head, priority: priority as u8, request, by, intent };
        let unreached = |status: tonic::Status| {
            let message = format!("the leader {leader} does not answer: {}", status.message());
            let never_sent = status.code() == tonic::Code::Unavailable;
            let kind = if never_sent { Kind::Unavailable } else { Kind::Unknown };
            Failed::Again(Error::new(kind, message))
        };
        let reply = self.pass_on(leader, &submitted).await.map_err(unreached)?;
        match submit::outcome_from_wire(reply) {
            Ok(Outcome::Committed(index, reply)) => Ok(Committed { index, reply }),
            Ok(Outcome::Failed(kind, message)) => {
                Err(sorted(Error::new(Kind::from_number(kind).unwrap_or(Kind::Internal), message)))
            }
            Err(error) => Err(Failed::Finally(Error::new(Kind::Internal, error.to_string()))),
        }
    }

    async fn pass_on(&self, leader: &Server, submitted: &Submitted) -> Result<SubmitReply, tonic::Status> {
        let channel = self.line_to(leader).map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        let mut client = LeaderClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(client.submit(submit::to_wire(submitted)).await?.into_inner())
    }

    /// The same for a use case, which tells why there is none.
    pub(super) fn line_to(&self, server: &Server) -> Result<Channel, Error> {
        self.way.channel(server).map_err(|error| Error::new(Kind::Unavailable, error.to_string()))
    }

    /// Completes an intent with this server's clock and zone data, and proposes it.
    async fn act_here(
        &self,
        priority: Priority,
        by: Principal,
        request: RequestId,
        intent: Intent,
    ) -> Result<Committed, Error> {
        self.trusted()?;
        let view = self.view().await?;
        if self.raft.leader().borrow().leading.is_some() {
            access::admit(&view.state, by, self.now())?;
        }
        let mut uid = random()?;
        let fresh = || {
            uid = uid.wrapping_add(1);
            JobUid(uid)
        };
        let action = intent.complete(&view.state, ZoneData::bundled(), self.now(), fresh)?;
        let committed = self.raft.commit(priority, Command { request: Some(request), action }).await;
        committed.map_err(|error| self.explained(error))
    }

    /// Waits until this server has applied the entry, so that who wrote through it reads it here.
    async fn seen(&self, index: u64) -> Result<(), Error> {
        match tokio::time::timeout(PATIENCE, self.raft.view_at(index)).await {
            Ok(view) => view.map(drop).map_err(Error::from),
            Err(_) => {
                let message = format!("it is done, as entry {index}, but this server has not seen it yet");
                Err(Error::new(Kind::Unknown, message))
            }
        }
    }

    /// What a message to another server of this cluster begins with.
    pub(super) fn head(&self, target: NodeId) -> Result<Head, Error> {
        let stamp = self.raft.identity().stamp.ok_or(raft::Error::NoCluster)?;
        Ok(Head { stamp, target })
    }

    /// What a message to this server must begin with.
    pub fn own_head(&self) -> Result<Head, Error> {
        self.head(self.server())
    }
}

/// Without a leader or an answer it is worth another try.
fn sorted(error: Error) -> Failed {
    match error.kind() {
        Kind::Unavailable | Kind::Unknown => Failed::Again(error),
        _ => Failed::Finally(error),
    }
}

/// Waits for another leader, or for the next try's time.
pub(super) async fn changed(leadership: &mut watch::Receiver<raft::Leadership>) {
    // An error means that consensus has ended; the pause then bounds the tries until patience ends.
    let news = async {
        if leadership.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    if tokio::time::timeout(PAUSE, news).await.is_err() {
        tracing::trace!("no other leader yet");
    }
}
