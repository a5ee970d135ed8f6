//! Dispatch: one stream for each agent, orders out, reports in.
//!
//! - Does: keeps the streams of the agents that say hello, whether this server leads or not; when it leads,
//!   registers them, sends them the leader's orders, puts what they report into the log, tells them what is
//!   settled, marks as failed who is silent; keeps the live output of what runs, has processors look at outputs.
//! - Owns: the streams and the live outputs.
//! - Never: decides what runs where; sends what is not committed (orders come from the leader's plan of the
//!   committed state); settles what is not committed.
//! - Fails: a broken stream loses nothing. The agent dials again, says hello, and both sides repeat what was
//!   not answered.
//!
//! Reading order: `service` (the door), `listen` (a stream), `reports` and `keep` (in), `streams` (out),
//! `absence` and `duty` (who is silent).

mod absence;
mod duty;
mod keep;
mod listen;
mod live;
mod processor;
mod refusals;
mod reports;
mod service;
mod streams;

pub use keep::{Keep, KeepError};
pub use live::{Live, LiveOutput};
pub use service::Attendance;

use crate::raft::Raft;
use crate::task::CancellationToken;
use dkron_core::apply::Ledger;
use dkron_core::delivery::{ServerAddress, ToAgent};
use dkron_core::ids::NodeSlot;
use dkron_core::plan::Order;
use duty::Duty;
use std::sync::Arc;
use streams::Streams;
use tokio::sync::{mpsc, watch};

/// What the room works with.
#[derive(Clone)]
pub struct Rooms {
    /// Where to propose, and who leads.
    pub raft: Raft<Ledger>,
    /// What running executions have written.
    pub live: Live,
    /// Where long outputs go before their outcomes.
    pub keep: Keep,
    /// Hears of every node that can be given work, while this server leads.
    pub contacts: mpsc::Sender<NodeSlot>,
    /// All servers, for the agents; empty while they are not known.
    pub servers: watch::Receiver<Arc<[ServerAddress]>>,
    /// Ends all streams.
    pub stop: CancellationToken,
}

/// The room's own work, beside its streams.
pub struct Dispatch {
    /// The leader's orders.
    pub orders: mpsc::Receiver<(NodeSlot, Order)>,
    streams: Streams,
    duty: Duty,
}

impl Dispatch {
    /// Hands orders to the streams of this service, and watches over them.
    pub fn new(attendance: &Attendance, orders: mpsc::Receiver<(NodeSlot, Order)>) -> Dispatch {
        let streams = attendance.streams.clone();
        let duty = Duty { raft: attendance.rooms.raft.clone(), streams: streams.clone() };
        Dispatch { orders, streams, duty }
    }

    /// Works until it is told to stop or there are no more orders.
    pub async fn run(self, stop: CancellationToken) {
        let Dispatch { orders, streams, duty } = self;
        tokio::select! {
            () = hand_over(orders, streams) => {}
            () = duty.run(stop) => {}
        }
    }
}

/// Hands orders to streams until there are no more. An order that finds no stream, or a full one, is dropped:
/// the plan repeats it when the agent is back, or soon.
async fn hand_over(mut orders: mpsc::Receiver<(NodeSlot, Order)>, streams: Streams) {
    while let Some((node, order)) = orders.recv().await {
        let message = match order {
            Order::Launch(launch) => ToAgent::Launch(launch),
            Order::Cancel(execution, id) => ToAgent::Cancel { execution, id },
        };
        streams.send(node, message);
    }
}
