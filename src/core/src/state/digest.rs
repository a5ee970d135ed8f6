//! The digest: one hash for each record, summed, so that a change costs one record and order costs nothing.
//!
//! A job is two of them: its ticks change the smaller one.
//!
//! The bytes hashed here are a format of their own: a change of them changes the digest's version.

use super::record::{
    Execution, JobRecord, NodeRecord, Occurrence, Progress, Remembered, Requested, Staged, Turn,
};
use crate::access::Token;
use crate::format::Formats;
use crate::ids::{JobSlot, NodeId, NodeSlot, OccurrenceRef, RequestId, TokenId};
use crate::time::Time;
use crate::voters::Wished;
use xxhash_rust::xxh3::xxh3_128;

/// The version of the rule that is used while a log format is in force: a server that does not read a newer one
/// comes to the same digest as those that do.
pub(super) fn version(format: u8) -> u32 {
    u32::from(format) + 1
}

/// What the bytes of a record begin with, so that records of two kinds never look alike.
#[derive(Clone, Copy)]
enum Kind {
    Job = 1,
    Occurrence = 2,
    Requested = 3,
    Node = 4,
    Remembered = 5,
    Staged = 6,
    Cluster = 7,
    Free = 8,
    Progress = 9,
    Token = 10,
    Wish = 11,
}

/// The bytes of one record; most fit where they need no allocation.
struct Bytes {
    inline: [u8; INLINE],
    length: usize,
    /// Everything, once it no longer fits.
    spilled: Vec<u8>,
}

const INLINE: usize = 256;

impl Bytes {
    fn new(kind: Kind) -> Bytes {
        let mut bytes = Bytes { inline: [0; INLINE], length: 0, spilled: Vec::new() };
        bytes.put(&[kind as u8]);
        bytes
    }

    fn put(&mut self, part: &[u8]) {
        match self.inline.get_mut(self.length..self.length + part.len()) {
            Some(room) if self.spilled.is_empty() => {
                room.copy_from_slice(part);
                self.length += part.len();
            }
            _ => {
                if self.spilled.is_empty() {
                    self.spilled.reserve(2 * INLINE + part.len());
                    self.spilled.extend_from_slice(&self.inline[..self.length]);
                }
                self.spilled.extend_from_slice(part);
            }
        }
    }

    fn number(&mut self, number: impl Into<u128>) -> &mut Bytes {
        self.put(&number.into().to_le_bytes());
        self
    }

    fn small(&mut self, number: impl Into<u64>) -> &mut Bytes {
        self.put(&number.into().to_le_bytes());
        self
    }

    fn time(&mut self, time: Time) -> &mut Bytes {
        self.small(time.nanos() as u64)
    }

    fn text(&mut self, text: &[u8]) -> &mut Bytes {
        self.small(text.len() as u64).put(text);
        self
    }

    fn hash(&self) -> u128 {
        if self.spilled.is_empty() { xxh3_128(&self.inline[..self.length]) } else { xxh3_128(&self.spilled) }
    }
}

/// What the whole of a job adds.
pub(super) fn job(slot: JobSlot, job: &JobRecord) -> u128 {
    job_settings(slot, job).wrapping_add(job_progress(slot, job))
}

/// The part of a job that only its owner and operators change: its definition is in it, so it is not hashed at each
/// of its ticks.
pub(super) fn job_settings(slot: JobSlot, job: &JobRecord) -> u128 {
    Bytes::new(Kind::Job)
        .small(slot.0)
        .number(job.uid.0)
        .text(job.name.as_bytes())
        .small(job.generation)
        .small(job.revision)
        .text(&job.definition)
        .time(job.anchor)
        .time(job.floor)
        .small(u64::from(job.held))
        .small(job.parent.map_or(u64::MAX, |parent| u64::from(parent.0)))
        .hash()
}

/// The part of a job that its ticks and outcomes change.
pub(super) fn job_progress(slot: JobSlot, job: &JobRecord) -> u128 {
    let counters = &job.counters;
    Bytes::new(Kind::Progress)
        .small(slot.0)
        .number(job.uid.0)
        .time(job.cursor)
        .time(job.next_due)
        .small(counters.success_count)
        .small(counters.error_count)
        .time(counters.last_success)
        .time(counters.last_error)
        .small(counters.status.number())
        .small(job.open)
        .small(job.queued)
        .hash()
}

pub(super) fn occurrence(reference: OccurrenceRef, occurrence: &Occurrence) -> u128 {
    let turn = match occurrence.turn {
        Turn::Queued => 0,
        Turn::Unplaced(_) => 1,
        Turn::Open => 2,
    };
    let mut bytes = Bytes::new(Kind::Occurrence);
    bytes
        .small(reference.index)
        .small(reference.position)
        .small(occurrence.job.0)
        .number(occurrence.id.0)
        .time(occurrence.nominal)
        .time(occurrence.decided_at)
        .small(turn as u64)
        .time(occurrence.startable_at)
        .time(occurrence.gives_up_at);
    occurrence.executions.iter().for_each(|found| execution(&mut bytes, found));
    bytes.hash()
}

fn execution(bytes: &mut Bytes, execution: &Execution) {
    let (progress, time) = match execution.progress {
        Progress::Assigned => (0, Time::EPOCH),
        Progress::Accepted => (1, Time::EPOCH),
        Progress::Started(at) => (2, at),
        Progress::Retrying(due) => (3, due),
        Progress::Ended(verdict) => (4 + u64::from(verdict.number()), Time::EPOCH),
    };
    bytes
        .small(execution.attempt)
        .small(execution.node.0)
        .small(progress)
        .time(time)
        .time(execution.startable_at)
        .small(u64::from(execution.cancel))
        .time(execution.lost_at.unwrap_or(Time::NEVER));
}

pub(super) fn requested(requested: &Requested) -> u128 {
    let (kind, cause) = requested.origin.parts();
    Bytes::new(Kind::Requested)
        .small(requested.job.0)
        .small(kind)
        .number(cause)
        .time(requested.nominal)
        .hash()
}

pub(super) fn node(slot: NodeSlot, node: &NodeRecord) -> u128 {
    let registration = &node.registration;
    let mut bytes = Bytes::new(Kind::Node);
    bytes
        .small(slot.0)
        .number(registration.node.0)
        .text(registration.name.as_bytes())
        .small(registration.life)
        .number(registration.journal.0)
        .number(registration.boot.0)
        .small(registration.slots)
        .small(u64::from(registration.server))
        .text(registration.address.as_bytes())
        .small(node.liveness.number())
        .small(node.work.number())
        .time(node.marked_at);
    for (tag, value) in &registration.tags {
        bytes.text(tag.as_bytes()).text(value.as_bytes());
    }
    bytes.hash()
}

pub(super) fn remembered(request: RequestId, remembered: &Remembered) -> u128 {
    Bytes::new(Kind::Remembered).number(request.0).time(remembered.at).hash()
}

pub(super) fn staged(import: RequestId, staged: &Staged) -> u128 {
    Bytes::new(Kind::Staged).number(import.0).time(staged.touched_at).small(staged.jobs.len() as u64).hash()
}

pub(super) fn cluster(cluster: &super::record::Cluster) -> u128 {
    let mut bytes = Bytes::new(Kind::Cluster);
    bytes
        .number(cluster.founding.cluster.0)
        .small(cluster.founding.incarnation.0)
        .text(cluster.founding.default_zone.as_bytes())
        .text(cluster.founding.zone_data.as_bytes())
        .small(u64::from(cluster.paused))
        .time(cluster.held_since.unwrap_or(Time::NEVER))
        .time(cluster.floor)
        .text(cluster.filing.by.as_bytes())
        .small(cluster.filing.epoch)
        .small(u64::from(cluster.filing.pending));
    if cluster.format >= Formats::SECOND {
        bytes.small(u64::from(cluster.closed)).small(cluster.format);
    }
    bytes.hash()
}

pub(super) fn token(id: TokenId, token: &Token) -> u128 {
    let mut bytes = Bytes::new(Kind::Token);
    bytes
        .number(id.0)
        .text(token.name.as_bytes())
        .text(&token.hash)
        .time(token.created_at)
        .time(token.expires_at.unwrap_or(Time::NEVER))
        .small(token.policy.capabilities.len() as u64);
    for capability in &token.policy.capabilities {
        bytes.small(capability.number());
    }
    for prefix in &token.policy.jobs {
        bytes.text(prefix.as_bytes());
    }
    bytes.hash()
}

pub(super) fn free(slot: JobSlot, generation: u32) -> u128 {
    Bytes::new(Kind::Free).small(slot.0).small(generation).hash()
}

pub(super) fn wish(server: NodeId, wished: &Wished) -> u128 {
    Bytes::new(Kind::Wish)
        .number(server.0)
        .small(wished.wish.number())
        .small(wished.process)
        .time(wished.at)
        .hash()
}
