//! Reading the state: what plans, placements, the API and snapshots may ask.

use super::record::{Cluster, Item, JobRecord, NodeRecord, Occurrence, Record, Remembered, Staged, Timer};
use super::{Slot, State, digest};
use crate::access::Token;
use crate::command::PutJob;
use crate::format::Formats;
use crate::ids::{ExecutionRef, JobSlot, NodeId, NodeSlot, OccurrenceRef, RequestId, TokenId};
use crate::node::Work;
use crate::schedule::{Zone, ZoneData, Zones};
use crate::time::Time;
use crate::voters::Wished;
use std::ops::Bound;
use std::sync::Arc;

impl State {
    /// The stamp of the last entry. It may be before an earlier one's: clocks are set back.
    pub fn time(&self) -> Time {
        self.time
    }

    /// Index of the last applied entry.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The sum of all records' hashes. Equal on all servers at equal `applied` (invariant 7).
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// How many records apply has read or written so far.
    pub fn touched(&self) -> u64 {
        self.touched
    }

    /// The cluster, once founded.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// The zone of jobs that name none.
    pub fn default_zone(&self) -> &Zone {
        &self.default_zone
    }

    /// What the zones of schedules mean by these data.
    pub fn zones(&self, data: ZoneData) -> Zones {
        Zones::new(self.default_zone, data)
    }

    /// The epoch of due times that are computed now.
    pub fn epoch(&self) -> u32 {
        self.cluster.as_ref().map_or(0, |cluster| cluster.filing.epoch)
    }

    /// The epoch of due times that are computed by these data; none if the leader has not told of them.
    pub fn epoch_of(&self, data: ZoneData) -> Option<u32> {
        let filing = &self.cluster.as_ref()?.filing;
        (*filing.by == *data.version()).then_some(filing.epoch)
    }

    /// How many slots for jobs there are, used or not.
    pub fn slots(&self) -> u32 {
        self.jobs.len() as u32
    }

    /// Whether submissions are refused.
    pub fn is_paused(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.paused)
    }

    /// Since when all ticks are held, if they are.
    pub fn held_since(&self) -> Option<Time> {
        self.cluster.as_ref().and_then(|cluster| cluster.held_since)
    }

    /// Up to where this job's ticks are passed over as held.
    pub fn floor_of(&self, job: &JobRecord) -> Time {
        self.cluster.as_ref().map_or(job.floor, |cluster| cluster.floor.max(job.floor))
    }

    /// How many jobs live.
    pub fn job_count(&self) -> usize {
        self.names.len()
    }

    /// The job in this slot.
    pub fn job(&self, slot: JobSlot) -> Option<&Arc<JobRecord>> {
        match self.jobs.get(slot.0 as usize) {
            Some(Slot::Living(record)) => Some(record),
            _ => None,
        }
    }

    /// Where the job of this name is.
    pub fn slot_of(&self, name: &str) -> Option<JobSlot> {
        self.names.get(name).copied()
    }

    /// The job of this name.
    pub fn job_named(&self, name: &str) -> Option<(JobSlot, &Arc<JobRecord>)> {
        let slot = self.slot_of(name)?;
        self.job(slot).map(|record| (slot, record))
    }

    /// The jobs by name, from the first name after `after`.
    pub fn jobs_by_name(
        &self,
        after: Option<&str>,
    ) -> impl DoubleEndedIterator<Item = (JobSlot, &Arc<JobRecord>)> {
        let start: Bound<&str> = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.jobs_between(start, Bound::Unbounded)
    }

    /// The jobs whose names lie between these bounds, by name.
    pub fn jobs_between(
        &self,
        from: Bound<&str>,
        to: Bound<&str>,
    ) -> impl DoubleEndedIterator<Item = (JobSlot, &Arc<JobRecord>)> {
        self.names
            .range::<_, str>((from, to))
            .filter_map(|(_, slot)| self.job(*slot).map(|record| (*slot, record)))
    }

    /// The name at a place in the order of names, counted from 0. Costs neither the place nor the number of jobs, but
    /// a two-thousandth of it.
    pub fn name_at(&self, place: usize) -> Option<&Arc<str>> {
        self.places.at(place, &self.names)
    }

    /// The jobs that this job's success starts, by slot.
    pub fn children_of(&self, parent: JobSlot) -> impl Iterator<Item = JobSlot> + '_ {
        self.children.range((parent, JobSlot(0))..=(parent, JobSlot(u32::MAX))).map(|(_, child)| *child)
    }

    /// Jobs whose next due time the leader must compute anew.
    pub fn to_replan(&self) -> impl Iterator<Item = JobSlot> + '_ {
        self.replan.iter().copied()
    }

    /// Whether the leader must compute this job's next due time anew.
    pub fn must_replan(&self, job: JobSlot) -> bool {
        self.replan.contains(&job)
    }

    /// An occurrence that is not over.
    pub fn occurrence(&self, reference: OccurrenceRef) -> Option<&Arc<Occurrence>> {
        self.occurrences.get(&reference)
    }

    /// All occurrences that are not over, oldest decision first.
    pub fn occurrences(&self) -> impl Iterator<Item = (OccurrenceRef, &Arc<Occurrence>)> {
        self.occurrences.iter().map(|(reference, occurrence)| (*reference, occurrence))
    }

    /// The occurrences of a job that are not over, oldest first.
    pub fn occurrences_of(&self, job: JobSlot) -> impl Iterator<Item = (OccurrenceRef, &Arc<Occurrence>)> {
        let last = OccurrenceRef { index: u64::MAX, position: u32::MAX };
        self.by_job
            .range((job, OccurrenceRef::default())..=(job, last))
            .filter_map(|(_, reference)| self.occurrences.get(reference).map(|found| (*reference, found)))
    }

    /// What is or may be on a node.
    pub fn executions_on(&self, node: NodeSlot) -> impl Iterator<Item = ExecutionRef> + '_ {
        let next = NodeSlot(node.0.saturating_add(1));
        self.by_node
            .range((node, ExecutionRef::default())..(next, ExecutionRef::default()))
            .map(|(_, found)| *found)
    }

    /// What the leader has to do, after a place on the agenda.
    pub fn agenda_after(&self, place: u64) -> impl Iterator<Item = (u64, Item)> + '_ {
        self.agenda.range((Bound::Excluded(place), Bound::Unbounded)).map(|(place, item)| (*place, *item))
    }

    /// The item at a place on the agenda.
    pub fn agenda_item(&self, place: u64) -> Option<Item> {
        self.agenda.get(&place).copied()
    }

    /// What the leader has to do at an instant, earliest first.
    pub fn timers(&self) -> impl Iterator<Item = (Time, Timer)> + '_ {
        self.timers.iter().copied()
    }

    /// The same, after one of them.
    pub fn timers_after(&self, read: Option<(Time, Timer)>) -> impl Iterator<Item = (Time, Timer)> + '_ {
        let start = read.map_or(Bound::Unbounded, Bound::Excluded);
        self.timers.range((start, Bound::Unbounded)).copied()
    }

    /// A node.
    pub fn node(&self, slot: NodeSlot) -> Option<&Arc<NodeRecord>> {
        self.nodes.get(slot.0 as usize)
    }

    /// Whether a node that was to be emptied is empty.
    pub fn is_drained(&self, slot: NodeSlot) -> bool {
        let draining = self.node(slot).is_some_and(|node| node.work == Work::Draining);
        draining && self.executions_on(slot).next().is_none()
    }

    /// How many live executions a node has.
    pub fn load(&self, slot: NodeSlot) -> u32 {
        self.loads.get(slot.0 as usize).copied().unwrap_or(0)
    }

    /// Where the node of this id is.
    pub fn node_slot(&self, id: NodeId) -> Option<NodeSlot> {
        self.node_ids.get(&id).copied()
    }

    /// Where the node that last had this name is.
    pub fn node_named(&self, name: &str) -> Option<NodeSlot> {
        self.node_names.get(name).copied()
    }

    /// All nodes that ever registered.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeSlot, &Arc<NodeRecord>)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeSlot(index as u32), node))
    }

    /// What an operator wishes of a server.
    pub fn wish(&self, server: NodeId) -> Option<Wished> {
        self.wishes.get(&server).copied()
    }

    /// What operators wish of servers.
    pub fn wishes(&self) -> impl Iterator<Item = (NodeId, Wished)> + '_ {
        self.wishes.iter().map(|(server, wished)| (*server, *wished))
    }

    /// What was answered to a request.
    pub fn remembered(&self, request: RequestId) -> Option<&Arc<Remembered>> {
        self.remembered.get(&request)
    }

    /// An import in the making.
    pub fn staged(&self, import: RequestId) -> Option<&Arc<Staged>> {
        self.staged.get(&import)
    }

    /// The log format in force.
    pub fn format(&self) -> u8 {
        self.cluster.as_ref().map_or(Formats::FIRST, |cluster| cluster.format)
    }

    /// The version of the rule of its digest: two states are compared only under the same one.
    pub fn digest_version(&self) -> u32 {
        digest::version(self.format())
    }

    /// Whether the API asks everybody for a token.
    pub fn is_closed(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.closed)
    }

    /// The token of this id.
    pub fn token(&self, id: TokenId) -> Option<&Arc<Token>> {
        self.tokens.get(&id)
    }

    /// All tokens, in the order of their ids.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &Arc<Token>)> {
        self.tokens.iter().map(|(id, token)| (*id, token))
    }

    /// Everything, as plain values: what a snapshot stores. Free slots stand before jobs, jobs before what names them.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let jobs = self.jobs.iter().enumerate().filter_map(|(index, slot)| match slot {
            Slot::Living(record) => Some(Record::Job(JobSlot(index as u32), JobRecord::clone(record))),
            Slot::Free(_) => None,
        });
        let free = self.free.iter().filter_map(|slot| match self.jobs.get(slot.0 as usize) {
            Some(Slot::Free(generation)) => Some(Record::Free(*slot, *generation)),
            _ => None,
        });
        let requested = self.agenda.iter().filter_map(|(place, item)| match item {
            Item::Decide(requested) => Some(Record::Requested(*place, *requested)),
            _ => None,
        });
        let waiting = self.waiting_requests().map(|requested| Record::Requested(0, requested));
        let staged = self.staged.iter().flat_map(|(import, staged)| {
            staged.jobs.iter().map(|job| Record::Staged(*import, staged.touched_at, PutJob::clone(job)))
        });
        let occurrences = self
            .occurrences
            .iter()
            .map(|(reference, found)| Record::Occurrence(*reference, Occurrence::clone(found)));
        let remembered = self
            .remembered
            .iter()
            .map(|(request, found)| Record::Remembered(*request, Remembered::clone(found)));
        let nodes = self.nodes().map(|(slot, node)| Record::Node(slot, NodeRecord::clone(node)));
        let cluster = self.cluster.iter().cloned().map(Record::Cluster);
        let tokens = self.tokens().map(|(id, token)| Record::Token(id, Token::clone(token)));
        let wishes = self.wishes().map(|(server, wished)| Record::Wish(server, wished));
        cluster
            .chain(free)
            .chain(jobs)
            .chain(nodes)
            .chain(wishes)
            .chain(occurrences)
            .chain(requested)
            .chain(waiting)
            .chain(remembered)
            .chain(staged)
            .chain(tokens)
    }
}
