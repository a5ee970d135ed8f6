//! Lists of jobs: filtered, sorted, by places or from one page to the next.
//!
//! All jobs by name, which is what a client asks for who says nothing, cost the page, wherever it lies. Anything else
//! looks at all jobs, but makes none of them into a value that is not on the page: what filters and sorts look at is in
//! the records, or read off the definitions' bytes.

use super::{Shown, show};
use crate::app::access::Caller;
use crate::app::{App, Error, Kind};
use crate::task;
use dkron_core::ids::JobSlot;
use dkron_core::state::State;
use dkron_core::state::record::JobRecord;
use dkron_core::time::Time;
use dkron_wire::glance::Glance;
use std::ops::{Bound, Range};
use std::sync::Arc;

/// Texts are compared by so many bytes: the rest makes no difference, here or in the place of a page.
const KEY_BYTES_MAX: usize = 255;

/// Which jobs a list shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Part of the name or display name.
    pub text: Option<String>,
    /// The beginning of the name.
    pub prefix: Option<String>,
    /// Exact metadata pairs, all of which must be there.
    pub metadata: Vec<(String, String)>,
    /// Dkron's status word; `untriggered` for the empty one.
    pub status: Option<String>,
    /// Enabled or disabled ones only.
    pub disabled: Option<bool>,
}

/// By what a list is sorted, then by name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sort {
    /// By name alone.
    #[default]
    Name,
    /// By the name for people, in any case.
    DisplayName,
    /// By the expression, in any case.
    Schedule,
    /// By how many executions succeeded.
    SuccessCount,
    /// By how many failed.
    ErrorCount,
    /// By the last good end.
    LastSuccess,
    /// By the last bad end.
    LastError,
    /// By the next tick; none comes first.
    Next,
}

/// What a job is sorted by.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// A number, or an instant in nanoseconds; 0 where the name alone counts.
    Number(i64),
    /// A text in lower case.
    Text(Vec<u8>),
}

/// The last job of a page.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// What it is sorted by.
    pub key: Key,
    /// Its name.
    pub name: String,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub enum Part {
    /// From one place up to but without another, as Dkron.
    Places(Range<usize>),
    /// So many after the last job of the page before, or from the beginning.
    After(Option<Place>, usize),
}

/// A list to be made.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which jobs.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// The other way round.
    pub descending: bool,
    /// Which of them.
    pub part: Part,
    /// Who asks: only what it may see.
    pub caller: Caller,
}

/// A part of a list.
#[derive(Debug)]
pub struct Listed {
    /// How many jobs the whole list has.
    pub total: usize,
    /// The part.
    pub jobs: Vec<Shown>,
    /// The last job of the part, if more come after it.
    pub next: Option<Place>,
}

impl App {
    /// A part of a list of jobs.
    pub async fn jobs(&self, wanted: Wanted) -> Result<Listed, Error> {
        let view = self.view().await?;
        let listing = task::blocking("list jobs", move || list(&view.state, &wanted));
        listing.await.map_err(|_| Error::new(Kind::Internal, "listing the jobs broke off"))?
    }
}

/// A job that matches, and what it is sorted by.
type Match<'a> = (Key, &'a str, JobSlot);

/// A part of a list of the jobs in a state.
///
/// # Errors
/// [`Kind::Internal`] for a definition that cannot be read.
pub fn list(state: &State, wanted: &Wanted) -> Result<Listed, Error> {
    let everything = wanted.filter == Filter::default() && !wanted.caller.is_limited();
    if everything && wanted.sort == Sort::Name {
        return page_of_all(state, wanted);
    }
    let mut matches: Vec<Match<'_>> = Vec::new();
    for (slot, record) in candidates(state, wanted) {
        if let Some(key) = wanted.key_of(record)? {
            matches.push((key, &record.name, slot));
        }
    }
    if wanted.sort != Sort::Name {
        matches.sort_unstable();
    }
    if wanted.descending {
        matches.reverse();
    }
    let part = match &wanted.part {
        Part::Places(places) => places.start.min(matches.len())..places.end.min(matches.len()),
        Part::After(place, limit) => {
            let is_before = |(key, name, _): &Match<'_>| {
                place.as_ref().is_some_and(|place| {
                    let order = (key, *name).cmp(&(&place.key, place.name.as_str()));
                    order.is_eq() || order.is_gt() == wanted.descending
                })
            };
            let start = matches.partition_point(is_before);
            start..start.saturating_add(*limit).min(matches.len())
        }
    };
    let more = part.end < matches.len();
    let page = &matches[part];
    let last = page.last().filter(|_| more);
    let next = last.map(|(key, name, _)| Place { key: key.clone(), name: (*name).to_owned() });
    let jobs = page.iter().map(|(_, _, slot)| shown(state, *slot)).collect::<Result<_, _>>()?;
    Ok(Listed { total: matches.len(), jobs, next })
}

/// The jobs among which those are that match.
fn candidates<'a>(
    state: &'a State,
    wanted: &'a Wanted,
) -> impl Iterator<Item = (JobSlot, &'a Arc<JobRecord>)> {
    let prefix = wanted.filter.prefix.as_deref().unwrap_or_default();
    let from = state.jobs_between(Bound::Included(prefix), Bound::Unbounded);
    from.take_while(move |(_, record)| record.name.starts_with(prefix))
}

fn shown(state: &State, slot: JobSlot) -> Result<Shown, Error> {
    let record = state.job(slot).ok_or_else(|| Error::new(Kind::Internal, "a listed job is not there"))?;
    show(state, slot, record)
}

/// A part of all jobs by name: no other job is looked at.
fn page_of_all(state: &State, wanted: &Wanted) -> Result<Listed, Error> {
    let total = state.job_count();
    // The first name of the part, in the order asked for, and whether it belongs to the part.
    let (from, limit) = match &wanted.part {
        Part::Places(places) => {
            let place = match wanted.descending {
                true => total.checked_sub(places.start.saturating_add(1)),
                false => Some(places.start),
            };
            let Some(name) = place.and_then(|place| state.name_at(place)) else {
                return Ok(Listed { total, jobs: Vec::new(), next: None });
            };
            (Bound::Included(&**name), places.len())
        }
        Part::After(Some(place), limit) => (Bound::Excluded(place.name.as_str()), *limit),
        Part::After(None, limit) => (Bound::Unbounded, *limit),
    };
    let all = match wanted.descending {
        true => state.jobs_between(Bound::Unbounded, from),
        false => state.jobs_between(from, Bound::Unbounded),
    };
    let mut page: Vec<JobSlot> = match wanted.descending {
        true => all.rev().take(limit.saturating_add(1)).map(|(slot, _)| slot).collect(),
        false => all.take(limit.saturating_add(1)).map(|(slot, _)| slot).collect(),
    };
    let more = page.len() > limit;
    page.truncate(limit);
    let jobs: Vec<Shown> = page.into_iter().map(|slot| shown(state, slot)).collect::<Result<_, _>>()?;
    let last = jobs.last().filter(|_| more);
    let next = last.map(|last| Place { key: Key::Number(0), name: last.job.name.clone() });
    Ok(Listed { total, jobs, next })
}

impl Wanted {
    /// What a job is sorted by; none if it does not match.
    fn key_of(&self, record: &JobRecord) -> Result<Option<Key>, Error> {
        let filter = &self.filter;
        let status = |word: &String| match word.as_str() {
            "untriggered" => record.counters.status.word().is_empty(),
            word => record.counters.status.word() == word,
        };
        let matches = self.caller.means(&record.name)
            && filter.status.as_ref().is_none_or(status)
            && filter.disabled.is_none_or(|disabled| record.rules.timing.disabled == disabled);
        if !matches {
            return Ok(None);
        }
        let by_text = matches!(self.sort, Sort::DisplayName | Sort::Schedule);
        let named = filter.text.as_ref().is_none_or(|text| record.name.contains(text.as_str()));
        let glance = match by_text || !named || !filter.metadata.is_empty() {
            true => glance(record)?,
            false => Glance::default(),
        };
        let text = |text: &String| named || glance.display_name.contains(text.as_str());
        let matches = filter.text.as_ref().is_none_or(text)
            && filter.metadata.iter().all(|(key, value)| glance.has(key, value));
        Ok(matches.then(|| self.sort.key(record, &glance)))
    }
}

fn glance(record: &JobRecord) -> Result<Glance<'_>, Error> {
    Glance::at(&record.definition)
        .map_err(|error| Error::new(Kind::Internal, format!("job '{}': {error}", record.name)))
}

impl Sort {
    fn key(self, record: &JobRecord, glance: &Glance<'_>) -> Key {
        let text = |text: &str| {
            let mut bytes = text.to_lowercase().into_bytes();
            bytes.truncate(KEY_BYTES_MAX);
            Key::Text(bytes)
        };
        let count = |count: u64| Key::Number(i64::try_from(count).unwrap_or(i64::MAX));
        match self {
            Sort::Name => Key::Number(0),
            Sort::DisplayName => text(glance.display_name),
            Sort::Schedule => text(glance.schedule),
            Sort::SuccessCount => count(record.counters.success_count),
            Sort::ErrorCount => count(record.counters.error_count),
            Sort::LastSuccess => Key::Number(record.counters.last_success.nanos()),
            Sort::LastError => Key::Number(record.counters.last_error.nanos()),
            Sort::Next if record.next_due == Time::NEVER => Key::Number(0),
            Sort::Next => Key::Number(record.next_due.nanos()),
        }
    }
}
