//! Use cases: what a client may ask, one file per noun, whatever door it came through.
//!
//! - Does: checks a wish, completes it with what only this moment knows, proposes it, and answers in plain
//!   values.
//! - Owns: nothing but handles.
//! - Never: knows JSON, HTTP or a command line; caches.
//! - Fails: with one of the kinds of [`Error`], each of which one table maps to a status or an exit code.

pub mod cluster;
mod error;
pub mod executions;
pub mod jobs;
pub mod restore;

pub use error::{Error, Kind};

use crate::clock;
use crate::dispatch::Live;
use crate::history::History;
use crate::raft::{Priority, Raft, View};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command, Reply};
use dkron_core::ids::{JobUid, RequestId};
use dkron_core::time::Time;

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct App {
    raft: Raft<Ledger>,
    history: History,
    live: Live,
}

impl App {
    /// The use cases over these rooms.
    pub fn new(raft: Raft<Ledger>, history: History, live: Live) -> App {
        App { raft, history, live }
    }

    /// The state as of now. Who wrote before, through this server, finds the write in it.
    async fn view(&self) -> Result<View<Ledger>, Error> {
        Ok(self.raft.view().await?)
    }

    /// Proposes a client's wish. The same request id within ten minutes is answered as before.
    async fn propose(&self, priority: Priority, request: RequestId, action: Action) -> Result<Reply, Error> {
        match self.raft.propose(priority, Command { request: Some(request), action }).await? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    fn now(&self) -> Time {
        clock::guarded().time
    }
}

/// 128 random bits.
fn random() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(Kind::Internal, format!("no random numbers from the system: {error}")))?;
    Ok(u128::from_be_bytes(bytes))
}

/// A request id for a client that gave none.
fn fresh_request() -> Result<RequestId, Error> {
    random().map(RequestId)
}

fn fresh_uid() -> Result<JobUid, Error> {
    random().map(JobUid)
}
