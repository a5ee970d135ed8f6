//! Who can be spoken to now.

use dkron_core::delivery::ToAgent;
use dkron_core::ids::NodeSlot;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Messages that may wait for one agent: some seconds of launches at the highest rate, since one that finds no
/// room is sent again only after two. Places take memory only while they are taken, about 200 bytes each.
pub(super) const QUEUE: usize = 65_536;

/// The streams by node. A node has one: a newer stream takes the place of an older one.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<BTreeMap<NodeSlot, Stream>>>);

struct Stream {
    serial: u64,
    messages: mpsc::Sender<ToAgent>,
}

impl Streams {
    /// Takes a stream in; what ends it when it is dropped.
    pub(super) fn open(&self, node: NodeSlot, serial: u64, messages: mpsc::Sender<ToAgent>) -> Open {
        self.lock().insert(node, Stream { serial, messages });
        Open { streams: self.clone(), node, serial }
    }

    /// Sends without waiting; false if there is no stream or no room.
    pub(super) fn send(&self, node: NodeSlot, message: ToAgent) -> bool {
        self.lock().get(&node).is_some_and(|stream| stream.messages.try_send(message).is_ok())
    }

    /// The nodes that have a stream.
    pub(super) fn nodes(&self) -> Vec<NodeSlot> {
        self.lock().keys().copied().collect()
    }

    /// Held for one map operation, never across an await.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeSlot, Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream.
pub(super) struct Open {
    streams: Streams,
    node: NodeSlot,
    serial: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut streams = self.streams.lock();
        if streams.get(&self.node).is_some_and(|stream| stream.serial == self.serial) {
            streams.remove(&self.node);
        }
    }
}
