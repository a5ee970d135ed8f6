//! What of a definition the deciding code looks at, parsed once and shared by equal jobs.
//!
//! A fleet of a million jobs is made from a few templates; equal rules are one allocation.

use crate::job::{Backoff, Catchup, Concurrency, Job, JobError};
use crate::limits;
use crate::schedule::{self, Dst, Schedule, Zone, Zones};
use crate::time::{Span, Time};

/// The typed part of a definition, complete for deciding.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rules {
    /// When it is due.
    pub timing: Timing,
    /// What happens when it is.
    pub policy: Policy,
    /// Where it runs.
    pub selector: Selector,
}

/// Everything that a job's due times depend on. An edit that leaves it equal moves no cursor.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Timing {
    /// None for a job that only its parent or a person starts.
    pub schedule: Option<Schedule>,
    /// None for the cluster's default zone.
    pub zone: Option<Zone>,
    /// What a change of the clocks does.
    pub dst: Dst,
    /// No tick before.
    pub starts_at: Option<Time>,
    /// No tick after.
    pub expires_at: Option<Time>,
    /// Ticks are spread over this span.
    pub jitter: Span,
    /// Whether its ticks are passed over.
    pub disabled: bool,
}

/// What happens when a tick is due, late, overlapping or failed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Policy {
    /// Overlap.
    pub concurrency: Concurrency,
    /// Further attempts.
    pub retries: u16,
    /// The wait before each.
    pub backoff: Backoff,
    /// Missed ticks.
    pub catchup: Catchup,
    /// How far back `catchup` looks.
    pub catchup_window: Span,
    /// How late an attempt may start.
    pub start_deadline: Span,
    /// When a silent execution is given up.
    pub lost_after: Span,
    /// Deleted after its first success.
    pub ephemeral: bool,
    /// Whether something is done with its output: known here so that nobody reads the definition of a job
    /// without processors for it.
    pub processed: bool,
}

/// Which nodes a job runs on (Dkron's tags, `reference: Dkron tags.go`): all pairs must match.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Selector {
    /// Tag and wanted value, sorted.
    pub tags: Vec<(String, String)>,
    /// How many of the matching nodes; none for all.
    pub count: Option<u32>,
}

impl Rules {
    /// The rules of a definition; fails as [`Job::validate`] does on an unreadable schedule or zone.
    pub fn of(job: &Job) -> Result<Rules, JobError> {
        let parsed = match job.schedule.as_str() {
            "" => None,
            text => Some(schedule::parse(text, &job.name)?),
        };
        let (schedule, own_zone) = parsed.map_or((None, None), |p| (Some(p.schedule), p.zone));
        let zone = match (own_zone, job.timezone.as_str()) {
            (Some(zone), _) => Some(zone),
            (None, "" | "Local") => None,
            (None, name) => Some(Zone::lookup(name)?),
        };
        // A job with a parent is started by its parent; its schedule is kept, not followed (as Dkron).
        let schedule = schedule.filter(|_| job.parent_job.is_empty());
        Ok(Rules {
            timing: Timing {
                schedule,
                zone,
                dst: job.dst,
                starts_at: job.starts_at,
                expires_at: job.expires_at,
                jitter: job.jitter,
                disabled: job.disabled,
            },
            policy: Policy::of(job),
            selector: Selector::parse(&job.tags),
        })
    }
}

impl Policy {
    fn of(job: &Job) -> Policy {
        let start_deadline = job.start_deadline.unwrap_or(limits::START_DEADLINE);
        Policy {
            concurrency: job.concurrency,
            retries: job.retries.min(limits::RETRIES_MAX) as u16,
            backoff: job.backoff,
            catchup: job.catchup,
            catchup_window: job.catchup_window.unwrap_or(limits::CATCHUP_WINDOW),
            start_deadline,
            // Not while it may still start: it would be given up here and begin there.
            lost_after: job.lost_after.unwrap_or(limits::LOST_AFTER).max(start_deadline),
            ephemeral: job.ephemeral,
            processed: !job.processors.is_empty(),
        }
    }
}

impl Selector {
    /// Reads Dkron's tag values: `value`, or `value:count` with exactly one colon. A count that is no
    /// number is 0; of several counts the smallest holds; further colons void the count.
    pub fn parse(tags: &crate::job::Words) -> Selector {
        let mut selector = Selector::default();
        for (tag, text) in tags {
            let parts: Vec<&str> = text.split(':').collect();
            selector.tags.push((tag.clone(), parts[0].to_owned()));
            if let [_, count] = parts[..] {
                let count = count.parse::<i64>().unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
                selector.count = Some(selector.count.map_or(count, |least| least.min(count)));
            }
        }
        selector
    }

    /// Whether a node with these tags is one of those that match.
    pub fn matches(&self, tags: &crate::job::Words) -> bool {
        self.tags.iter().all(|(tag, value)| tags.get(tag) == Some(value))
    }
}

/// An expression as people ask about it, outside of any job.
#[derive(Clone, Copy, Debug)]
pub struct Expression<'a> {
    /// The expression.
    pub text: &'a str,
    /// Its zone, an IANA name.
    pub zone: &'a str,
    /// What a change of the clocks does.
    pub dst: Dst,
    /// The job's name, which `~` stands for.
    pub job: &'a str,
}

impl Timing {
    /// The timing that a job with this expression would have.
    ///
    /// # Errors
    /// As [`Job::validate`].
    pub fn of_expression(expression: Expression<'_>) -> Result<Timing, JobError> {
        let job = Job {
            name: expression.job.to_owned(),
            schedule: expression.text.to_owned(),
            timezone: expression.zone.to_owned(),
            dst: expression.dst,
            ..Job::default()
        };
        job.validate()?;
        Ok(Rules::of(&job)?.timing)
    }

    /// All times after an instant, which also is the anchor of `@every`; in UTC if no zone is named.
    pub fn times(&self, from: Time) -> impl Iterator<Item = Time> + '_ {
        let zone = self.zone.unwrap_or(Zone::utc());
        let next = move |after: &Time| self.next(*after, from, &zone);
        std::iter::successors(next(&from), next)
    }

    /// The first tick after `after`, within `starts_at` and `expires_at`; none for a disabled job.
    pub fn next(&self, after: Time, anchor: Time, zones: impl Into<Zones>) -> Option<Time> {
        if self.disabled {
            return None;
        }
        self.next_ignoring_disabled(after, anchor, zones)
    }

    /// As [`Timing::next`], also for a disabled job: what it passes over.
    pub fn next_ignoring_disabled(&self, after: Time, anchor: Time, zones: impl Into<Zones>) -> Option<Time> {
        let schedule = self.schedule.as_ref()?;
        let floor = self.starts_at.map_or(after, |starts_at| after.max(starts_at - Span::from_nanos(1)));
        let next = self.clock(schedule, anchor, zones.into()).next(floor)?;
        self.expires_at.is_none_or(|expires_at| next <= expires_at).then_some(next)
    }

    /// Whether an interval under this timing goes on in the phase that it had under `before`: a new zone, jitter
    /// or end is no new beginning, so that edits of them, at whatever rate, never put off the next tick.
    pub fn keeps_phase_of(&self, before: &Timing) -> bool {
        self.schedule == before.schedule && !before.disabled && !self.disabled
    }

    /// The phase of a schedule whose first tick is `first`, or that begins at `at`. An interval's phase is read
    /// off its first tick: the proposer computed that some time before the entry got its stamp.
    pub fn anchor_of(&self, first: Option<Time>, at: Time) -> Time {
        let of_first =
            self.schedule.as_ref().zip(first).and_then(|(schedule, first)| schedule.anchor_before(first));
        of_first.unwrap_or(at.floor_second())
    }

    /// How many ticks lie in `(after, until]`, and the last of them.
    pub fn stretch(
        &self,
        after: Time,
        until: Time,
        anchor: Time,
        zones: impl Into<Zones>,
    ) -> (u64, Option<Time>) {
        let Some(schedule) = &self.schedule else { return (0, None) };
        let clock = self.clock(schedule, anchor, zones.into());
        let after = self.starts_at.map_or(after, |starts_at| after.max(starts_at - Span::from_nanos(1)));
        let until = self.expires_at.map_or(until, |expires_at| until.min(expires_at));
        if until <= after {
            return (0, None);
        }
        (clock.count(after, until), clock.latest(after, until))
    }

    /// The schedule with all that its answers depend on.
    fn clock<'a>(&self, schedule: &'a Schedule, anchor: Time, zones: Zones) -> schedule::Timing<'a> {
        schedule::Timing { schedule, zone: zones.of(self.zone), dst: self.dst, anchor }
    }
}

/// The delay of a tick within its job's jitter, in whole milliseconds: a hash of uid and nominal time, so
/// that every server and every repetition finds the same one.
pub fn jitter_of(uid: crate::ids::JobUid, nominal: Time, jitter: Span) -> Span {
    let millis = jitter.millis();
    if millis <= 0 {
        return Span::ZERO;
    }
    let mut names = [0u8; 24];
    names[..16].copy_from_slice(&uid.0.to_be_bytes());
    names[16..].copy_from_slice(&nominal.nanos().to_be_bytes());
    Span::from_millis((xxhash_rust::xxh3::xxh3_64(&names) % millis as u64) as i64)
}
