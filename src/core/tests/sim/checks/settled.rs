//! Liveness: without faults ticks are decided in time, and without ticks everything comes to its end.

use super::Checks;
use crate::indexes;
use crate::jobs::newest_zone_data;
use crate::world::World;
use dkron_core::format::Formats;
use dkron_core::ids::ExecutionId;
use dkron_core::time::Span;

/// By then a tick must be decided when nothing goes wrong.
const PROMPT: Span = Span::from_seconds(2);

impl World {
    /// Whether nothing is under way any more.
    pub(crate) fn rests(&self) -> bool {
        self.unsettled().is_none()
    }

    /// The first thing that is still under way.
    fn unsettled(&self) -> Option<String> {
        let state = &self.checks.witness.state;
        let agenda = state.agenda_after(0).next();
        let timer = state.timers().next();
        let open = state.occurrences().next();
        let owed = self
            .agents
            .iter()
            .position(|agent| agent.journal.as_ref().is_none_or(|journal| journal.unsettled() > 0));
        let behind = self.servers.iter().position(|server| {
            let busy = server.lead.as_ref().is_some_and(|lead| !lead.is_quiet());
            busy || server.ledger.state.applied() < self.log.last()
        });
        let parts = [
            state.held_since().is_none().then(|| "ticks are not held".to_owned()),
            agenda.map(|found| format!("on the agenda: {found:?}")),
            timer.map(|found| format!("a timer: {found:?}")),
            open.map(|found| format!("open: {found:?}")),
            state.to_replan().next().map(|found| format!("to be filed anew: {found:?}")),
            owed.map(|agent| format!("agent {agent} owes outcomes")),
            behind.map(|server| format!("server {server} is busy or behind")),
            (!self.log.is_quiet()).then(|| "proposals are in line".to_owned()),
            (state.format() < Formats::OWN.last).then(|| "the log format is not raised".to_owned()),
            (!self.clients_rest()).then(|| "clients wait".to_owned()),
        ];
        parts.into_iter().flatten().next()
    }

    /// At the end of a quiet stretch: no tick is left that was due a while ago.
    pub(crate) fn check_punctual(&mut self) {
        let state = self.checks.witness.state.clone();
        if state.held_since().is_some() {
            return self.checks.fail(3, "the cluster is still held".to_owned());
        }
        self.checks.check_filed();
        for (_, job) in state.jobs_by_name(None).filter(|(_, job)| !job.held) {
            let next = job.rules.timing.next(job.cursor, job.anchor, state.zones(newest_zone_data()));
            let late = next.filter(|next| *next + job.jitter(*next) + PROMPT < self.now);
            self.checks.check(3, late.is_none(), || {
                format!(
                    "{} is not decided at {late:?} though nothing goes wrong; it is {}",
                    job.name, self.now
                )
            });
        }
    }

    /// Everything has come to rest, and everything that was assigned has its row.
    pub(crate) fn check_settled(&mut self) -> Result<(), String> {
        if let Some(left) = self.unsettled() {
            return Err(format!("liveness: not settled at the end: {left}"));
        }
        let found = indexes::check(&self.checks.witness);
        self.checks.check(7, found.is_ok(), || found.err().unwrap_or_default());
        let state = self.checks.witness.state.clone();
        self.checks.rebuild(&state);
        let missing = self.checks.without_row();
        self.checks.check(5, missing.is_none(), || format!("{missing:?} has no row in the history"));
        self.checks.wrong.take().map_or(Ok(()), Err)
    }
}

impl Checks {
    /// An execution of a living job that was assigned and has no row.
    fn without_row(&self) -> Option<ExecutionId> {
        let lives = |uid| self.witness.state.jobs_by_name(None).any(|(_, job)| job.uid == uid);
        let known = self.dispatch.known.iter();
        known
            .filter(|(id, known)| self.outcomes.row(**id).is_none() && lives(known.job))
            .map(|(id, _)| *id)
            .next()
    }
}
