//! Nodes come, go and come back: what that means for the executions that they hold.

use super::Step;
use crate::command::{Errand, Refusal, Reply};
use crate::ids::{ExecutionRef, NodeSlot};
use crate::job::Concurrency;
use crate::node::{Liveness, Registration, Work};
use crate::state::record::NodeRecord;
use crate::time::Time;
use crate::voters::Wished;

impl Step<'_> {
    pub(super) fn register(&mut self, registration: &Registration) -> Result<Reply, Refusal> {
        let namesake = self.state().node_named(&registration.name);
        let known = self.state().node_slot(registration.node);
        if let Some(other) = namesake.filter(|slot| Some(*slot) != known) {
            let living = self.state().node(other).is_some_and(|node| !node.liveness.is_gone());
            if living {
                return Err(Refusal::NameTaken(registration.name.clone()));
            }
        }
        self.check_life(known, registration)?;
        let Some(slot) = known else {
            let node = self.newcomer(registration, Work::Open);
            return Ok(Reply::Registered(self.ledger.state.insert_node(node)));
        };
        Ok(Reply::Registered(self.come_back(slot, registration)))
    }

    fn newcomer(&self, registration: &Registration, work: Work) -> NodeRecord {
        let registration = registration.clone();
        NodeRecord { registration, liveness: Liveness::Alive, marked_at: self.now, work }
    }

    /// A hello that comes late must not bring an earlier journal back: the servers would take for lost what
    /// the present one runs.
    fn check_life(&self, known: Option<NodeSlot>, registration: &Registration) -> Result<(), Refusal> {
        let Some(old) = known.and_then(|slot| self.state().node(slot)) else { return Ok(()) };
        let (old, life) = (&old.registration, registration.life);
        if life > old.life || (life == old.life && registration.journal == old.journal) {
            return Ok(());
        }
        Err(Refusal::OlderLife { name: registration.name.clone(), life, known: old.life })
    }

    fn come_back(&mut self, slot: NodeSlot, registration: &Registration) -> NodeSlot {
        let Some(old) = self.state().node(slot).cloned() else { return slot };
        if old.registration.journal != registration.journal {
            return self.replace_journal(slot, &old, registration);
        }
        let now = self.now;
        if old.registration != *registration || old.liveness.is_gone() {
            self.ledger.state.edit_node(slot, |node| {
                node.registration = registration.clone();
                if node.liveness.is_gone() {
                    node.liveness = Liveness::Alive;
                    node.marked_at = now;
                }
            });
        }
        let executions: Vec<ExecutionRef> = self.state().executions_on(slot).collect();
        self.set_silent(&executions, None);
        slot
    }

    /// The node's journal is new: nobody knows what the old one started, and the new one must never be told of
    /// it. So the node gets a new place; the old place is left, with all that was on it.
    fn replace_journal(&mut self, slot: NodeSlot, old: &NodeRecord, registration: &Registration) -> NodeSlot {
        let now = self.now;
        let rebooted = old.registration.boot != registration.boot;
        self.ledger.state.edit_node(slot, |node| {
            node.liveness = Liveness::Left;
            node.marked_at = now;
        });
        let node = self.newcomer(registration, old.work);
        let place = self.ledger.state.insert_node(node);
        let executions: Vec<ExecutionRef> = self.state().executions_on(slot).collect();
        self.forgotten(&executions, rebooted);
        place
    }

    /// Where two at a time are allowed, or the machine was rebooted, an execution of a lost journal is over;
    /// else it may still run and blocks until it is given up.
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

    pub(super) fn mark(&mut self, slot: NodeSlot, liveness: Liveness) -> Result<Reply, Refusal> {
        let node = self.state().node(slot).cloned().ok_or(Refusal::UnknownNode)?;
        let old = node.liveness;
        if old.is_gone() && !liveness.is_gone() {
            self.check_name(slot, &node.registration)?;
        }
        if old != liveness {
            let now = self.now;
            self.ledger.state.edit_node(slot, |node| {
                node.liveness = liveness;
                node.marked_at = now;
            });
        }
        if liveness.is_gone() && !old.is_gone() {
            let executions: Vec<ExecutionRef> = self.state().executions_on(slot).collect();
            self.set_silent(&executions, Some(self.now));
        }
        Ok(Reply::Done)
    }

    /// An operator's word holds whether the node lives or not. A place that the node left for a new one is nobody's.
    pub(super) fn cordon(&mut self, slot: NodeSlot, work: Work) -> Result<Reply, Refusal> {
        let node = self.state().node(slot).cloned().ok_or(Refusal::UnknownNode)?;
        if self.state().node_slot(node.registration.node) != Some(slot) {
            return Err(Refusal::UnknownNode);
        }
        if node.work != work {
            self.ledger.state.edit_node(slot, |node| node.work = work);
        }
        Ok(Reply::Done)
    }

    /// The newest wish about a server is the one that stands.
    pub(super) fn wish(&mut self, errand: Errand) -> Reply {
        let wished = Wished { wish: errand.wish, process: errand.process, at: self.now };
        self.ledger.state.set_wish(errand.server, Some(wished));
        Reply::Done
    }

    /// A wish that came after the one that is over stands.
    pub(super) fn forget(&mut self, errand: Errand) -> Reply {
        let known = self.state().wish(errand.server);
        if known.is_some_and(|known| (known.wish, known.process) == (errand.wish, errand.process)) {
            self.ledger.state.set_wish(errand.server, None);
        }
        Reply::Done
    }

    /// A place that the node has left for a new one, or whose name another living node has, stays given up.
    fn check_name(&self, slot: NodeSlot, registration: &Registration) -> Result<(), Refusal> {
        if self.state().node_slot(registration.node) != Some(slot) {
            return Err(Refusal::UnknownNode);
        }
        let namesake = self.state().node_named(&registration.name).filter(|other| *other != slot);
        match namesake.and_then(|other| self.state().node(other)).filter(|other| !other.liveness.is_gone()) {
            Some(_) => Err(Refusal::NameTaken(registration.name.clone())),
            None => Ok(()),
        }
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
