//! The stream to a server: dials, says hello, carries messages both ways, and dials again for as long as it is
//! asked to.
//!
//! Losing the stream loses nothing: after each welcome the agent offers everything unsettled anew.

use super::{AgentHandle, identity};
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_wire::delivery::service::{self, AgentsClient};
use dkron_wire::delivery::{from_agent_to_wire, to_agent};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// The first and the longest wait before another dial.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long a dial, and the answer to the call, may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages between the agent and the stream's own buffers.
const UP: usize = 16;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum AttendError {
    /// No connection.
    #[error("cannot connect")]
    Dial(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no answer within {} s", DIAL_TIMEOUT.as_secs())]
    Timeout,
    /// The server refused or ended the call.
    #[error("the server ended the stream: {0}")]
    Status(#[from] tonic::Status),
    /// It says what this version does not understand.
    #[error("a message cannot be read")]
    Message(#[from] dkron_wire::WireError),
    /// The stream ended without an error.
    #[error("the stream ended")]
    Ended,
    /// The agent has ended.
    #[error("the agent has stopped")]
    Stopped,
}

/// Makes a connection to a server; which one, with what security, is its own affair, and may differ each time.
pub type Dial = Arc<dyn Fn() -> BoxFuture<'static, Result<Channel, AttendError>> + Send + Sync>;

/// Keeps a stream for as long as it is polled, or until the agent ends.
pub async fn attend(agent: &mut AgentHandle, dial: Dial) -> AttendError {
    let mut backoff = BACKOFF_MIN;
    loop {
        let mut welcomed = false;
        match session(agent, &dial, &mut welcomed).await {
            AttendError::Stopped => return AttendError::Stopped,
            error => tracing::info!(error = &error as &dyn std::error::Error, "no stream to a server"),
        }
        backoff = if welcomed { BACKOFF_MIN } else { backoff };
        tokio::time::sleep(jittered(backoff)).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// One stream from its dial to its end.
async fn session(agent: &mut AgentHandle, dial: &Dial, welcomed: &mut bool) -> AttendError {
    let cluster = *agent.cluster.borrow();
    let hello = FromAgent::Hello { cluster, registration: agent.registration.clone() };
    let (sender, receiver) = mpsc::channel(UP);
    if sender.send(from_agent_to_wire(&hello)).await.is_err() {
        return AttendError::Ended;
    }
    let call = async {
        let channel = dial().await?;
        Ok(AgentsClient::new(channel).attend(ReceiverStream::new(receiver)).await?.into_inner())
    };
    let stream = match tokio::time::timeout(DIAL_TIMEOUT, call).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return error,
        Err(_) => return AttendError::Timeout,
    };
    tokio::select! {
        error = down(stream, &agent.inbox, welcomed) => error,
        error = up(&mut agent.outbox, sender) => error,
    }
}

async fn down(
    mut stream: tonic::Streaming<service::ToAgent>,
    inbox: &mpsc::Sender<ToAgent>,
    welcomed: &mut bool,
) -> AttendError {
    loop {
        let said = match stream.message().await {
            Ok(Some(message)) => to_agent(message),
            Ok(None) => return AttendError::Ended,
            Err(status) => return status.into(),
        };
        match said {
            Ok(said) => {
                *welcomed |= matches!(said, ToAgent::Welcome { .. });
                if inbox.send(said).await.is_err() {
                    return AttendError::Stopped;
                }
            }
            Err(error) => return error.into(),
        }
    }
}

async fn up(outbox: &mut mpsc::Receiver<FromAgent>, sender: mpsc::Sender<service::FromAgent>) -> AttendError {
    while let Some(said) = outbox.recv().await {
        if sender.send(from_agent_to_wire(&said)).await.is_err() {
            return AttendError::Ended;
        }
    }
    AttendError::Stopped
}

/// Between a half and the whole of it, so that a thousand agents do not come back at one instant.
fn jittered(wait: Duration) -> Duration {
    let chance = identity::random().map_or(0, |number| number as u32);
    wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}
