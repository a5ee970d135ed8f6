//! A job as Dkron's clients see it, both ways.
//!
//! Dkron's keys come in Dkron's order, all of them always. Ours follow, each only where it says something
//! else than the default, so that a client of Dkron sees what Dkron would show:
//!
//! | key | values | default |
//! |---|---|---|
//! | `catchup` | `latest`, `none`, `all` | `latest` |
//! | `catchup_window` | duration | `1h0m0s` |
//! | `start_deadline` | duration | `1m0s` |
//! | `jitter` | duration | `0s` |
//! | `dst` | `once`, `skip`, `both`, `dkron` | `once` |
//! | `backoff` | duration, or two: `1s..5m` doubles from the first to the second | `1s..5m0s` |
//! | `lost_after` | duration | `24h0m0s` |
//!
//! Durations are Go's: `90s`, `1h30m`.

mod backoff;
mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use decode::{decode_job, decode_jobs};
pub use encode::{encode_job, encode_jobs};

use dkron_core::command::Counters;
use dkron_core::job::Job;
use dkron_core::time::Time;

/// A job to show.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    /// The definition.
    pub job: &'a Job,
    /// The key `id`: the name, or what the client sent in the reply to a POST.
    pub id: &'a str,
    /// Its counters.
    pub counters: Counters,
    /// The jobs that its success starts.
    pub dependent_jobs: &'a [String],
    /// When it is due next; none for the zero time.
    pub next: Option<Time>,
    /// Whether this repeats what a client sent: then no processors are `null` instead of `{}`.
    pub echo: bool,
}

/// A job as a client sent it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SentJob {
    /// The definition, not validated yet.
    pub job: Job,
    /// The key `id`, which means nothing.
    pub id: String,
    /// The counters of a backup; for a job that exists already Dkron keeps the larger ones.
    pub counters: Counters,
    /// What was sent as `dependent_jobs`; the truth is in the children's `parent_job`.
    pub dependent_jobs: Vec<String>,
    /// What was sent as `next`; the truth is in the schedule.
    pub next: Option<Time>,
}

impl SentJob {
    /// The reply to a POST: the request as it was understood.
    pub fn echo(&self) -> JobView<'_> {
        JobView {
            job: &self.job,
            id: &self.id,
            counters: self.counters,
            dependent_jobs: &self.dependent_jobs,
            next: self.next,
            echo: true,
        }
    }
}
