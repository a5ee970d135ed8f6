//! One server's stream: dials, says hello, carries messages both ways, and dials again until it is stopped.

use super::{AttendError, DIAL_TIMEOUT, Dial};
use crate::agent::identity;
use crate::clock;
use crate::task::CancellationToken;
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent};
use dkron_core::format::Formats;
use dkron_core::ids::{NodeId, Stamp};
use dkron_core::node::Registration;
use dkron_core::time::Time;
use dkron_wire::delivery::service::{self, AgentsClient};
use dkron_wire::delivery::{from_agent_to_wire, say_protocols, to_agent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// The first and the longest wait before another dial.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Messages between the agent and the stream's own buffers.
const UP: usize = 16;

/// What happens on a line.
pub(super) struct Event {
    /// Which line.
    pub(super) line: u64,
    pub(super) heard: Heard,
}

pub(super) enum Heard {
    /// The server welcomed the agent; what goes in here goes up.
    Open(mpsc::Sender<service::FromAgent>),
    /// The server says something of itself or of its peers.
    Said(ToAgent),
    /// The stream is gone.
    Closed,
}

/// What all lines of an agent share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) dial: Dial,
    pub(super) registration: Registration,
    pub(super) process: u64,
    /// The protocols that it speaks.
    pub(super) protocols: Formats,
    /// The agent's cluster: the first welcome settles it for all lines.
    pub(super) stamp: watch::Sender<Option<Stamp>>,
    pub(super) inbox: mpsc::Sender<ToAgent>,
    pub(super) events: mpsc::Sender<Event>,
}

/// The stream to one server.
pub(super) struct Line {
    pub(super) serial: u64,
    pub(super) server: ServerAddress,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: CancellationToken,
}

impl Line {
    /// Until it is stopped or the agent ends.
    pub(super) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(self) {
        let mut backoff = BACKOFF_MIN;
        let mut last = String::new();
        loop {
            let mut welcomed = false;
            let error = self.session(&mut welcomed).await;
            if matches!(error, AttendError::Stopped) || !self.tell(Heard::Closed).await {
                return;
            }
            let reason = chain(&error);
            let server = (&*self.server.address, self.server.id);
            if welcomed || reason != last {
                tracing::info!(address = server.0, server = %server.1, reason, "no stream to a server");
            } else {
                tracing::debug!(address = server.0, server = %server.1, reason, "still no stream to a server");
            }
            last = reason;
            backoff = if welcomed { BACKOFF_MIN } else { backoff };
            tokio::time::sleep(jittered(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// One stream from its dial to its end.
    async fn session(&self, welcomed: &mut bool) -> AttendError {
        let (up, stream, stamp) = match tokio::time::timeout(DIAL_TIMEOUT, self.begin()).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return error,
            Err(_) => return AttendError::Timeout,
        };
        *welcomed = true;
        if !self.tell(Heard::Open(up)).await {
            return AttendError::Stopped;
        }
        let mut own = self.shared.stamp.subscribe();
        let is_later = |own: &Option<Stamp>| own.is_some_and(|own| own.incarnation > stamp.incarnation);
        tokio::select! {
            biased;
            // Somebody else has welcomed the agent to the recovered cluster: who speaks here was left behind.
            Ok(own) = own.wait_for(is_later) => {
                AttendError::WrongCluster { own: own.unwrap_or(stamp), found: stamp }
            }
            listened = self.listen(stream) => listened.err().unwrap_or(AttendError::Ended),
        }
    }

    /// Dials, says hello and waits for the welcome.
    async fn begin(
        &self,
    ) -> Result<(mpsc::Sender<service::FromAgent>, Streaming<service::ToAgent>, Stamp), AttendError> {
        let shared = &self.shared;
        let hello = FromAgent::Hello {
            stamp: *shared.stamp.borrow(),
            process: shared.process,
            registration: shared.registration.clone(),
        };
        let (up, receiver) = mpsc::channel(UP);
        let mut hello = from_agent_to_wire(&hello);
        say_protocols(&mut hello, shared.protocols);
        up.send(hello).await.map_err(|_| AttendError::Ended)?;
        let channel = (shared.dial)(self.server.address.clone()).await?;
        let called = AgentsClient::new(channel).attend(ReceiverStream::new(receiver)).await;
        let mut stream = called.map_err(AttendError::Status)?.into_inner();
        let first = stream.message().await.map_err(AttendError::Status)?.ok_or(AttendError::Ended)?;
        let ToAgent::Welcome { server, stamp } = to_agent(first)? else {
            return Err(AttendError::NoWelcome);
        };
        self.check(server, stamp)?;
        let welcome = ToAgent::Welcome { server, stamp };
        shared.inbox.send(welcome).await.map_err(|_| AttendError::Stopped)?;
        Ok((up, stream, stamp))
    }

    /// Whether this is the server that it should be, of the agent's cluster. An agent without a cluster takes
    /// that of the first server that welcomes it.
    fn check(&self, server: NodeId, found: Stamp) -> Result<(), AttendError> {
        if server != self.server.id {
            return Err(AttendError::WrongServer { wanted: self.server.id, found: server });
        }
        let mut wrong = None;
        self.shared.stamp.send_if_modified(|own| {
            wrong = own.filter(|own| found.cluster != own.cluster || found.incarnation < own.incarnation);
            let news = wrong.is_none() && *own != Some(found);
            if news {
                *own = Some(found);
            }
            news
        });
        wrong.map_or(Ok(()), |own| Err(AttendError::WrongCluster { own, found }))
    }

    async fn listen(&self, mut stream: Streaming<service::ToAgent>) -> Result<(), AttendError> {
        while let Some(message) = stream.message().await.map_err(AttendError::Status)? {
            if let Some(shown) = message.clock {
                clock::told(Time::from_nanos(shown));
            }
            let taken = match to_agent(message)? {
                order @ (ToAgent::Launch(_) | ToAgent::Cancel { .. } | ToAgent::Settled(_)) => {
                    self.shared.inbox.send(order).await.is_ok()
                }
                said => self.tell(Heard::Said(said)).await,
            };
            if !taken {
                return Err(AttendError::Stopped);
            }
        }
        Ok(())
    }

    /// False if nobody listens any more.
    async fn tell(&self, heard: Heard) -> bool {
        self.shared.events.send(Event { line: self.serial, heard }).await.is_ok()
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Between a half and the whole of it, so that a thousand agents do not come back at one instant.
pub(super) fn jittered(wait: Duration) -> Duration {
    let chance = identity::random().map_or(0, |number| number as u32);
    wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}
