//! Dispatch: one stream for each agent, orders out, reports in.
//!
//! - Does: registers agents that say hello, sends them the leader's orders, puts what they report into the
//!   log, tells them what is settled, keeps the live output of what runs, has processors look at outputs.
//! - Owns: the streams and the live outputs.
//! - Never: decides what runs where; sends what is not committed (orders come from the leader's plan of the
//!   committed state); settles what is not committed.
//! - Fails: a broken stream loses nothing. The agent dials again, says hello, and both sides repeat what was
//!   not answered.

mod live;
mod processor;
mod service;
mod streams;

pub use live::{Live, LiveOutput};
pub use service::Attendance;

use dkron_core::delivery::ToAgent;
use dkron_core::ids::NodeSlot;
use dkron_core::plan::Order;
use streams::Streams;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The sending half of the room.
pub struct Dispatch {
    /// The leader's orders.
    pub orders: mpsc::Receiver<(NodeSlot, Order)>,
    streams: Streams,
}

impl Dispatch {
    /// A room without streams, and what serves the agents that will come.
    pub fn new(orders: mpsc::Receiver<(NodeSlot, Order)>) -> Dispatch {
        Dispatch { orders, streams: Streams::default() }
    }

    /// The agents' streams, for the service.
    pub(crate) fn streams(&self) -> Streams {
        self.streams.clone()
    }

    /// Hands orders to streams until there are no more orders. An order that finds no stream, or a full one,
    /// is dropped: the plan repeats it when the agent is back, or soon.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let order = tokio::select! {
                () = stop.cancelled() => return,
                order = self.orders.recv() => order,
            };
            let Some((node, order)) = order else { return };
            let message = match order {
                Order::Launch(launch) => ToAgent::Launch(launch),
                Order::Cancel(execution, id) => ToAgent::Cancel { execution, id },
            };
            self.streams.send(node, message);
        }
    }
}
