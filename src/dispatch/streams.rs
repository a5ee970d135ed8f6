//! Who can be spoken to now, and since when those who were there are gone.

use crate::clock;
use crate::task::CancellationToken;
use dkron_core::delivery::ToAgent;
use dkron_core::ids::{NodeId, NodeSlot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use tonic::Status;

/// Messages that may wait for one agent: some seconds of launches at the highest rate, since one that finds no
/// room is sent again only after two. Places take memory only while they are taken, about 200 bytes each.
pub(super) const QUEUE: usize = 65_536;
/// Streams that one server holds.
const STREAMS_MAX: usize = 20_000;

/// What goes down a stream: a message, or the reason why it ends.
pub(super) type Answer = Result<ToAgent, Status>;

/// The streams by node. A node has one: a newer stream of the same process takes the place of an older one.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Shared>);

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    news: Notify,
}

#[derive(Default)]
struct Table {
    serial: u64,
    streams: BTreeMap<NodeId, Stream>,
    /// The nodes that registered with this server as the leader.
    places: BTreeMap<NodeSlot, NodeId>,
    /// Since when nodes that had a stream have none.
    gone: BTreeMap<NodeId, Instant>,
    last_arrival: Option<Instant>,
}

struct Stream {
    serial: u64,
    process: u64,
    answers: mpsc::Sender<Answer>,
    place: Option<NodeSlot>,
    replaced: CancellationToken,
    again: Arc<Notify>,
}

/// Who is here and who was, at one moment.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// The nodes that have a stream.
    pub(super) here: BTreeSet<NodeId>,
    /// Since when nodes that had one have none.
    pub(super) gone: BTreeMap<NodeId, Instant>,
    /// When the newest stream came.
    pub(super) last_arrival: Option<Instant>,
}

impl Streams {
    /// Takes a stream in; dropping what this returns takes it out.
    ///
    /// # Errors
    /// If another process attends under this id, or there are too many streams.
    pub(super) fn open(
        &self,
        node: NodeId,
        process: u64,
        answers: mpsc::Sender<Answer>,
    ) -> Result<Open, Status> {
        let mut table = self.lock();
        let living = table.streams.get(&node).filter(|stream| !stream.answers.is_closed());
        if living.is_some_and(|stream| stream.process != process) {
            return Err(Status::already_exists(format!(
                "node {node} attends already from another process: was its data directory copied?"
            )));
        }
        if living.is_none() && table.streams.len() >= STREAMS_MAX {
            return Err(Status::resource_exhausted(format!(
                "{STREAMS_MAX} agents attend, which is the most"
            )));
        }
        table.serial += 1;
        let (serial, replaced, again) = (table.serial, CancellationToken::new(), Arc::new(Notify::new()));
        table.gone.remove(&node);
        table.last_arrival = Some(clock::monotonic());
        let (token, notify) = (replaced.clone(), again.clone());
        let stream = Stream { serial, process, answers, place: None, replaced, again };
        if let Some(older) = table.streams.insert(node, stream) {
            older.replaced.cancel();
            table.leave(node, older.place);
        }
        Ok(Open { streams: self.clone(), node, serial, replaced: token, again: notify })
    }

    /// Sends without waiting; false if there is no stream or no room.
    pub(super) fn send(&self, place: NodeSlot, message: ToAgent) -> bool {
        let table = self.lock();
        let stream = table.places.get(&place).and_then(|node| table.streams.get(node));
        stream.is_some_and(|stream| stream.answers.try_send(Ok(message)).is_ok())
    }

    /// Has a node register anew, if it is here.
    pub(super) fn register_again(&self, node: NodeId) {
        if let Some(stream) = self.lock().streams.get(&node) {
            stream.again.notify_one();
        }
    }

    /// When the newest stream came.
    pub(super) fn last_arrival(&self) -> Option<Instant> {
        self.lock().last_arrival
    }

    /// Who is here and who was.
    pub(super) fn sighting(&self) -> Sighting {
        let table = self.lock();
        Sighting {
            here: table.streams.keys().copied().collect(),
            gone: table.gone.clone(),
            last_arrival: table.last_arrival,
        }
    }

    /// When the first of those who are gone went.
    pub(super) fn first_gone(&self) -> Option<Instant> {
        self.lock().gone.values().min().copied()
    }

    /// Forgets when those went who were gone by then: they were judged.
    pub(super) fn forget_gone(&self, by: Option<Instant>) {
        self.lock().gone.retain(|_, at| by.is_none_or(|by| *at > by));
    }

    /// Completes when a node has gone since the last time.
    pub(super) async fn news(&self) {
        self.0.news.notified().await;
    }

    /// The nodes that registered with this server as the leader and have a stream.
    pub(super) fn places(&self) -> Vec<NodeSlot> {
        self.lock().places.keys().copied().collect()
    }

    /// Held for one operation on the table, never across an await.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn leave(&mut self, node: NodeId, place: Option<NodeSlot>) {
        let Some(place) = place else { return };
        if self.places.get(&place) == Some(&node) {
            self.places.remove(&place);
        }
    }
}

/// An open stream.
pub(super) struct Open {
    streams: Streams,
    node: NodeId,
    serial: u64,
    /// Cancelled when a newer stream of the node took its place.
    pub(super) replaced: CancellationToken,
    /// Told when the node is to register anew.
    pub(super) again: Arc<Notify>,
}

impl Open {
    /// The node's place in the state, at which the leader's orders find it; none if it is to get none.
    pub(super) fn set_place(&self, place: Option<NodeSlot>) {
        let mut table = self.streams.lock();
        let Some(stream) = table.streams.get_mut(&self.node).filter(|stream| stream.serial == self.serial)
        else {
            return;
        };
        let before = std::mem::replace(&mut stream.place, place);
        table.leave(self.node, before);
        if let Some(place) = place {
            table.places.insert(place, self.node);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.streams.lock();
        if table.streams.get(&self.node).is_some_and(|stream| stream.serial == self.serial) {
            let place = table.streams.remove(&self.node).and_then(|stream| stream.place);
            table.leave(self.node, place);
            table.gone.insert(self.node, clock::monotonic());
            self.streams.0.news.notify_one();
        }
    }
}
