//! From Dkron's JSON to a job.

use super::{SentJob, backoff};
use crate::api::rest::go_time;
use crate::api::rest::read::{self, BODY_BYTES_MAX, Fields, ReadError};
use dkron_core::command::Status;
use dkron_core::duration::parse_duration;
use dkron_core::job::{Catchup, Concurrency, JobError, Words};
use dkron_core::schedule::Dst;
use dkron_core::time::{Span, Time};
use serde_json::Value;
use std::collections::BTreeMap;

/// The job in a body. What it says is not validated yet: that is `Job::validate`'s.
///
/// # Errors
/// [`ReadError`] for the first thing that cannot be understood.
pub fn decode_job(body: &[u8]) -> Result<SentJob, ReadError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(ReadError::TooLarge(body.len()));
    }
    sent_job(read::first_value(body)?)
}

/// The jobs in a backup: the array that `GET /v1/jobs` gives. The router bounds its size.
///
/// # Errors
/// [`ReadError`] for the first thing that cannot be understood, with the job's place in the list.
pub fn decode_jobs(body: &[u8]) -> Result<Vec<SentJob>, ReadError> {
    let list: Vec<Fields> = read::first_value(body)?;
    let jobs = list.into_iter().enumerate();
    jobs.map(|(index, fields)| sent_job(fields).map_err(|error| error.within(&format!("jobs[{index}]"))))
        .collect()
}

fn sent_job(fields: Fields) -> Result<SentJob, ReadError> {
    let mut sent = SentJob::default();
    for (key, value) in fields.0 {
        set(&mut sent, &key.to_ascii_lowercase(), value)?;
    }
    Ok(sent)
}

/// Puts one value where its key says; unknown keys are ignored.
fn set(sent: &mut SentJob, key: &str, value: Value) -> Result<(), ReadError> {
    let (job, counters) = (&mut sent.job, &mut sent.counters);
    match key {
        "id" => read::text(key, value, &mut sent.id),
        "name" => read::text(key, value, &mut job.name),
        "displayname" => read::text(key, value, &mut job.display_name),
        "timezone" => read::text(key, value, &mut job.timezone),
        "schedule" => read::text(key, value, &mut job.schedule),
        "owner" => read::text(key, value, &mut job.owner),
        "owner_email" => read::text(key, value, &mut job.owner_email),
        "success_count" => read::number(key, &value, i64::MAX as u64, &mut counters.success_count),
        "error_count" => read::number(key, &value, i64::MAX as u64, &mut counters.error_count),
        "last_success" => {
            instant(key, &value).map(|time| counters.last_success = time.unwrap_or(Time::EPOCH))
        }
        "last_error" => instant(key, &value).map(|time| counters.last_error = time.unwrap_or(Time::EPOCH)),
        "disabled" => read::boolean(key, &value, &mut job.disabled),
        "tags" => read::words(key, value, &mut job.tags),
        "metadata" => read::words(key, value, &mut job.metadata),
        "retries" => read::number(key, &value, u32::MAX.into(), &mut job.retries),
        "dependent_jobs" => read::list(key, value, &mut sent.dependent_jobs),
        "parent_job" => read::text(key, value, &mut job.parent_job),
        "processors" => processors(key, value, &mut job.processors),
        "executor" => read::text(key, value, &mut job.executor),
        "executor_config" => read::words(key, value, &mut job.executor_config),
        "status" => word(key, value, &mut counters.status, status),
        "next" => instant(key, &value).map(|time| sent.next = time),
        "ephemeral" => read::boolean(key, &value, &mut job.ephemeral),
        "starts_at" => instant(key, &value).map(|time| job.starts_at = time),
        "expires_at" => instant(key, &value).map(|time| job.expires_at = time),
        "concurrency" => word(key, value, &mut job.concurrency, concurrency),
        "catchup" => word(key, value, &mut job.catchup, Catchup::parse),
        "catchup_window" => optional_span("catchup_window", value, &mut job.catchup_window),
        "start_deadline" => optional_span("start_deadline", value, &mut job.start_deadline),
        "jitter" => word(key, value, &mut job.jitter, |text| span("jitter", text)),
        "dst" => word(key, value, &mut job.dst, dst),
        "backoff" => word(key, value, &mut job.backoff, backoff::parse),
        "lost_after" => optional_span("lost_after", value, &mut job.lost_after),
        _ => Ok(()),
    }
}

/// Reads a text that has a reader of its own; `null` leaves the place as it is.
fn word<T>(
    field: &str,
    value: Value,
    place: &mut T,
    parse: impl Fn(&str) -> Result<T, JobError>,
) -> Result<(), ReadError> {
    if value.is_null() {
        return Ok(());
    }
    let mut text = String::new();
    read::text(field, value, &mut text)?;
    *place = parse(&text)?;
    Ok(())
}

/// As Dkron, the empty word is `allow`.
fn concurrency(text: &str) -> Result<Concurrency, JobError> {
    if text.is_empty() { Ok(Concurrency::Allow) } else { Concurrency::parse(text) }
}

fn status(text: &str) -> Result<Status, JobError> {
    let known = Status::ALL.into_iter().find(|status| status.word() == text);
    let allowed = r#""" "success" "failed" "partially_failed""#;
    known.ok_or(JobError::Choice { field: "status", value: text.to_owned(), allowed })
}

fn dst(text: &str) -> Result<Dst, JobError> {
    let allowed = r#""once" "skip" "both" "dkron""#;
    text.parse().map_err(|_| JobError::Choice { field: "dst", value: text.to_owned(), allowed })
}

fn span(field: &'static str, text: &str) -> Result<Span, JobError> {
    parse_duration(text).map_err(|error| JobError::duration(field, &error))
}

fn optional_span(field: &'static str, value: Value, place: &mut Option<Span>) -> Result<(), ReadError> {
    word(field, value, place, |text| span(field, text).map(Some))
}

/// Reads an instant; `null` and the zero time are none.
fn instant(field: &str, value: &Value) -> Result<Option<Time>, ReadError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            go_time::parse(text).map_err(|allowed| ReadError::field(field, value, allowed))
        }
        other => Err(ReadError::field(field, other, "an instant as a text, or null")),
    }
}

fn processors(field: &str, value: Value, place: &mut BTreeMap<String, Words>) -> Result<(), ReadError> {
    match value {
        Value::Null => place.clear(),
        Value::Object(pairs) => {
            for (name, settings) in pairs {
                let mut words = Words::new();
                read::words(&format!("{field}.{name}"), settings, &mut words)?;
                place.insert(name, words);
            }
        }
        other => return Err(ReadError::field(field, &other, "an object of objects with texts")),
    }
    Ok(())
}
