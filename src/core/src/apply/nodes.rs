//! Nodes come, go and come back: what that means for the executions that they hold.

use super::Step;
use crate::command::{Refusal, Reply};
use crate::ids::{ExecutionRef, NodeSlot};
use crate::job::Concurrency;
use crate::node::{Mark, Registration};
use crate::state::record::NodeRecord;
use crate::time::Time;

impl Step<'_> {
    pub(super) fn register(&mut self, registration: &Registration) -> Result<Reply, Refusal> {
        let namesake = self.state().node_named(&registration.name);
        let known = self.state().node_slot(registration.node);
        if let Some(other) = namesake.filter(|slot| Some(*slot) != known) {
            let living = self.state().node(other).is_some_and(|node| !is_gone(node.mark));
            if living {
                return Err(Refusal::NameTaken(registration.name.clone()));
            }
        }
        let Some(slot) = known else {
            let node =
                NodeRecord { registration: registration.clone(), mark: Mark::Alive, marked_at: self.now };
            return Ok(Reply::Registered(self.ledger.state.insert_node(node)));
        };
        self.come_back(slot, registration);
        Ok(Reply::Registered(slot))
    }

    fn come_back(&mut self, slot: NodeSlot, registration: &Registration) {
        let Some(old) = self.state().node(slot).cloned() else { return };
        let now = self.now;
        if old.registration != *registration || is_gone(old.mark) {
            self.ledger.state.edit_node(slot, |node| {
                node.registration = registration.clone();
                if is_gone(node.mark) {
                    node.mark = Mark::Alive;
                    node.marked_at = now;
                }
            });
        }
        let executions: Vec<ExecutionRef> = self.state().executions_on(slot).collect();
        if old.registration.journal == registration.journal {
            self.set_silent(&executions, None);
        } else {
            let rebooted = old.registration.boot != registration.boot;
            self.forgotten(&executions, rebooted);
        }
    }

    /// The node's journal is new: nobody knows what the old one started. Where two at a time are allowed, or
    /// the machine was rebooted, the execution is over; else it may still run and blocks until it is given up.
    fn forgotten(&mut self, executions: &[ExecutionRef], rebooted: bool) {
        let (over, unknown): (Vec<_>, Vec<_>) =
            executions.iter().copied().partition(|name| rebooted || self.may_overlap(*name));
        for execution in over {
            self.lose(execution);
        }
        self.set_silent(&unknown, Some(self.now));
    }

    fn may_overlap(&self, name: ExecutionRef) -> bool {
        self.state()
            .occurrence(name.occurrence)
            .and_then(|found| self.state().job(found.job))
            .is_none_or(|job| job.rules.policy.concurrency == Concurrency::Allow)
    }

    pub(super) fn mark(&mut self, slot: NodeSlot, mark: Mark) -> Result<Reply, Refusal> {
        let old = self.state().node(slot).map(|node| node.mark).ok_or(Refusal::UnknownNode)?;
        if old != mark {
            let now = self.now;
            self.ledger.state.edit_node(slot, |node| {
                node.mark = mark;
                node.marked_at = now;
            });
        }
        if is_gone(mark) && !is_gone(old) {
            let executions: Vec<ExecutionRef> = self.state().executions_on(slot).collect();
            self.set_silent(&executions, Some(self.now));
        }
        Ok(Reply::Done)
    }

    /// Starts or stops the clock after which an execution of a silent agent is given up.
    fn set_silent(&mut self, executions: &[ExecutionRef], since: Option<Time>) {
        for name in executions {
            let Some(found) = self.state().occurrence(name.occurrence).cloned() else { continue };
            let Some(job) = self.state().job(found.job) else { continue };
            let lost_at = since.map(|since| since + job.rules.policy.lost_after);
            let current = found.executions.get(usize::from(name.ordinal)).and_then(|found| found.lost_at);
            if current.is_some() == lost_at.is_some() {
                continue;
            }
            self.ledger.state.edit_occurrence(name.occurrence, |found| {
                if let Some(execution) = found.executions.get_mut(usize::from(name.ordinal)) {
                    execution.lost_at = lost_at;
                }
            });
        }
    }
}

fn is_gone(mark: Mark) -> bool {
    matches!(mark, Mark::Failed | Mark::Left)
}
