//! What a client's write becomes before it is proposed: the parts that apply may not compute.

use super::due::{self, Reach};
use crate::command::{Counters, Decision, PutJob, Stretch, Version};
use crate::ids::JobUid;
use crate::job::{Job, JobError};
use crate::placement::Pending;
use crate::rules::Rules;
use crate::schedule::{ZoneData, Zones};
use crate::state::State;
use crate::state::record::JobRecord;
use crate::time::{Span, Time};
use std::sync::Arc;

/// A client's wish to store a job.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The definition, validated.
    pub job: Arc<Job>,
    /// The same, encoded.
    pub definition: Arc<[u8]>,
    /// A fresh random uid, used if the name is new.
    pub uid: JobUid,
    /// A safe update: what must be there.
    pub expected: Option<Version>,
    /// Counters that come with a restored job.
    pub counters: Option<Counters>,
}

/// Completes a submission with all that depends on schedules and the present time, as seen in `state`.
pub fn put(state: &State, data: ZoneData, submission: Submission, now: Time) -> Result<PutJob, JobError> {
    let zones = state.zones(data);
    let rules = Rules::of(&submission.job)?;
    let found = state.job_named(&submission.job.name);
    let retimed = found.filter(|(_, old)| old.rules.timing != rules.timing);
    let mut due = Vec::new();
    let mut passed = None;
    if let Some((slot, old)) = retimed {
        if state.held_since().is_none() {
            // A job that is being disabled does not run earlier for it.
            let reach = Reach { data, now, budget: usize::MAX, spread: rules.timing.disabled };
            due = due::decide(state, slot, reach, &mut Pending::default());
        }
        passed = passed_over(zones, old, &due, now);
    }
    let anchor = match found {
        Some((_, old)) if rules.timing.keeps_phase_of(&old.rules.timing) => old.anchor,
        _ => now.floor_second(),
    };
    Ok(PutJob {
        at: now,
        epoch: state.epoch_of(data),
        seen: submission.expected.or(found.map(|(_, old)| old.version())).unwrap_or_default(),
        strict: submission.expected.is_some(),
        next_due: rules.timing.next(now, anchor, zones),
        job: submission.job,
        definition: submission.definition,
        uid: submission.uid,
        due,
        passed,
        counters: submission.counters,
    })
}

/// The ticks of the old timing that neither were decided nor will be by `due`.
fn passed_over(zones: Zones, old: &JobRecord, due: &[Decision], now: Time) -> Option<Stretch> {
    let decided = due.iter().map(|decision| decision.kind.last()).max().unwrap_or(old.cursor);
    let after = decided.max(old.cursor);
    let mut timing = old.rules.timing.clone();
    timing.disabled = false;
    let from = timing.next(after, old.anchor, zones).filter(|from| *from <= now)?;
    let (count, to) = timing.stretch(from - Span::from_nanos(1), now, old.anchor, zones);
    Some(Stretch { from, to: to.unwrap_or(from), count: count.max(1) })
}
