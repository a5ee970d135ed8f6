//! The state: everything that the log has decided, held in memory in persistent maps.
//!
//! A clone is an immutable view that costs next to nothing: what is changed afterwards is copied, a small
//! node at a time, and the rest stays shared. So snapshots and readers never stall apply.
//!
//! Only `apply` changes it, and only through the methods of `state/edit.rs`, which keep every index and the
//! digest true.

mod digest;
mod edit;
mod places;
mod read;
mod rebuild;
pub mod record;
mod requests;

pub use rebuild::RebuildError;

use crate::access::Token;
use crate::ids::{ExecutionRef, JobSlot, NodeId, NodeSlot, OccurrenceRef, Origin, RequestId, TokenId};
use crate::rules::Rules;
use crate::schedule::Zone;
use crate::time::Time;
use crate::voters::Wished;
use imbl::{OrdMap, OrdSet, Vector};
use places::Places;
use record::{Cluster, Item, JobRecord, NodeRecord, Occurrence, Remembered, Staged, Timer};
use std::sync::Arc;

/// A slot of the job table.
#[derive(Clone, Debug)]
enum Slot {
    Living(Arc<JobRecord>),
    /// The generation of its last user.
    Free(u32),
}

/// The replicated state. Equal logs give equal states and equal digests (invariant 7).
#[derive(Clone)]
pub struct State {
    time: Time,
    applied: u64,
    cluster: Option<Cluster>,
    default_zone: Zone,

    jobs: Vector<Slot>,
    free: Vector<JobSlot>,
    names: OrdMap<Arc<str>, JobSlot>,
    places: Places,
    children: OrdSet<(JobSlot, JobSlot)>,
    rules: OrdMap<Arc<Rules>, u32>,
    /// Jobs whose next due time must be computed anew by the leader.
    replan: OrdSet<JobSlot>,

    occurrences: OrdMap<OccurrenceRef, Arc<Occurrence>>,
    by_job: OrdSet<(JobSlot, OccurrenceRef)>,
    by_node: OrdSet<(NodeSlot, ExecutionRef)>,

    /// By nominal time, with the place on the agenda; 0 for those of a backfill that wait for their turn.
    requested: OrdMap<(JobSlot, Origin, Time), u64>,
    /// Places are numbered by each server for itself: they are not part of the digest.
    agenda: OrdMap<u64, Item>,
    next_place: u64,
    timers: OrdSet<(Time, Timer)>,

    nodes: Vector<Arc<NodeRecord>>,
    /// Live executions on each node.
    loads: Vector<u32>,
    node_ids: OrdMap<NodeId, NodeSlot>,
    node_names: OrdMap<Arc<str>, NodeSlot>,
    /// What operators wish of servers.
    wishes: OrdMap<NodeId, Wished>,

    remembered: OrdMap<RequestId, Arc<Remembered>>,
    remembered_times: OrdSet<(Time, RequestId)>,
    staged: OrdMap<RequestId, Arc<Staged>>,
    tokens: OrdMap<TokenId, Arc<Token>>,

    digest: u128,
    /// Records read or written since the state began, for the test that nothing costs all jobs.
    touched: u64,
}

impl Default for State {
    fn default() -> State {
        State {
            time: Time::EPOCH,
            applied: 0,
            cluster: None,
            default_zone: Zone::utc(),
            jobs: Vector::new(),
            free: Vector::new(),
            names: OrdMap::new(),
            places: Places::default(),
            children: OrdSet::new(),
            rules: OrdMap::new(),
            replan: OrdSet::new(),
            occurrences: OrdMap::new(),
            by_job: OrdSet::new(),
            by_node: OrdSet::new(),
            requested: OrdMap::new(),
            agenda: OrdMap::new(),
            next_place: 1,
            timers: OrdSet::new(),
            nodes: Vector::new(),
            loads: Vector::new(),
            node_ids: OrdMap::new(),
            node_names: OrdMap::new(),
            wishes: OrdMap::new(),
            remembered: OrdMap::new(),
            remembered_times: OrdSet::new(),
            staged: OrdMap::new(),
            tokens: OrdMap::new(),
            digest: 0,
            touched: 0,
        }
    }
}
