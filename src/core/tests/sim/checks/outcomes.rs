//! Invariant 5: an outcome is accepted once, is what really happened, and is acknowledged only when
//! committed.

use super::{Change, Checks};
use dkron_core::command::{Action, Event};
use dkron_core::execution::{Finished, HistoryRow, Outcome, Verdict};
use dkron_core::ids::{ExecutionId, ExecutionRef};
use dkron_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The history's rows, and what stands in the log.
#[derive(Default)]
pub(super) struct Outcomes {
    rows: BTreeMap<ExecutionId, Outcome>,
    committed: BTreeSet<(ExecutionRef, u32)>,
}

impl Outcomes {
    pub(super) fn row(&self, id: ExecutionId) -> Option<&Outcome> {
        self.rows.get(&id)
    }

    /// Whether the servers said that nobody knows.
    pub(super) fn is_given_up(&self, id: ExecutionId) -> bool {
        self.rows.get(&id).is_some_and(is_given_up)
    }
}

/// The servers' own word for an end that nobody saw, not the agent's.
fn is_given_up(outcome: &Outcome) -> bool {
    outcome.verdict == Verdict::Lost && outcome.error.starts_with("the agent or its journal")
}

impl Checks {
    pub(super) fn check_rows(&mut self, change: &Change<'_>) {
        for command in &change.batch.commands {
            let Action::Report(reports) = &command.action else { continue };
            let ended = reports.iter().filter(|report| matches!(report.event, Event::Finished(_)));
            self.outcomes.committed.extend(ended.map(|report| (report.execution, report.check)));
        }
        for row in change.rows {
            if let HistoryRow::Finished(row) = row {
                self.check_row(change.index, row);
            }
        }
    }

    fn check_row(&mut self, index: u64, row: &Finished) {
        self.counted.ended += 1;
        let old = self.outcomes.rows.insert(row.id, row.outcome.clone());
        self.check(5, old.is_none(), || format!("entry {index} ends {} ({}) again", row.execution, row.id));
        let (starts, live, code) = self.truth.of(row.id);
        let never = row.outcome.started_at == Time::EPOCH;
        let true_to_life = match row.outcome.verdict {
            Verdict::Succeeded | Verdict::Failed => starts == 1 && !live && code == row.outcome.code,
            Verdict::Cancelled => !live && (!never || starts == 0),
            Verdict::NotStarted => starts == 0,
            Verdict::Lost => is_given_up(&row.outcome) || !live,
            Verdict::TimedOut | Verdict::OutOfMemory => false,
        };
        self.check(5, true_to_life, || {
            format!(
                "entry {index} says that {} {}; in truth: {starts} starts, alive: {live}, code {code:?}",
                row.execution, row.outcome.verdict
            )
        });
    }

    /// An agent is told that these outcomes are committed.
    pub(crate) fn acknowledged(&mut self, ids: &[ExecutionId]) {
        for id in ids {
            let Some(known) = self.dispatch.known.get(id).copied() else { continue };
            let committed = self.outcomes.committed.contains(&(known.execution, id.check()));
            self.check(5, committed, || format!("{} is acknowledged, but not in the log", known.execution));
        }
    }
}
