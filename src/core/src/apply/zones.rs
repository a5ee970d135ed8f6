//! What becomes of next due times when the zone data or the default zone change.
//!
//! Apply evaluates no schedule. It notes that jobs may be filed by what was before, takes the leader's new next
//! due times job by job while it goes through them, and notes when it is through.

use super::Step;
use crate::command::{Decision, Refusal, Reply, Stretch};
use crate::execution::SkipReason;
use crate::ids::Origin;
use crate::schedule::Zone;
use crate::state::record::Filing;
use crate::time::Time;
use std::sync::Arc;

impl Step<'_> {
    /// A leader says by which zone data it computes, before it computes anything. Older ones are noted too: what
    /// is filed by them is filed anew when a newer leader comes back.
    pub(super) fn adopt_zone_data(&mut self, version: &Arc<str>) -> Reply {
        self.ledger.state.edit_cluster(|cluster| {
            if cluster.filing.by != *version {
                cluster.filing = next_filing(&cluster.filing, version.clone());
            }
            if cluster.founding.zone_data < *version {
                cluster.founding.zone_data = version.clone();
            }
        });
        Reply::Done
    }

    pub(super) fn set_default_zone(&mut self, name: &Arc<str>) -> Result<Reply, Refusal> {
        let zone =
            Zone::lookup(name).map_err(|error| Refusal::Invalid(format!("default_zone: {error}").into()))?;
        if zone == *self.state().default_zone() {
            return Ok(Reply::Done);
        }
        self.ledger.state.edit_cluster(|cluster| {
            cluster.founding.default_zone = name.clone();
            cluster.filing = next_filing(&cluster.filing, cluster.filing.by.clone());
        });
        self.ledger.state.set_default_zone(zone);
        Ok(Reply::Done)
    }

    pub(super) fn zones_filed(&mut self, epoch: u32) -> Reply {
        if self.state().epoch() == epoch {
            self.ledger.state.edit_cluster(|cluster| cluster.filing.pending = false);
        }
        Reply::Done
    }

    /// Gives a job another next due time. Only for a job whose stored one cannot be followed, or that is not due
    /// yet: what is due by the stored one is decided first. Ticks that the new rules have before now become one
    /// skip record, and the cursor stands behind them.
    pub(super) fn refile_job(&mut self, decision: &Decision, passed: Option<Stretch>) -> bool {
        let Some(job) = self.state().job(decision.job) else { return false };
        let next_due = decision.next_due.unwrap_or(Time::NEVER);
        let held = job.held || self.state().held_since().is_some();
        let free = job.needs_replan() || held || job.next_due > self.now;
        let passes = passed.is_none_or(|passed| {
            let within = job.cursor < passed.from && passed.from <= passed.to && passed.to <= self.now;
            within && passed.to < job.next_due
        });
        let cursor = passed.map_or(job.cursor, |passed| passed.to);
        let fits = free && passes && job.revision == decision.revision && next_due > cursor;
        if fits {
            self.advance_job(decision.job, |job| {
                job.cursor = cursor;
                job.next_due = next_due;
            });
            if let Some(passed) = passed {
                let stretch = Stretch { count: passed.count.max(1), ..passed };
                self.skip(decision.job, Origin::Schedule, stretch, SkipReason::Rezoned);
            }
        }
        fits
    }
}

fn next_filing(filing: &Filing, by: Arc<str>) -> Filing {
    Filing { by, epoch: filing.epoch.wrapping_add(1), pending: true }
}
