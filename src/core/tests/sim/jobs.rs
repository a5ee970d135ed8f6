//! Jobs as clients write them: short schedules, every policy, limits of seconds instead of hours.

use crate::chance::Chance;
use crate::clock;
use dkron_core::job::{Backoff, Catchup, Concurrency, Job};
use dkron_core::schedule::ZoneData;
use dkron_core::time::{Span, Time};
use std::sync::Arc;

/// A definition, typed and encoded.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) job: Arc<Job>,
    pub(crate) definition: Arc<[u8]>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let job = &self.job;
        write!(
            formatter,
            "{} '{}' {} retries {} catchup {} deadline {:?} jitter {} disabled {} parent '{}' tags {:?}",
            job.name,
            job.schedule,
            job.concurrency,
            job.retries,
            job.catchup,
            job.start_deadline,
            job.jitter.millis(),
            job.disabled,
            job.parent_job,
            job.tags
        )
    }
}

fn document(job: Job) -> Document {
    let definition = xxhash_rust::xxh3::xxh3_128(format!("{job:?}").as_bytes()).to_be_bytes();
    Document { job: Arc::new(job), definition: Arc::from(definition) }
}

/// What servers of the version before compute by: there Calcutta is a quarter of an hour ahead.
pub(crate) const OLDER_ZONE_DATA: ZoneData =
    ZoneData::differing("2000a", &[("Asia/Kolkata", "Asia/Kathmandu"), ("Europe/Berlin", "Asia/Kathmandu")]);

/// What the others compute by.
pub(crate) fn newest_zone_data() -> ZoneData {
    ZoneData::bundled()
}

/// The simulation lasts from 22:13:20 to 22:14:35 UTC and then some: the minutes are those of a quarter of an
/// hour and of a half.
const SCHEDULES: [&str; 14] = [
    "@every 1s",
    "@every 2s",
    "@every 3s",
    "@every 5s",
    "@every 7s",
    "@every 10s",
    "*/2 * * * * *",
    "*/5 * * * * *",
    "7,8,40 * * * * *",
    "0 * * * * *",
    "*/3 13,14 * * * *",
    "*/3 43,44 * * * *",
    "*/3 58,59 * * * *",
    "@manually",
];

const CONCURRENCIES: [Concurrency; 4] =
    [Concurrency::Allow, Concurrency::Forbid, Concurrency::Queue, Concurrency::Replace];

const SELECTORS: [&[(&str, &str)]; 6] = [
    &[("dc", "one:1")],
    &[("dc", "one:1")],
    &[("dc", "one:2")],
    &[("dc", "one")],
    &[("zone", "even:1")],
    &[("zone", "odd:1")],
];

/// A job under one of few names.
pub(crate) fn random(chance: &mut Chance, parents: &[String], now: Time) -> Document {
    let mut job = Job {
        name: format!("job-{}", chance.below(9)),
        schedule: (*chance.pick(&SCHEDULES)).to_owned(),
        timezone: (*chance.pick(&["", "UTC", "Asia/Kolkata"])).to_owned(),
        executor: "shell".to_owned(),
        concurrency: *chance.pick(&CONCURRENCIES),
        retries: *chance.pick(&[0, 0, 1, 3]),
        backoff: Backoff { base: Span::from_millis(chance.between(0, 1_500)), max: Span::from_seconds(4) },
        catchup: *chance.pick(&[Catchup::Latest, Catchup::Latest, Catchup::None, Catchup::All]),
        catchup_window: Some(Span::from_seconds(chance.between(2, 15))),
        start_deadline: Some(Span::from_seconds(*chance.pick(&[1, 3, 10, 60]))),
        lost_after: Some(Span::from_seconds(*chance.pick(&[2, 6, 15]))),
        ephemeral: chance.per_mille(60),
        ..Job::default()
    };
    job.tags = tags(chance);
    if chance.per_mille(200) {
        job.jitter = Span::from_millis(chance.between(1, 3_000));
    }
    if chance.per_mille(100) {
        job.starts_at = Some(now + Span::from_millis(chance.between(-5_000, 8_000)));
    }
    if chance.per_mille(100) {
        job.expires_at = Some(now + Span::from_millis(chance.between(9_000, 40_000)));
    }
    if chance.per_mille(200) && !parents.is_empty() {
        let parent = chance.pick(parents).clone();
        if parent != job.name {
            job.parent_job = parent;
        }
    }
    document(job)
}

fn tags(chance: &mut Chance) -> dkron_core::job::Words {
    chance.pick(&SELECTORS).iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect()
}

/// The same job with something changed.
pub(crate) fn edited(chance: &mut Chance, document_before: &Document) -> Document {
    let mut job = Job::clone(&document_before.job);
    match chance.below(16) {
        0 | 1 => job.schedule = (*chance.pick(&SCHEDULES)).to_owned(),
        2 | 3 => job.disabled = !job.disabled,
        4 | 5 => job.concurrency = *chance.pick(&CONCURRENCIES),
        6 => job.tags = tags(chance),
        7 => job.retries = *chance.pick(&[0, 1, 3]),
        8 => job.timezone = (*chance.pick(&["", "UTC", "Asia/Kolkata"])).to_owned(),
        9 => job.jitter = Span::from_millis(chance.between(0, 3_000)),
        10 => job.catchup = *chance.pick(&[Catchup::Latest, Catchup::None, Catchup::All]),
        11 => limits(&mut job, chance),
        12 => job.starts_at = Some(clock::BEGINNING + Span::from_millis(chance.between(0, 60_000))),
        13 => job.ephemeral = !job.ephemeral,
        14 => job.parent_job.clear(),
        _ => job.owner = format!("owner {}", chance.below(1_000)),
    }
    document(job)
}

fn limits(job: &mut Job, chance: &mut Chance) {
    job.catchup_window = Some(Span::from_seconds(chance.between(0, 15)));
    job.start_deadline = Some(Span::from_seconds(*chance.pick(&[1, 3, 10, 60])));
    job.lost_after = Some(Span::from_seconds(*chance.pick(&[2, 6, 15])));
}

/// The same job under another parent.
pub(crate) fn adopted(document_before: &Document, parent: &str) -> Document {
    document(Job { parent_job: parent.to_owned(), ..Job::clone(&document_before.job) })
}

/// The same job with a timing that means the same but is another.
pub(crate) fn retimed(document_before: &Document, step: i64) -> Document {
    let mut job = Job::clone(&document_before.job);
    job.expires_at = Some(crate::clock::BEGINNING + Span::from_seconds(10_000 + step % 2));
    document(job)
}
