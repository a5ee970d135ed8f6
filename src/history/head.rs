//! The chains: for each job its newest row, in memory, so that appending and deciding what lives cost no
//! read.
//!
//! 48 bytes a job, whatever its rows. A row's age, number and weight in its chain were fixed when it was
//! written; compared with the head's they tell whether it lives. So no bound needs a counter, a scan or a
//! deletion.

use super::disk::entry::{Entry, Kind, Link, Position, WEIGHT_UNIT};
use super::settings::Retention;
use dkron_core::execution::HistoryRow;
use dkron_core::ids::JobUid;
use dkron_core::time::Time;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Both kinds of chain.
pub(super) const CHAINS: [Kind; 2] = [Kind::Run, Kind::Skip];
/// Slices of a table, each with its own lock: short locks, short insertions.
pub(super) const SHARDS: usize = 4_096;

/// The newest row of a chain and where the chain begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) job: JobUid,
    pub(super) position: Position,
    /// Rows at or below it belong to an erased or forgotten chain of this job.
    pub(super) floor: Position,
    pub(super) ordinal: u32,
    pub(super) weight: u32,
    pub(super) stamp: u32,
}

/// The bounds that a single row is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    runs: u32,
    skips: u32,
    weight: u32,
    oldest_stamp: u32,
}

impl Bounds {
    pub(super) fn new(retention: &Retention, now: Time) -> Bounds {
        let weight = retention
            .bytes_per_job
            .map_or(u32::MAX, |bytes| u32::try_from((bytes / WEIGHT_UNIT).max(1)).unwrap_or(u32::MAX));
        let oldest = retention.age.map_or(0, |age| (now - age).seconds());
        Bounds {
            runs: retention.runs_per_job.max(1),
            skips: retention.skips_per_job.max(1),
            weight,
            oldest_stamp: stamp_of(oldest),
        }
    }

    /// Most rows of a chain of this kind.
    pub(super) fn rows(&self, kind: Kind) -> u32 {
        if kind == Kind::Skip { self.skips } else { self.runs }
    }

    /// Whether the row is kept, given its chain's head.
    pub(super) fn keep(&self, head: &Head, entry: &Entry) -> bool {
        let link = &entry.link;
        link.position <= head.position
            && link.position > head.floor
            && head.ordinal.wrapping_sub(link.ordinal) < self.rows(entry.kind)
            && head.weight.wrapping_sub(link.weight) < self.weight
            && link.stamp >= self.oldest_stamp
    }
}

fn stamp_of(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

/// What a row's age is counted from: the later of its decision and its end.
fn stamp(row: &HistoryRow) -> u32 {
    stamp_of(match row {
        HistoryRow::Finished(run) => run.decided_at.max(run.outcome.finished_at).seconds(),
        HistoryRow::Skipped(skip) => skip.decided_at.seconds(),
        HistoryRow::Erased { .. } => 0,
    })
}

impl Head {
    /// The link of the row that follows this head, or begins a chain.
    fn link(before: Option<&Head>, position: Position, row: &HistoryRow, bytes: u64) -> Link {
        let units = u32::try_from(bytes.div_ceil(WEIGHT_UNIT)).unwrap_or(u32::MAX);
        let stamp = stamp(row);
        match before {
            None => Link { position, previous: 0, ordinal: 1, weight: units, stamp },
            Some(head) => Link {
                position,
                previous: head.position,
                ordinal: head.ordinal.wrapping_add(1),
                weight: head.weight.wrapping_add(units),
                stamp: stamp.max(head.stamp),
            },
        }
    }

    /// The head once a row with this link is in force.
    fn after(before: Option<&Head>, job: JobUid, link: &Link) -> Head {
        let floor = match before {
            Some(head) if link.ordinal != 1 => head.floor,
            _ => link.position.saturating_sub(1),
        };
        let Link { position, ordinal, weight, stamp, .. } = *link;
        Head { job, position, floor, ordinal, weight, stamp }
    }
}

/// One kind's heads: sorted slices, found by the job's hash.
struct Table(Vec<Mutex<Vec<Head>>>);

impl Table {
    fn new() -> Table {
        Table((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, job: JobUid) -> MutexGuard<'_, Vec<Head>> {
        let mixed = ((job.0 >> 64) as u64 ^ job.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.lock((mixed >> 52) as usize)
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Vec<Head>> {
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The heads of all chains that are in force on disk.
pub(super) struct Heads {
    runs: Table,
    skips: Table,
}

impl Heads {
    pub(super) fn new() -> Heads {
        Heads { runs: Table::new(), skips: Table::new() }
    }

    fn table(&self, kind: Kind) -> &Table {
        if kind == Kind::Skip { &self.skips } else { &self.runs }
    }

    pub(super) fn get(&self, kind: Kind, job: JobUid) -> Option<Head> {
        let shard = self.table(kind).shard(job);
        shard.binary_search_by_key(&job, |head| head.job).ok().map(|at| shard[at])
    }

    pub(super) fn put(&self, kind: Kind, head: Head) {
        let mut shard = self.table(kind).shard(head.job);
        match shard.binary_search_by_key(&head.job, |other| other.job) {
            Ok(at) => shard[at] = head,
            Err(at) => {
                if shard.len() == shard.capacity() {
                    let more = shard.len() / 8 + 4;
                    shard.reserve_exact(more);
                }
                shard.insert(at, head);
            }
        }
    }

    /// Forgets the chain if its newest row is older than `position`.
    pub(super) fn erase(&self, kind: Kind, job: JobUid, position: Position) {
        let mut shard = self.table(kind).shard(job);
        if let Ok(at) = shard.binary_search_by_key(&job, |head| head.job)
            && shard[at].position < position
        {
            shard.remove(at);
        }
    }

    /// Takes in a row that is already on disk; what is known already changes nothing.
    pub(super) fn replay(&self, entry: &Entry) {
        if entry.kind == Kind::Erased {
            CHAINS.iter().for_each(|&kind| self.erase(kind, entry.job, entry.link.position));
            return;
        }
        let before = self.get(entry.kind, entry.job);
        if before.is_none_or(|head| head.position < entry.link.position) {
            self.put(entry.kind, Head::after(before.as_ref(), entry.job, &entry.link));
        }
    }

    /// A copy of one slice.
    pub(super) fn copy(&self, kind: Kind, shard: usize) -> Vec<Head> {
        self.table(kind).lock(shard).clone()
    }

    /// Drops the heads of one slice whose chains have nothing left.
    pub(super) fn retain(&self, kind: Kind, shard: usize, oldest: Position, bounds: &Bounds) {
        let mut heads = self.table(kind).lock(shard);
        let before = heads.len();
        heads.retain(|head| head.position >= oldest && head.stamp >= bounds.oldest_stamp);
        if heads.len() < before / 2 {
            heads.shrink_to_fit();
        }
    }
}

/// Changes to the heads that wait for their batch to be durable.
#[derive(Default)]
pub(super) struct Staged {
    changes: HashMap<(u8, JobUid), Option<Head>>,
}

impl Staged {
    /// Places a row behind its chain and remembers the new head.
    pub(super) fn link(&mut self, heads: &Heads, position: Position, row: &HistoryRow, bytes: u64) -> Link {
        let (kind, job) = match row {
            HistoryRow::Finished(run) => (Kind::Run, run.job),
            HistoryRow::Skipped(skip) => (Kind::Skip, skip.job),
            HistoryRow::Erased { job } => {
                for kind in CHAINS {
                    self.changes.insert((kind.number(), *job), None);
                }
                return Link { position, previous: 0, ordinal: 0, weight: 0, stamp: 0 };
            }
        };
        let before = match self.changes.get(&(kind.number(), job)) {
            Some(staged) => *staged,
            None => heads.get(kind, job),
        };
        let link = Head::link(before.as_ref(), position, row, bytes);
        self.changes.insert((kind.number(), job), Some(Head::after(before.as_ref(), job, &link)));
        link
    }

    /// Puts the changes in force.
    pub(super) fn publish(&mut self, heads: &Heads) {
        for ((number, job), change) in self.changes.drain() {
            let kind = if number == Kind::Skip.number() { Kind::Skip } else { Kind::Run };
            match change {
                Some(head) => heads.put(kind, head),
                None => heads.erase(kind, job, Position::MAX),
            }
        }
    }
}
