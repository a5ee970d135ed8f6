//! Use cases: what a client may ask, one file per noun, whatever door it came through.
//!
//! - Does: checks a wish, completes it with what only this moment knows, proposes it, and answers in plain
//!   values.
//! - Owns: nothing but handles.
//! - Never: knows JSON, HTTP or a command line; caches.
//! - Fails: with one of the kinds of [`Error`], each of which one table maps to a status or an exit code.

pub mod access;
pub mod backfill;
pub mod cluster;
mod error;
pub mod executions;
pub mod explain;
mod format;
pub mod jobs;
pub mod keyring;
mod operator;
pub mod output;
mod quorum;
pub mod reads;
pub mod restore;
mod submit;
pub mod waiting;
pub mod zones;

pub use error::{Error, Kind};

use crate::clock;
use crate::copies::Copies;
use crate::dispatch::Live;
use crate::history::History;
use crate::net::Channels;
use crate::raft::{Raft, View};
use crate::task::CancellationToken;
use access::Keep;
use dkron_core::apply::Ledger;
use dkron_core::ids::RequestId;
use dkron_core::roster::Roster;
use dkron_core::time::Time;
use dkron_core::voters;
use std::sync::Arc;
use submit::Way;
use tokio::sync::{Semaphore, watch};

/// What the use cases work with.
pub struct Rooms {
    /// What all servers agree on.
    pub raft: Raft<Ledger>,
    /// What ran.
    pub history: History,
    /// What runs writes.
    pub live: Live,
    /// What the other histories have.
    pub copies: Copies,
    /// The servers that are seen, and where they take calls.
    pub roster: watch::Receiver<Arc<Roster>>,
    /// How they are dialled.
    pub channels: Channels,
    /// What the disk says of tokens.
    pub keep: Keep,
    /// How well they are, while this server leads.
    pub health: watch::Receiver<Option<Arc<voters::Health>>>,
    /// Cancelled once this server has left its cluster: its node is to stop.
    pub leave: CancellationToken,
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct App {
    raft: Raft<Ledger>,
    history: History,
    live: Live,
    copies: Copies,
    /// How many clients may follow outputs at a time.
    followers: Arc<Semaphore>,
    way: Way,
    keep: Keep,
    health: watch::Receiver<Option<Arc<voters::Health>>>,
    leave: CancellationToken,
}

impl App {
    /// The use cases over these rooms.
    pub fn new(rooms: Rooms) -> App {
        let Rooms { raft, history, live, copies, roster, channels, keep, health, leave } = rooms;
        let followers = Arc::new(Semaphore::new(output::FOLLOWERS_MAX));
        App { raft, history, live, copies, followers, way: Way { roster, channels }, keep, health, leave }
    }

    /// The state as of now. Who wrote before, through this server, finds the write in it.
    async fn view(&self) -> Result<View<Ledger>, Error> {
        Ok(reads::noted(self.raft.view().await?))
    }

    /// The time, as far as this server's clock is believed.
    pub fn now(&self) -> Time {
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
