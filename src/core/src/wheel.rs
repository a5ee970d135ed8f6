//! The due-time index: which jobs are due, without looking at those that are not.
//!
//! A calendar of millisecond buckets. Filing never removes the older entry of a job: an entry counts only
//! while its bucket is the job's present one, so that a million re-filings cost a million pushes. Stale
//! entries are swept when they outnumber the living. Every server files as it applies, so that a new leader
//! has nothing to build.

use crate::ids::JobSlot;
use crate::time::Time;
use std::collections::BTreeMap;

/// Jobs by the millisecond in which they fall due.
#[derive(Debug, Default)]
pub struct Wheel {
    buckets: BTreeMap<i64, Vec<JobSlot>>,
    /// The bucket in which each job is filed now, by slot; `UNFILED` for none.
    filed: Vec<i64>,
    entries: usize,
    living: usize,
}

const UNFILED: i64 = i64::MAX;

impl Wheel {
    /// Files a job under the instant at which it falls due; [`Time::NEVER`] takes it out.
    pub fn file(&mut self, job: JobSlot, due: Time) {
        let index = job.0 as usize;
        if index >= self.filed.len() {
            self.filed.resize(index + 1, UNFILED);
        }
        let bucket = if due == Time::NEVER { UNFILED } else { due.millis_ceil() };
        let before = std::mem::replace(&mut self.filed[index], bucket);
        if before == bucket {
            return;
        }
        self.living += usize::from(bucket != UNFILED);
        self.living -= usize::from(before != UNFILED);
        if bucket != UNFILED {
            self.buckets.entry(bucket).or_default().push(job);
            self.entries += 1;
        }
        if self.entries > 2 * self.living + 4096 {
            self.sweep();
        }
    }

    /// Takes up to `max` jobs that are due at `now`, earliest first. They stay out until filed again.
    pub fn take_due(&mut self, now: Time, max: usize) -> Vec<JobSlot> {
        let now = now.nanos().div_euclid(1_000_000);
        let mut due = Vec::new();
        while due.len() < max {
            let Some(mut first) = self.buckets.first_entry().filter(|entry| *entry.key() <= now) else {
                break;
            };
            let bucket = *first.key();
            let jobs = first.get_mut();
            while due.len() < max {
                let Some(job) = jobs.pop() else { break };
                self.entries -= 1;
                let filed = &mut self.filed[job.0 as usize];
                if *filed == bucket {
                    *filed = UNFILED;
                    self.living -= 1;
                    due.push(job);
                }
            }
            if jobs.is_empty() {
                first.remove();
            }
        }
        due
    }

    /// When the next job falls due, rounded up to a millisecond; perhaps too early by a stale entry.
    pub fn next_due(&self) -> Option<Time> {
        self.buckets.first_key_value().map(|(bucket, _)| Time::from_nanos(bucket.saturating_mul(1_000_000)))
    }

    /// How many jobs are filed.
    pub fn len(&self) -> usize {
        self.living
    }

    /// Whether no job is filed.
    pub fn is_empty(&self) -> bool {
        self.living == 0
    }

    fn sweep(&mut self) {
        self.buckets.clear();
        for (index, bucket) in self.filed.iter().enumerate().filter(|(_, bucket)| **bucket != UNFILED) {
            self.buckets.entry(*bucket).or_default().push(JobSlot(index as u32));
        }
        self.entries = self.living;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_job_is_not_taken_before_its_instant() {
        let mut wheel = Wheel::default();
        wheel.file(JobSlot(1), Time::from_nanos(5_000_001));
        assert_eq!(wheel.take_due(Time::from_nanos(5_000_000), 9), vec![]);
        assert_eq!(wheel.take_due(Time::from_nanos(5_999_999), 9), vec![]);
        assert_eq!(wheel.take_due(Time::from_nanos(6_000_000), 9), vec![JobSlot(1)]);
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_plain_map(steps in prop::collection::vec((0u32..20, 0i64..50, any::<bool>()), 1..400)) {
            let mut wheel = Wheel::default();
            let mut model: BTreeMap<u32, i64> = BTreeMap::new();
            for (job, millis, take) in steps {
                if take {
                    let mut taken: Vec<u32> =
                        wheel.take_due(Time::from_nanos(millis * 1_000_000), 5).into_iter().map(|job| job.0).collect();
                    let due = model.iter().filter(|(_, due)| **due <= millis).count();
                    prop_assert_eq!(taken.len(), due.min(5));
                    taken.sort_unstable();
                    taken.dedup();
                    for job in taken {
                        prop_assert!(model.remove(&job).is_some_and(|due| due <= millis));
                    }
                } else if job == 0 {
                    wheel.file(JobSlot(millis as u32 % 20), Time::NEVER);
                    model.remove(&(millis as u32 % 20));
                } else {
                    wheel.file(JobSlot(job), Time::from_nanos(millis * 1_000_000));
                    model.insert(job, millis);
                }
                prop_assert_eq!(wheel.len(), model.len());
            }
        }
    }
}
