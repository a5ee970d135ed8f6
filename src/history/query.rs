//! Questions to the history. They read files: callers that must not block ask from a blocking thread.

use super::disk::catalogue::{View, locate};
use super::disk::entry::{Entry, Kind, Position, index_of, node_mark, position};
use super::disk::segment::Segment;
use super::error::Result;
use super::settings::Applied;
use super::store::Store;
use dkron_core::execution::{Finished, HistoryRow, Skipped, Verdict};
use dkron_core::ids::{ExecutionId, JobUid};
use dkron_core::time::Time;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Entries read at once by a search: about ten directory pages.
const SEARCH_STRIDE: usize = 480;
/// Segments looked through for the rest of a chain that damage has cut.
const RELINK_SEGMENTS: usize = 64;

/// Where a listing goes on. Stable: rows that come or go meanwhile shift nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cursor(pub u64);

impl Cursor {
    /// From the last row of this entry on downwards.
    pub fn at_end_of(index: u64) -> Cursor {
        Cursor(position(index.saturating_add(1), 0).saturating_sub(1))
    }

    /// The entry in which it stands.
    pub fn index(self) -> u64 {
        index_of(self.0)
    }
}

/// The order of a listing: that of the log, not of the agents' clocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// A part of a listing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Page {
    /// In which order.
    pub order: Order,
    /// Where to go on; from the start if none.
    pub from: Option<Cursor>,
    /// How many rows to pass over first.
    pub skip: usize,
    /// How many rows at most.
    pub limit: usize,
}

impl Page {
    /// The newest `limit` rows.
    pub fn newest(limit: usize) -> Page {
        Page { order: Order::NewestFirst, from: None, skip: 0, limit }
    }
}

/// Rows, and where to go on if there are more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listing<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The next page's start; none at the end.
    pub next: Option<Cursor>,
}

/// What a search looks for; what is not given matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this job.
    pub job: Option<JobUid>,
    /// Only jobs of some names.
    pub whose: Option<Whose>,
    /// Only of entries after this one.
    pub after: Option<u64>,
    /// Only these verdicts; all if empty.
    pub verdicts: Vec<Verdict>,
    /// Only this node.
    pub node: Option<String>,
    /// Ended at or after.
    pub from: Option<Time>,
    /// Ended before.
    pub to: Option<Time>,
}

/// Jobs by their names. Entries know jobs by their uids; rows of jobs that are gone are asked for their names.
#[derive(Clone)]
pub struct Whose {
    /// The jobs that live, and whether each is meant.
    pub living: Arc<HashMap<JobUid, bool>>,
    /// Whether a name is meant.
    pub means: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl fmt::Debug for Whose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Whose").field("living", &self.living.len()).finish_non_exhaustive()
    }
}

/// How an execution is named by who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Name<'a> {
    /// By its long id.
    Id(ExecutionId),
    /// As Dkron does: `<started ns>-<node>`.
    Started {
        /// When it started.
        at: Time,
        /// On which node.
        node: &'a str,
    },
}

impl Filter {
    fn admits(&self, entry: &Entry) -> bool {
        entry.kind == Kind::Run
            && self.job.is_none_or(|job| job == entry.job)
            && self.whose.as_ref().is_none_or(|whose| *whose.living.get(&entry.job).unwrap_or(&true))
            && self.from.is_none_or(|from| entry.time >= from.nanos())
            && self.to.is_none_or(|to| entry.time < to.nanos())
            && self.node.as_ref().is_none_or(|node| node_mark(node) == entry.node)
            && (self.verdicts.is_empty() || self.verdicts.iter().any(|one| one.number() == entry.verdict))
    }

    /// What only the row itself says.
    fn admits_row(&self, run: &Finished) -> bool {
        let means = |whose: &Whose| (whose.means)(&run.job_name);
        self.node.as_deref().is_none_or(|node| *run.node == *node) && self.whose.as_ref().is_none_or(means)
    }

    fn admits_segment(&self, segment: &Segment) -> bool {
        segment.trailer().is_none_or(|trailer| {
            self.from.is_none_or(|from| trailer.latest >= from.nanos())
                && self.to.is_none_or(|to| trailer.earliest < to.nanos())
        })
    }
}

impl Store {
    /// Calls `visit` with a chain's living rows, newest first, from a position on, until it says stop.
    pub(super) fn walk(
        &self,
        kind: Kind,
        job: JobUid,
        from: Option<Position>,
        mut visit: impl FnMut(&Segment, &Entry) -> bool,
    ) {
        let Some(head) = self.heads.get(kind, job) else { return };
        let (bounds, view) = (self.bounds(), self.catalogue.view());
        let mut at = from.unwrap_or(head.position);
        while at > head.floor {
            let Some((segment, entry)) = self.step(&view, kind, job, at) else { return };
            if entry.kind != kind || entry.job != job || !bounds.keep(&head, &entry) {
                return;
            }
            if !visit(segment, &entry) {
                return;
            }
            at = entry.link.previous;
        }
    }

    /// Whether a row of the chain stands at this position.
    fn is_in_chain(&self, kind: Kind, job: JobUid, at: Position) -> bool {
        let view = self.catalogue.view();
        let found = locate(&view, at).map(|place| view[place].find(at));
        matches!(found, Some(Ok(Some(entry))) if entry.kind == kind && entry.job == job)
    }

    /// The chain's row at a position, or, where damage took it, the next older one.
    fn step<'a>(
        &self,
        view: &'a View,
        kind: Kind,
        job: JobUid,
        at: Position,
    ) -> Option<(&'a Segment, Entry)> {
        let place = locate(view, at)?;
        let segment = &view[place];
        match segment.find(at) {
            Ok(Some(entry)) => return Some((segment, entry)),
            Ok(None) if segment.trailer().is_none_or(|trailer| trailer.lost_up_to == 0) => return None,
            Ok(None) => {}
            Err(error) => self.suspect(segment.first(), &error),
        }
        let older = view[..=place].iter().rev().take(RELINK_SEGMENTS);
        for segment in older {
            let entries = match segment.entries(0, usize::MAX) {
                Ok(entries) => entries,
                Err(error) => {
                    self.suspect(segment.first(), &error);
                    continue;
                }
            };
            let of_chain =
                |entry: &&Entry| entry.job == job && entry.kind == kind && entry.link.position < at;
            if let Some(entry) = entries.iter().rev().find(of_chain) {
                return Some((segment, *entry));
            }
        }
        None
    }

    /// The row of an entry; none, and said, if it is damaged.
    fn fetch(&self, segment: &Segment, entry: &Entry) -> Option<HistoryRow> {
        segment.row(entry).map_err(|error| self.suspect(segment.first(), &error)).ok()
    }

    /// A page of a chain.
    pub(super) fn list<T>(
        &self,
        kind: Kind,
        job: JobUid,
        page: &Page,
        convert: fn(HistoryRow) -> Option<T>,
    ) -> Listing<T> {
        match page.order {
            Order::NewestFirst => self.list_down(kind, job, page, convert),
            Order::OldestFirst => self.list_up(kind, job, page, convert),
        }
    }

    fn list_down<T>(
        &self,
        kind: Kind,
        job: JobUid,
        page: &Page,
        convert: fn(HistoryRow) -> Option<T>,
    ) -> Listing<T> {
        let mut listing = Listing { rows: Vec::new(), next: None };
        let mut skip = page.skip;
        self.walk(kind, job, page.from.map(|cursor| cursor.0), |segment, entry| {
            if skip > 0 {
                skip -= 1;
            } else if listing.rows.len() == page.limit {
                listing.next = Some(Cursor(entry.link.position));
                return false;
            } else {
                listing.rows.extend(self.fetch(segment, entry).and_then(convert));
            }
            true
        });
        listing
    }

    /// Chains lead down only: going up reads the chain's entries, not its rows, before the page.
    fn list_up<T>(
        &self,
        kind: Kind,
        job: JobUid,
        page: &Page,
        convert: fn(HistoryRow) -> Option<T>,
    ) -> Listing<T> {
        let mut chain = Vec::new();
        let lowest = page.from.map_or(0, |cursor| cursor.0);
        self.walk(kind, job, None, |_, entry| {
            let wanted = entry.link.position >= lowest;
            chain.extend(wanted.then_some(entry.link.position));
            wanted
        });
        let (view, mut rows) = (self.catalogue.view(), Vec::new());
        let mut positions = chain.into_iter().rev().skip(page.skip);
        let next = loop {
            let Some(at) = positions.next() else { break None };
            if rows.len() == page.limit {
                break Some(Cursor(at));
            }
            let found = locate(&view, at).and_then(|place| Some((place, view[place].find(at).ok()??)));
            rows.extend(found.and_then(|(place, entry)| self.fetch(&view[place], &entry)).and_then(convert));
        };
        Listing { rows, next }
    }

    /// One execution of a job.
    pub(super) fn get(&self, job: JobUid, name: Name<'_>) -> Option<Finished> {
        let mut found = None;
        self.walk(Kind::Run, job, None, |segment, entry| {
            let likely = match name {
                Name::Id(id) => entry.id == id,
                Name::Started { at, node } => {
                    entry.started == at.nanos() as u32 && entry.node == node_mark(node)
                }
            };
            if likely && let Some(run) = self.fetch(segment, entry).and_then(finished) {
                let matches = match name {
                    Name::Id(_) => true,
                    Name::Started { at, node } => run.outcome.started_at == at && *run.node == *node,
                };
                found = matches.then_some(run);
            }
            found.is_none()
        });
        found
    }

    /// How many living rows a chain has.
    pub(super) fn count(&self, kind: Kind, job: JobUid) -> usize {
        let mut count = 0;
        self.walk(kind, job, None, |_, _| {
            count += 1;
            true
        });
        count
    }

    /// Executions across jobs, newest first; looks at no more than `scan` rows.
    pub(super) fn search(
        &self,
        filter: &Filter,
        from: Option<Cursor>,
        limit: usize,
        scan: usize,
    ) -> Listing<Finished> {
        let mut search =
            Search { filter, limit, left: scan, listing: Listing { rows: Vec::new(), next: None } };
        if let Some(job) = filter.job {
            // From the cursor's row if it is one of the chain, as a search of this job gave it; else from the head.
            let below = from.map_or(Position::MAX, |cursor| cursor.0);
            let start = Some(below).filter(|at| self.is_in_chain(Kind::Run, job, *at));
            self.walk(Kind::Run, job, start, |segment, entry| {
                entry.link.position > below || search.look(self, segment, entry, true)
            });
            return search.listing;
        }
        let view = self.catalogue.view();
        let below = from.map_or(Position::MAX, |cursor| cursor.0.saturating_add(1));
        for segment in view.iter().rev().filter(|segment| segment.first() < below) {
            if !filter.admits_segment(segment) {
                continue;
            }
            match self.search_segment(&mut search, segment, below) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.suspect(segment.first(), &error),
            }
        }
        search.listing
    }

    fn search_segment(&self, search: &mut Search<'_>, segment: &Segment, below: Position) -> Result<bool> {
        let bounds = self.bounds();
        let mut to = if below == Position::MAX { segment.rows() } else { segment.lower_bound(below)? };
        while to > 0 {
            let from = to.saturating_sub(SEARCH_STRIDE);
            for entry in segment.entries(from, to)?.iter().rev() {
                let lives = search.filter.admits(entry) && self.lives(&bounds, entry);
                if !search.look(self, segment, entry, lives) {
                    return Ok(false);
                }
            }
            to = from;
        }
        Ok(true)
    }

    /// Rows in the order of the log, from the entry after `index`, for a server that lacks them: whole
    /// entries, as many as fit into `bytes` (at least one), and the index up to which the answer is complete.
    pub(super) fn after(&self, index: u64, bytes: usize) -> Result<(Vec<Applied>, u64)> {
        let (view, bounds) = (self.catalogue.view(), self.bounds());
        let published = index_of(self.published.load(Ordering::Acquire));
        let start = position(index + 1, 0);
        let mut found: Vec<Applied> = Vec::new();
        let mut left = bytes;
        for segment in &view[locate(&view, start).unwrap_or(0)..] {
            let mut from = segment.lower_bound(start)?;
            loop {
                let entries = segment.entries(from, from + SEARCH_STRIDE)?;
                if entries.is_empty() {
                    break;
                }
                from += entries.len();
                for entry in entries {
                    let at = index_of(entry.link.position);
                    if found.last().is_none_or(|last| last.index != at) {
                        if left == 0 || at > published {
                            return Ok((found, at.saturating_sub(1)));
                        }
                        found.push(Applied { index: at, rows: Vec::new() });
                    }
                    left = left.saturating_sub(entry.length as usize);
                    if entry.kind == Kind::Erased || self.lives(&bounds, &entry) {
                        let row = self.fetch(segment, &entry);
                        found.last_mut().into_iter().for_each(|last| last.rows.extend(row.clone()));
                    }
                }
            }
        }
        Ok((found, published.max(index)))
    }
}

/// A search under way.
struct Search<'a> {
    filter: &'a Filter,
    limit: usize,
    left: usize,
    listing: Listing<Finished>,
}

impl Search<'_> {
    /// Looks at one row; false ends the search and says where it goes on.
    fn look(&mut self, store: &Store, segment: &Segment, entry: &Entry, lives: bool) -> bool {
        if self.filter.after.is_some_and(|index| index_of(entry.link.position) <= index) {
            return false;
        }
        if self.left == 0 || self.listing.rows.len() == self.limit {
            self.listing.next = Some(Cursor(entry.link.position));
            return false;
        }
        self.left -= 1;
        if lives && self.filter.admits(entry) {
            let run = store.fetch(segment, entry).and_then(finished);
            self.listing.rows.extend(run.filter(|run| self.filter.admits_row(run)));
        }
        true
    }
}

pub(super) fn finished(row: HistoryRow) -> Option<Finished> {
    match row {
        HistoryRow::Finished(run) => Some(run),
        _ => None,
    }
}

pub(super) fn skipped(row: HistoryRow) -> Option<Skipped> {
    match row {
        HistoryRow::Skipped(skip) => Some(skip),
        _ => None,
    }
}
