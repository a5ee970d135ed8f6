//! What a change of the default zone would do, for those who want to know before they ask for it.

use crate::schedule::{Zone, ZoneData, Zones};
use crate::state::State;
use crate::state::record::JobRecord;
use crate::time::Time;
use std::sync::Arc;

/// What another default zone would change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Preview {
    /// Jobs whose schedule follows the default zone.
    pub jobs: usize,
    /// Those of them whose next tick would be at another time.
    pub changed: usize,
    /// The first of these by name, as many as were asked for.
    pub moved: Vec<Moved>,
}

/// A job's next tick, now and under another zone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moved {
    /// The job's name.
    pub job: Arc<str>,
    /// Under the present zone.
    pub before: Option<Time>,
    /// Under the other one.
    pub after: Option<Time>,
}

/// What would change if `zone` were the default zone from `now` on. Looks at all jobs: for a reader's view, not for
/// apply. Ticks that are due by now are decided by the present zone in any case.
pub fn default_zone(state: &State, data: ZoneData, zone: Zone, now: Time, most: usize) -> Preview {
    let (present, other) = (state.zones(data), Zones::new(zone, data));
    let mut preview = Preview::default();
    for (_, job) in state.jobs_by_name(None).filter(|(_, job)| follows_default(job)) {
        let next = |zones: Zones| job.rules.timing.next(job.cursor.max(now), job.anchor, zones);
        let (before, after) = (next(present), next(other));
        preview.jobs += 1;
        if before != after {
            preview.changed += 1;
            if preview.moved.len() < most {
                preview.moved.push(Moved { job: job.name.clone(), before, after });
            }
        }
    }
    preview
}

fn follows_default(job: &JobRecord) -> bool {
    let timing = &job.rules.timing;
    let follows = timing.schedule.as_ref().is_some_and(|schedule| schedule.follows_zone());
    follows && timing.zone.is_none() && !timing.disabled
}
