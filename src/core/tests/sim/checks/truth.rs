//! What the processes wrote down themselves: nothing else in the simulation touches it.

use super::Checks;
use dkron_core::ids::ExecutionId;
use dkron_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The processes' own ledger.
#[derive(Default)]
pub(super) struct Truth {
    runs: BTreeMap<ExecutionId, Run>,
    pub(super) live: BTreeSet<ExecutionId>,
}

#[derive(Default)]
struct Run {
    starts: u32,
    code: Option<i32>,
}

impl Truth {
    /// How often it started, whether it lives, and its exit code.
    pub(super) fn of(&self, id: ExecutionId) -> (u32, bool, Option<i32>) {
        let run = self.runs.get(&id);
        (run.map_or(0, |run| run.starts), self.live.contains(&id), run.and_then(|run| run.code))
    }
}

impl Checks {
    /// A process begins: at most once for each execution, and never after its end is in the log.
    pub(crate) fn started(&mut self, id: ExecutionId, now: Time) {
        self.counted.started += 1;
        let run = self.truth.runs.entry(id).or_default();
        run.starts += 1;
        let starts = run.starts;
        self.check(5, starts == 1, || format!("{id} is started {starts} times"));
        let known = self.dispatch.known.contains_key(&id);
        self.check(6, known, || format!("{id} runs, but is not in the log"));
        let ended = self.outcomes.row(id).is_some() && !self.outcomes.is_given_up(id);
        self.check(5, !ended, || format!("{id} is started after its end was committed"));
        self.check_alone(id, now);
        self.truth.live.insert(id);
    }

    /// A process ends.
    pub(crate) fn ended(&mut self, id: ExecutionId, _now: Time, code: Option<i32>) {
        self.truth.live.remove(&id);
        if let Some(run) = self.truth.runs.get_mut(&id) {
            run.code = code;
        }
    }
}
