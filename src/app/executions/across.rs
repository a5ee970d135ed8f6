//! Executions of all jobs, the newest first, by pages.
//!
//! Those that are open come first, in the order in which they were decided, then those that ended, in the order in
//! which the log took their ends. A listing by pages shows each execution that was there at its beginning exactly once,
//! whatever is decided or ends between two pages: the first page's entry is kept in the place where the next one goes
//! on, and what ends meanwhile is shown where it would have been as open.

use super::{App, Error, Kind, Run, Runs, Status, blocking};
use crate::app::access::Caller;
use crate::app::jobs::unknown;
use crate::history::{Cursor, Filter, Page, Whose};
use crate::task;
use dkron_core::execution::{Finished, Skipped, Verdict};
use dkron_core::ids::{ExecutionRef, JobUid};
use dkron_core::open;
use dkron_core::schedule::Zone;
use dkron_core::state::State;
use dkron_core::time::Time;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// Rows of the history that one page looks at: some 50 ms. A page may be shorter than asked for and not the last.
const SCANNED_MAX: usize = 5_000_000;
/// Ends since the first page that are looked at while open executions are listed by pages.
const ENDED_SINCE_MAX: usize = 100_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Sought {
    /// Only jobs of this name.
    pub job: Option<String>,
    /// Only jobs whose names begin so.
    pub prefix: Option<String>,
    /// Only these; all if empty.
    pub statuses: BTreeSet<Status>,
    /// Only on this node.
    pub node: Option<String>,
    /// Ended at or after, or open and this is not after now.
    pub from: Option<Time>,
    /// Ended before, or open and this is after now.
    pub to: Option<Time>,
    /// How many at most.
    pub limit: usize,
    /// Where to go on; from the newest if none.
    pub place: Option<Place>,
    /// Who asks: only what it may see.
    pub caller: Caller,
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// At the open ones that were decided before `before`, as of the entry `since`.
    Open {
        /// The first page's entry.
        since: u64,
        /// The last one shown.
        before: ExecutionRef,
    },
    /// At this position of the history, which is the same on every server.
    Ended(u64),
}

/// A page.
#[derive(Debug)]
pub struct Found {
    /// The executions.
    pub runs: Vec<Run>,
    /// Where the next page begins, if there may be more.
    pub next: Option<Place>,
    /// Rows of the entries up to this one may be lost, and the page reaches down to them.
    pub lost_up_to: Option<u64>,
}

impl Sought {
    fn means(&self, job: &str) -> bool {
        self.job.as_deref().is_none_or(|name| name == job)
            && self.prefix.as_deref().is_none_or(|prefix| job.starts_with(prefix))
            && self.caller.means(job)
    }

    fn wants(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }

    fn wants_ended(&self) -> bool {
        self.statuses.is_empty() || self.statuses.iter().any(|status| matches!(status, Status::Ended(_)))
    }

    fn wants_open(&self, now: Time) -> bool {
        let open = self.statuses.iter().any(|status| !matches!(status, Status::Ended(_)));
        let in_time = self.from.is_none_or(|from| from <= now) && self.to.is_none_or(|to| to > now);
        (self.statuses.is_empty() || open) && in_time
    }

    /// The same question to the history.
    fn filter(&self, state: &State) -> Filter {
        let verdict = |status: &Status| match status {
            Status::Ended(verdict) => Some(*verdict),
            _ => None,
        };
        let verdicts: Vec<Verdict> = self.statuses.iter().filter_map(verdict).collect();
        let one = self.job.as_deref().filter(|name| self.means(name)).and_then(|name| state.job_named(name));
        let by_name = self.job.is_some() || self.prefix.is_some() || self.caller.is_limited();
        Filter {
            job: one.map(|(_, job)| job.uid),
            whose: (by_name && one.is_none()).then(|| self.whose(state)),
            after: None,
            verdicts,
            node: self.node.clone(),
            from: self.from,
            to: self.to,
        }
    }

    /// Which jobs that live are meant. Looks at all of them: some 200 ms for a million.
    fn whose(&self, state: &State) -> Whose {
        let all = state.jobs_between(Bound::Unbounded, Bound::Unbounded);
        let living: HashMap<JobUid, bool> = all.map(|(_, job)| (job.uid, self.means(&job.name))).collect();
        let sought = self.clone();
        Whose { living: Arc::new(living), means: Arc::new(move |name: &str| sought.means(name)) }
    }
}

impl App {
    /// A page of the executions of all jobs, the newest first.
    pub async fn executions_across(&self, sought: Sought) -> Result<Found, Error> {
        let view = self.view().await?;
        self.history_up_to(view.state.applied()).await;
        let (app, now) = (self.clone(), self.now());
        let searching = task::blocking("search executions", move || app.search(&view.state, &sought, now));
        searching.await.map_err(|_| Error::new(Kind::Internal, "searching the executions broke off"))?
    }

    fn search(&self, state: &State, sought: &Sought, now: Time) -> Result<Found, Error> {
        let filter = sought.filter(state);
        let (since, before) = match sought.place {
            Some(Place::Ended(at)) => {
                return Ok(self.search_ended(sought, &filter, Cursor(at), Vec::new()));
            }
            Some(Place::Open { since, before }) => (since, Some(before)),
            None => (state.applied(), None),
        };
        let end = Cursor::at_end_of(since);
        if !sought.wants_open(now) {
            return Ok(self.search_ended(sought, &filter, end, Vec::new()));
        }
        let earlier = |name: ExecutionRef| before.is_none_or(|before| name < before);
        let mut runs: Vec<Run> = open::all(state)
            .filter(|open| earlier(open.name))
            .filter_map(|open| self.open_run(state, &open))
            .filter(|run| sought.wants(run.status) && sought.means(&run.job_name))
            .filter(|run| sought.node.as_deref().is_none_or(|node| *run.node == *node))
            .collect();
        if before.is_some() && sought.wants_ended() {
            let rows = self.ended_since(&filter, since)?.into_iter();
            runs.extend(rows.filter(|row| earlier(row.execution)).map(Run::from));
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.name));
        if runs.len() > sought.limit {
            runs.truncate(sought.limit);
            let next = runs.last().map(|last| Place::Open { since, before: last.name });
            return Ok(Found { runs, next, lost_up_to: None });
        }
        match sought.wants_ended() {
            true => Ok(self.search_ended(sought, &filter, end, runs)),
            false => Ok(Found { runs, next: None, lost_up_to: None }),
        }
    }

    /// Fills a page with what ended, from a row of the history downwards.
    fn search_ended(&self, sought: &Sought, filter: &Filter, from: Cursor, mut runs: Vec<Run>) -> Found {
        let room = sought.limit - runs.len();
        let listing = self.history.search(filter, Some(from), room, SCANNED_MAX);
        runs.extend(listing.rows.into_iter().map(Run::from));
        let reaches = |lost: &u64| listing.next.is_none_or(|next| next.index() <= *lost);
        let lost_up_to = self.lost().filter(reaches);
        Found { runs, next: listing.next.map(|next| Place::Ended(next.0)), lost_up_to }
    }

    /// What ended after an entry.
    fn ended_since(&self, filter: &Filter, since: u64) -> Result<Vec<Finished>, Error> {
        let filter = Filter { after: Some(since), ..filter.clone() };
        let listing = self.history.search(&filter, None, ENDED_SINCE_MAX, SCANNED_MAX);
        match listing.next {
            None => Ok(listing.rows),
            Some(_) => {
                let message = "cursor: too much has ended since the first page; begin again without it";
                Err(Error::new(Kind::Invalid, message))
            }
        }
    }

    /// A page of one job's executions, the newest first, with their outputs.
    pub async fn executions_page(
        &self,
        job: &str,
        limit: usize,
        place: Option<Place>,
    ) -> Result<Runs, Error> {
        let zone = {
            let view = self.view().await?;
            let (_, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
            record.rules.timing.zone.unwrap_or(Zone::utc())
        };
        let started = [Status::Running].into_iter();
        let ended = Verdict::ALL.into_iter().map(Status::Ended);
        let sought = Sought {
            job: Some(job.to_owned()),
            prefix: None,
            statuses: started.chain(ended).collect(),
            node: None,
            from: None,
            to: None,
            limit,
            place,
            caller: Caller::Anybody,
        };
        let found = self.executions_across(sought).await?;
        let runs = self.whole(found.runs).await?;
        Ok(Runs { runs, zone, next: found.next, lost_up_to: found.lost_up_to })
    }

    /// What the history has of one job: its newest executions and skip records.
    pub(in crate::app) async fn history_of(
        &self,
        job: JobUid,
        limit: usize,
    ) -> Result<(Vec<Finished>, Vec<Skipped>), Error> {
        let history = self.history.clone();
        let page = Page::newest(limit);
        blocking(move || (history.list(job, &page).rows, history.skips(job, &page).rows)).await
    }
}
