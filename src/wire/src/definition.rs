//! A job's definition as bytes: what the state keeps, the log carries and agents receive.
//!
//! Equal jobs give equal bytes (maps are written sorted, defaults left out), so that "has it changed?" is a
//! comparison of bytes, on every server and across versions.

use crate::error::WireError;
use crate::generated::job::v1 as proto;
use dkron_core::job::{Backoff, Catchup, Concurrency, Job, Words};
use dkron_core::schedule::Dst;
use dkron_core::time::{Span, Time};
use prost::Message;

/// What an absent back-off means. Fixed for ever, whatever the core's default becomes.
const BACKOFF_OMITTED: Backoff = Backoff { base: Span::from_seconds(1), max: Span::from_seconds(300) };

/// The definition's bytes.
pub fn encode(job: &Job) -> Vec<u8> {
    to_proto(job).encode_to_vec()
}

/// The definition in these bytes.
pub fn decode(bytes: &[u8]) -> Result<Job, WireError> {
    from_proto(proto::Job::decode(bytes).map_err(|error| WireError::malformed("job", &error))?)
}

fn to_proto(job: &Job) -> proto::Job {
    let processors = job.processors.iter();
    proto::Job {
        name: job.name.clone(),
        display_name: job.display_name.clone(),
        timezone: job.timezone.clone(),
        schedule: job.schedule.clone(),
        owner: job.owner.clone(),
        owner_email: job.owner_email.clone(),
        disabled: job.disabled,
        tags: pairs(&job.tags),
        metadata: pairs(&job.metadata),
        retries: job.retries,
        parent_job: job.parent_job.clone(),
        processors: processors
            .map(|(name, settings)| proto::Processor { name: name.clone(), settings: pairs(settings) })
            .collect(),
        concurrency: concurrency_number(job.concurrency),
        executor: job.executor.clone(),
        executor_config: pairs(&job.executor_config),
        ephemeral: job.ephemeral,
        starts_at: job.starts_at.map(Time::nanos),
        expires_at: job.expires_at.map(Time::nanos),
        catchup: catchup_number(job.catchup),
        catchup_window: job.catchup_window.map(Span::nanos),
        start_deadline: job.start_deadline.map(Span::nanos),
        jitter: job.jitter.nanos(),
        dst: dst_number(job.dst),
        backoff: (job.backoff != BACKOFF_OMITTED)
            .then(|| proto::Backoff { base: job.backoff.base.nanos(), max: job.backoff.max.nanos() }),
        lost_after: job.lost_after.map(Span::nanos),
    }
}

fn from_proto(job: proto::Job) -> Result<Job, WireError> {
    let processors = job.processors.into_iter();
    Ok(Job {
        name: job.name,
        display_name: job.display_name,
        timezone: job.timezone,
        schedule: job.schedule,
        owner: job.owner,
        owner_email: job.owner_email,
        disabled: job.disabled,
        tags: words(job.tags),
        metadata: words(job.metadata),
        retries: job.retries,
        parent_job: job.parent_job,
        processors: processors.map(|processor| (processor.name, words(processor.settings))).collect(),
        concurrency: concurrency(job.concurrency)?,
        executor: job.executor,
        executor_config: words(job.executor_config),
        ephemeral: job.ephemeral,
        starts_at: job.starts_at.map(Time::from_nanos),
        expires_at: job.expires_at.map(Time::from_nanos),
        catchup: catchup(job.catchup)?,
        catchup_window: job.catchup_window.map(Span::from_nanos),
        start_deadline: job.start_deadline.map(Span::from_nanos),
        jitter: Span::from_nanos(job.jitter),
        dst: dst(job.dst)?,
        backoff: job.backoff.map_or(BACKOFF_OMITTED, |backoff| Backoff {
            base: Span::from_nanos(backoff.base),
            max: Span::from_nanos(backoff.max),
        }),
        lost_after: job.lost_after.map(Span::from_nanos),
    })
}

pub(crate) fn pairs(words: &Words) -> Vec<proto::Pair> {
    words.iter().map(|(key, value)| proto::Pair { key: key.clone(), value: value.clone() }).collect()
}

pub(crate) fn words(pairs: Vec<proto::Pair>) -> Words {
    pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

fn concurrency_number(concurrency: Concurrency) -> u32 {
    match concurrency {
        Concurrency::Allow => 0,
        Concurrency::Forbid => 1,
        Concurrency::Queue => 2,
        Concurrency::Replace => 3,
    }
}

fn concurrency(number: u32) -> Result<Concurrency, WireError> {
    match number {
        0 => Ok(Concurrency::Allow),
        1 => Ok(Concurrency::Forbid),
        2 => Ok(Concurrency::Queue),
        3 => Ok(Concurrency::Replace),
        _ => Err(WireError::UnknownNumber { field: "job.concurrency", number: number.into() }),
    }
}

fn catchup_number(catchup: Catchup) -> u32 {
    match catchup {
        Catchup::Latest => 0,
        Catchup::None => 1,
        Catchup::All => 2,
    }
}

fn catchup(number: u32) -> Result<Catchup, WireError> {
    match number {
        0 => Ok(Catchup::Latest),
        1 => Ok(Catchup::None),
        2 => Ok(Catchup::All),
        _ => Err(WireError::UnknownNumber { field: "job.catchup", number: number.into() }),
    }
}

fn dst_number(dst: Dst) -> u32 {
    match dst {
        Dst::Once => 0,
        Dst::Skip => 1,
        Dst::Both => 2,
        Dst::Dkron => 3,
    }
}

fn dst(number: u32) -> Result<Dst, WireError> {
    match number {
        0 => Ok(Dst::Once),
        1 => Ok(Dst::Skip),
        2 => Ok(Dst::Both),
        3 => Ok(Dst::Dkron),
        _ => Err(WireError::UnknownNumber { field: "job.dst", number: number.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_survives_its_bytes() {
        let words = |pairs: &[(&str, &str)]| -> Words {
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let job = Job {
            name: "report".into(),
            schedule: "@every 1m".into(),
            tags: words(&[("role", "web:2"), ("dc", "a")]),
            processors: [("files".to_owned(), words(&[("forward", "true")]))].into(),
            concurrency: Concurrency::Queue,
            starts_at: Some(Time::EPOCH),
            catchup_window: Some(Span::ZERO),
            backoff: Backoff { base: Span::ZERO, max: Span::ZERO },
            dst: Dst::Both,
            ..Job::default()
        };
        assert_eq!(decode(&encode(&job)), Ok(job));
        assert_eq!(decode(&[]), Ok(Job::default()));
    }

    #[test]
    fn a_choice_of_a_newer_version_is_refused_by_name() {
        let bytes = proto::Job { dst: 9, ..proto::Job::default() }.encode_to_vec();
        assert_eq!(decode(&bytes), Err(WireError::UnknownNumber { field: "job.dst", number: 9 }));
    }
}
