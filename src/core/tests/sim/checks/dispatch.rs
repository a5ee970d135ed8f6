//! Invariant 6: no command is dispatched that is not committed, and only to whom it was decided for.

use super::{Change, Checks};
use dkron_core::delivery::Launch;
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, JournalId, NodeId, OccurrenceId};
use dkron_core::state::record::{Occurrence, Turn};
use dkron_core::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every execution that the log has ever decided.
#[derive(Default)]
pub(super) struct Dispatch {
    pub(super) known: BTreeMap<ExecutionId, Known>,
}

/// What the log says of an execution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) execution: ExecutionRef,
    pub(super) job: JobUid,
    pub(super) occurrence: OccurrenceId,
    pub(super) nominal: Time,
    node: NodeId,
    journal: JournalId,
    /// The stretch of exclusive policy in which it was assigned.
    pub(super) epoch: Option<u32>,
}

impl Checks {
    /// Notes the executions that an entry assigns.
    pub(super) fn note_executions(&mut self, change: &Change<'_>) {
        self.note_policies(change);
        for (reference, found) in change.after.occurrences() {
            let same = change.before.occurrence(reference).is_some_and(|before| Arc::ptr_eq(before, found));
            if !same {
                self.note_occurrence(change, reference, found);
            }
        }
    }

    fn note_occurrence(
        &mut self,
        change: &Change<'_>,
        reference: dkron_core::ids::OccurrenceRef,
        found: &Occurrence,
    ) {
        let Some(job) = change.after.job(found.job).map(|job| job.uid) else { return };
        if found.turn != Turn::Open {
            return;
        }
        // Also where the entry that placed it lost its node again: it opened under the policy of this entry.
        let epoch = self.overlap.epoch(job, found.id);
        for (name, execution) in found.named_executions(reference).filter(|(_, found)| found.is_live()) {
            let Some(node) = change.after.node(execution.node) else { continue };
            let known = Known {
                execution: name,
                job,
                occurrence: found.id,
                nominal: found.nominal,
                node: node.registration.node,
                journal: node.registration.journal,
                epoch,
            };
            self.dispatch.known.entry(found.execution_id(name.ordinal, name.attempt)).or_insert(known);
        }
    }

    /// An agent hears a launch; its node, if it is for its present journal.
    pub(crate) fn launched(&mut self, launch: &Launch, node: Option<NodeId>) {
        let known = self.dispatch.known.get(&launch.id).copied();
        let fits = known.is_some_and(|known| {
            known.execution == launch.execution
                && known.nominal == launch.nominal
                && node.is_none_or(|node| node == known.node)
        });
        self.check(6, fits, || {
            format!("the launch of {} ({}) is not what the log says: {known:?}", launch.execution, launch.id)
        });
    }

    /// An agent decides to start something, by its clock (invariant 11) and under its journal.
    pub(crate) fn may_start(&mut self, id: ExecutionId, shown: Time, journal: JournalId) {
        let Some(known) = self.dispatch.known.get(&id).copied() else {
            return self.fail(6, format!("{id} is started, but not in the log"));
        };
        self.check(6, known.journal == journal, || {
            format!(
                "{} was decided for journal {}, and is started by {journal}",
                known.execution, known.journal
            )
        });
        self.check(11, known.nominal <= shown, || {
            format!("{} of {} is started at {shown}", known.execution, known.nominal)
        });
    }
}
