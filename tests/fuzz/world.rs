//! A ledger in the middle of its work, and the entries that brought it there: what hostile entries are applied to.

use super::indexes;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Batch, Command, Event, Founding, Report, Scope};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{
    BootId, ClusterId, ExecutionRef, Incarnation, JobUid, JournalId, NodeId, RequestId, Stamp,
};
use dkron_core::job::{Concurrency, Job};
use dkron_core::node::{Liveness, Registration, Work};
use dkron_core::plan::Planner;
use dkron_core::plan::backfill::{self, Past};
use dkron_core::plan::edit::{self, Submission};
use dkron_core::schedule::ZoneData;
use dkron_core::state::State;
use dkron_core::time::{Span, Time};
use dkron_wire::{definition, entry};
use std::sync::{Arc, OnceLock};

pub(super) const STAMP: Stamp = Stamp { cluster: ClusterId(1), incarnation: Incarnation(1) };

/// The second after the founding.
pub(super) fn at(second: i64) -> Time {
    Time::from_seconds(1_700_000_000 + second)
}

/// What it is like after the entries.
pub(super) struct World {
    pub(super) state: State,
    pub(super) entries: Vec<Batch>,
}

/// The one that all inputs are held against.
pub(super) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut making = Making { ledger: Ledger::default(), entries: Vec::new(), names: 100 };
        making.found();
        making.live();
        World { state: making.ledger.state.clone(), entries: making.entries }
    })
}

/// The bytes of each entry.
pub(super) fn encoded() -> Vec<Vec<u8>> {
    world().entries.iter().map(|batch| entry::encode_batch(STAMP, batch)).collect()
}

/// Whether indexes and digest say what the records say.
pub(super) fn is_whole(ledger: &Ledger) -> Result<State, String> {
    let state = &ledger.state;
    indexes::check(&Ledger::over(state.clone()))?;
    let rebuilt = State::rebuild(state.applied(), state.time(), state.records());
    let rebuilt = rebuilt.map_err(|error| format!("its records are no state: {error}"))?;
    match rebuilt.digest() == state.digest() {
        true => Ok(rebuilt),
        false => Err("its records have another digest".to_owned()),
    }
}

/// Plans as a leader would, and applies that, as long as there is something to decide, for a few turns.
pub(super) fn go_on(ledger: &mut Ledger, now: Time, turns: usize) -> Vec<Batch> {
    let (mut planner, mut entries) = (Planner::default(), Vec::new());
    for _ in 0..turns {
        let plan = planner.plan(ledger, now, true);
        for proposal in plan.proposals {
            let commands = vec![Command { request: None, action: proposal.action }];
            let batch = Batch { time: now, commands };
            let applied = ledger.apply(ledger.state.applied() + 1, &batch);
            planner.answered(ledger, proposal.token, applied.replies.first());
            entries.push(batch);
        }
    }
    planner.resign(ledger);
    entries
}

struct Making {
    ledger: Ledger,
    entries: Vec<Batch>,
    names: u128,
}

impl Making {
    fn apply(&mut self, second: i64, action: Action) {
        self.names += 1;
        let request = Some(RequestId(self.names));
        let batch = Batch { time: at(second), commands: vec![Command { request, action }] };
        self.ledger.apply(self.ledger.state.applied() + 1, &batch);
        self.entries.push(batch);
    }

    fn found(&mut self) {
        let founding = Founding {
            cluster: STAMP.cluster,
            incarnation: STAMP.incarnation,
            default_zone: "Europe/Berlin".into(),
            zone_data: ZoneData::bundled().version().into(),
        };
        self.apply(0, Action::Found(founding));
        for (number, name) in [(1, "one"), (2, "two")] {
            self.apply(0, Action::Register(registration(number, name, 1)));
        }
    }

    fn put(&mut self, second: i64, job: Job) {
        self.names += 1;
        let definition = definition::encode(&job).into();
        let (job, uid) = (Arc::new(job), JobUid(self.names));
        let submission = Submission { job, definition, uid, expected: None, counters: None };
        let put = edit::put(&self.ledger.state, ZoneData::bundled(), submission, at(second));
        self.apply(second, Action::Put(put.expect("a valid job")));
    }

    fn go_on(&mut self, second: i64) {
        self.entries.extend(go_on(&mut self.ledger, at(second), 3));
    }

    /// Every live execution fails or succeeds in turn.
    fn end_some(&mut self, second: i64) {
        let open: Vec<(ExecutionRef, u32)> = self
            .ledger
            .state
            .occurrences()
            .flat_map(|(reference, found)| {
                let named = found.named_executions(reference).filter(|(_, execution)| execution.is_live());
                named
                    .map(|(name, _)| (name, found.execution_id(name.ordinal, name.attempt).check()))
                    .collect::<Vec<_>>()
            })
            .collect();
        let verdicts = [Verdict::Failed, Verdict::Succeeded].into_iter().cycle();
        for ((execution, check), verdict) in open.into_iter().step_by(2).zip(verdicts) {
            let event = Event::Finished(outcome(verdict, second));
            self.apply(second, Action::Report(vec![Report { execution, check, event }]));
        }
    }

    /// Jobs of every policy, runs by hand, a backfill, edits, holds, a node that goes.
    fn live(&mut self) {
        for (name, schedule, concurrency) in [
            ("allow", "@every 3s", Concurrency::Allow),
            ("forbid", "*/2 * * * * *", Concurrency::Forbid),
            ("queue", "@every 1s", Concurrency::Queue),
            ("replace", "@every 5s", Concurrency::Replace),
        ] {
            self.put(1, job(name, schedule, concurrency, ""));
        }
        self.put(1, job("child", "", Concurrency::Allow, "allow"));
        self.put(1, Job { disabled: true, ..job("off", "@every 1s", Concurrency::Allow, "") });
        for second in 2..12 {
            self.go_on(second);
            self.end_some(second);
        }
        self.apply(12, Action::Run { name: "queue".into(), nominal: at(12) });
        let past = Past { name: "forbid".into(), range: at(2)..at(9) };
        let backfill = backfill::command(&self.ledger.state, ZoneData::bundled(), &past, at(12));
        self.apply(12, backfill.expect("ticks of the past"));
        self.apply(13, Action::Hold(Scope::Jobs(vec!["allow".into()])));
        let node = self.ledger.state.node_named("two").expect("it is registered");
        self.apply(14, Action::Mark { node, liveness: Liveness::Failed });
        self.apply(14, Action::Cordon { node, work: Work::Draining });
        self.put(15, job("forbid", "@every 4s", Concurrency::Forbid, ""));
        self.go_on(16);
        self.apply(17, Action::SetDefaultZone { zone: "Asia/Kolkata".into() });
        self.apply(18, Action::Delete { name: "off".into() });
        let import = RequestId(7);
        let staged = Submission {
            job: Arc::new(job("staged", "@daily", Concurrency::Allow, "")),
            definition: definition::encode(&job("staged", "@daily", Concurrency::Allow, "")).into(),
            uid: JobUid(9),
            expected: None,
            counters: None,
        };
        let put = edit::put(&self.ledger.state, ZoneData::bundled(), staged, at(18)).expect("a valid job");
        self.apply(18, Action::Stage { import, jobs: vec![put] });
    }
}

fn registration(number: u128, name: &str, journal: u128) -> Registration {
    Registration {
        node: NodeId(number),
        name: name.into(),
        life: journal as u64,
        journal: JournalId(journal),
        boot: BootId(number),
        tags: [("dc".to_owned(), "a".to_owned())].into(),
        slots: 4,
        server: true,
        address: "127.0.0.1:8946".into(),
    }
}

fn job(name: &str, schedule: &str, concurrency: Concurrency, parent: &str) -> Job {
    Job {
        name: name.to_owned(),
        schedule: schedule.to_owned(),
        parent_job: parent.to_owned(),
        concurrency,
        retries: 2,
        executor: "shell".to_owned(),
        lost_after: Some(Span::from_seconds(60)),
        tags: [("dc".to_owned(), "a:1".to_owned())].into(),
        ..Job::default()
    }
}

fn outcome(verdict: Verdict, second: i64) -> Outcome {
    Outcome {
        verdict,
        started_at: at(second - 1),
        finished_at: at(second),
        code: Some(0),
        error: Arc::default(),
        tail: Arc::from(*b"tail"),
        output_bytes: 4,
    }
}
