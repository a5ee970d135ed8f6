//! A ledger to play with, and short words for what is done to it: what all the tests here begin from.

use crate::indexes;
pub(crate) use dkron_core::apply::{Applied, Ledger};
pub(crate) use dkron_core::command::{
    Action, Assignment, Backfill, Batch, Command, Decision, DecisionKind, Event, Founding, GiveUp, Refusal,
    Reply, Report, Scope, Stretch,
};
pub(crate) use dkron_core::execution::{HistoryRow, Outcome, SkipReason, Verdict};
pub(crate) use dkron_core::ids::{
    BootId, ClusterId, ExecutionRef, Incarnation, JobSlot, JobUid, JournalId, NodeId, NodeSlot,
    OccurrenceRef, Origin, RequestId,
};
pub(crate) use dkron_core::job::{Backoff, Concurrency, Job};
pub(crate) use dkron_core::node::{Liveness, Registration, Work};
pub(crate) use dkron_core::plan::backfill::{self, BackfillError, Past};
pub(crate) use dkron_core::plan::edit::{self, Submission};
pub(crate) use dkron_core::plan::{Order, Planner, preview};
pub(crate) use dkron_core::schedule::{Zone, ZoneData};
pub(crate) use dkron_core::state::State;
pub(crate) use dkron_core::state::record::Turn;
pub(crate) use dkron_core::time::{Span, Time};
pub(crate) use std::sync::Arc;

pub(crate) const BEGINNING: i64 = 1_700_000_000;

pub(crate) fn at(second: i64) -> Time {
    Time::from_seconds(BEGINNING + second)
}

/// A ledger, its log's length, and a source of names.
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) index: u64,
    pub(crate) names: u128,
}

impl World {
    /// A founded cluster with one node.
    pub(crate) fn new() -> World {
        let mut world = World { ledger: Ledger::default(), index: 0, names: 1_000 };
        let founding = Founding {
            cluster: ClusterId(1),
            incarnation: Incarnation(1),
            default_zone: "UTC".into(),
            zone_data: ZoneData::bundled().version().into(),
        };
        world.apply(at(0), Action::Found(founding));
        world.register(0, 1, 1);
        world
    }

    pub(crate) fn apply(&mut self, time: Time, action: Action) -> Applied {
        self.names += 1;
        let request = Some(RequestId(self.names))
            .filter(|_| matches!(action, Action::Run { .. } | Action::Backfill(_)));
        self.index += 1;
        self.ledger.apply(self.index, &Batch { time, commands: vec![Command { request, action }] })
    }

    pub(crate) fn register(&mut self, second: i64, journal: u128, boot: u128) -> Applied {
        let registration = Registration {
            node: NodeId(1),
            name: "one".into(),
            life: journal as u64,
            journal: JournalId(journal),
            boot: BootId(boot),
            tags: [("dc".to_owned(), "a".to_owned())].into(),
            slots: 4,
            server: true,
            address: "127.0.0.1:8946".into(),
        };
        self.apply(at(second), Action::Register(registration))
    }

    pub(crate) fn put(&mut self, second: i64, job: &Job) -> Applied {
        self.names += 1;
        let definition = format!("{job:?}").into_bytes().into();
        let uid = JobUid(self.names);
        let submission =
            Submission { job: Arc::new(job.clone()), definition, uid, expected: None, counters: None };
        let put =
            edit::put(&self.ledger.state, ZoneData::bundled(), submission, at(second)).expect("a valid job");
        self.apply(at(second), Action::Put(put))
    }

    pub(crate) fn run(&mut self, second: i64, name: &str) {
        self.apply(at(second), Action::Run { name: name.into(), nominal: at(second) });
    }

    /// Plans and applies what is planned, until nothing more is.
    pub(crate) fn plan(&mut self, second: i64) -> Vec<Order> {
        self.plan_at(at(second))
    }

    pub(crate) fn plan_at(&mut self, now: Time) -> Vec<Order> {
        let mut planner = Planner::default();
        let mut orders = Vec::new();
        for _ in 0..10 {
            let plan = planner.plan(&mut self.ledger, now, true);
            orders.extend(plan.orders.into_iter().map(|(_, order)| order));
            for proposal in plan.proposals {
                let applied = self.apply(now, proposal.action);
                planner.answered(&mut self.ledger, proposal.token, applied.replies.first());
            }
        }
        planner.resign(&mut self.ledger);
        orders
    }

    pub(crate) fn turns(&self) -> Vec<Turn> {
        self.ledger.state.occurrences().map(|(_, found)| found.turn).collect()
    }

    pub(crate) fn open(&self) -> OccurrenceRef {
        let open = self.ledger.state.occurrences().find(|(_, found)| found.turn == Turn::Open);
        open.expect("something is open").0
    }

    /// The agent says how the first execution of an occurrence ended.
    pub(crate) fn end(
        &mut self,
        second: i64,
        occurrence: OccurrenceRef,
        attempt: u16,
        verdict: Verdict,
    ) -> Applied {
        let found = self.ledger.state.occurrence(occurrence).expect("it is not over");
        let check = found.execution_id(0, attempt).check();
        let execution = ExecutionRef { occurrence, ordinal: 0, attempt };
        let event = Event::Finished(outcome(verdict));
        self.apply(at(second), Action::Report(vec![Report { execution, check, event }]))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        indexes::check(&self.ledger)?;
        let state = &self.ledger.state;
        let rebuilt = State::rebuild(state.applied(), state.time(), state.records())
            .map_err(|error| error.to_string())?;
        if rebuilt.digest() != state.digest() {
            return Err("the digest of its records is another".to_owned());
        }
        indexes::check(&Ledger::over(rebuilt))
    }
}

pub(crate) fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        started_at: at(0),
        finished_at: at(1),
        code: None,
        error: Arc::default(),
        tail: Arc::default(),
        output_bytes: 0,
    }
}

pub(crate) fn job(name: &str, schedule: &str, concurrency: Concurrency) -> Job {
    Job {
        name: name.to_owned(),
        schedule: schedule.to_owned(),
        concurrency,
        tags: [("dc".to_owned(), "a:1".to_owned())].into(),
        ..Job::default()
    }
}

pub(crate) fn skips(applied: &Applied) -> Vec<(i64, i64, u64, SkipReason)> {
    let skip = |row: &HistoryRow| match row {
        HistoryRow::Skipped(skip) => {
            Some((skip.from.seconds() - BEGINNING, skip.to.seconds() - BEGINNING, skip.count, skip.reason))
        }
        _ => None,
    };
    applied.rows.iter().filter_map(skip).collect()
}

/// A definition as a client posts it, computed by what the proposer saw at a time.
pub(crate) fn submission(world: &mut World, definition: &Job) -> Submission {
    world.names += 1;
    Submission {
        job: Arc::new(definition.clone()),
        definition: format!("{definition:?}").into_bytes().into(),
        uid: JobUid(world.names),
        expected: None,
        counters: None,
    }
}

pub(crate) fn at_millis(millis: i64) -> Time {
    at(0) + Span::from_millis(millis)
}
