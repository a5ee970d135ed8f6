//! The agent's one loop: everything that can happen to it is an arm of `next`; every step goes through the
//! journal's rules, and what they ask for is done when their records are durable.

use super::calls::Calls;
use super::folder::Folder;
use super::journal_file::JournalFile;
use super::link::LinkEvent;
use super::offer::Offer;
use super::{AgentError, orphans};
use crate::clock;
use crate::executor::Executors;
use crate::task::{self, CancellationToken};
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionId, NodeId, RunnerId, Stamp};
use dkron_core::journal::{Action, Input, Journal, Record};
use dkron_core::time::Time;
use dkron_wire::journal::Header;
use dkron_wire::supervisor::{FromSupervisor, ToSupervisor};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Steps that wait for the disk; with more, nothing new is taken.
const PENDING_MAX: usize = 1_000;
/// The wall clock may jump: no timer trusts it for longer.
const NAP_MAX: Duration = Duration::from_secs(1);

/// The agent at work.
pub(super) struct Run {
    pub(super) folder: Folder,
    pub(super) header: Header,
    pub(super) journal: Journal,
    pub(super) file: JournalFile,
    pub(super) executors: Executors,
    pub(super) calls: Calls,
    pub(super) offer: Offer,
    pub(super) link: mpsc::Receiver<LinkEvent>,
    pub(super) inbox: mpsc::Receiver<ToAgent>,
    pub(super) outbox: mpsc::Sender<FromAgent>,
    pub(super) stamp: watch::Sender<Option<Stamp>>,
    pub(super) stop: CancellationToken,
    /// Actions, each with the step up to which all must be durable.
    pub(super) pending: VecDeque<(u64, Vec<Action>)>,
    pub(super) supervisor: Option<mpsc::Sender<ToSupervisor>>,
    /// Which one that is, once it has said so.
    pub(super) runner: Option<RunnerId>,
    /// Executions whose supervisor died but whose processes live.
    pub(super) orphans: BTreeMap<ExecutionId, BTreeSet<u32>>,
    pub(super) orphans_at: Instant,
}

enum Happened {
    Stopped,
    Synced(bool),
    Link(Option<LinkEvent>),
    Call(Option<(ExecutionId, Outcome)>),
    Said(Option<ToAgent>),
    Room,
    Time,
}

impl Run {
    /// Until it is stopped, or the journal cannot be written.
    pub(super) async fn run(mut self) -> Result<(), AgentError> {
        loop {
            match self.next().await {
                Happened::Stopped | Happened::Link(None) | Happened::Call(None) | Happened::Said(None) => {
                    return Ok(());
                }
                Happened::Synced(true) => self.compact(),
                Happened::Synced(false) => return self.act().await.and(Err(AgentError::WriterEnded)),
                Happened::Link(Some(event)) => self.linked(event).await,
                Happened::Call(Some((id, outcome))) => {
                    self.calls.ended(id);
                    self.step(Input::Ended { id, outcome });
                }
                Happened::Said(Some(said)) => self.said(said),
                Happened::Room => self.send().await,
                Happened::Time => self.time().await,
            }
            self.act().await?;
        }
    }

    async fn next(&mut self) -> Happened {
        let takes = self.pending.len() < PENDING_MAX && !self.file.is_crowded();
        let now = clock::monotonic();
        let ready_at = self.offer.ready_at(now, self.file.durable());
        let sends = ready_at.is_some_and(|at| at <= now);
        let nap = self.nap(now, ready_at.filter(|_| !sends));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Happened::Stopped,
            changed = self.file.progress().changed() => Happened::Synced(changed.is_ok()),
            end = self.calls.ends.recv(), if takes => Happened::Call(end),
            event = self.link.recv(), if takes => Happened::Link(event),
            room = self.outbox.reserve(), if sends => { drop(room); Happened::Room }
            said = self.inbox.recv(), if takes => Happened::Said(said),
            () = tokio::time::sleep(nap) => Happened::Time,
        }
    }

    /// How long nothing but time can need us.
    fn nap(&self, now: Instant, ready_at: Option<Instant>) -> Duration {
        let agreed = clock::agreed();
        let wake = self.journal.wake_at().map(|at| (at - agreed).nanos().max(0).cast_unsigned());
        let ready = ready_at.map(|at| at.saturating_duration_since(now));
        wake.map(Duration::from_nanos).into_iter().chain(ready).fold(NAP_MAX, Duration::min)
    }

    /// One step of the journal's rules.
    pub(super) fn step(&mut self, input: Input) {
        let effects = self.journal.step(clock::agreed(), input);
        for record in &effects.records {
            if let Record::Unstarted { id } = record {
                tracing::info!(%id, "it was never started, the supervisor has not heard of it: it waits again");
            }
        }
        let step = self.file.append(effects.records);
        if !effects.actions.is_empty() {
            self.pending.push_back((step, effects.actions));
        }
    }

    fn said(&mut self, said: ToAgent) {
        match said {
            ToAgent::Welcome { server, stamp } => self.welcomed(server, stamp),
            ToAgent::Leading { term } => {
                tracing::info!(term, "registered with the leader");
                self.offer.connect();
            }
            ToAgent::Following => self.offer.disconnect(),
            // Between the streams and the servers.
            ToAgent::Servers(_) | ToAgent::Left => {}
            ToAgent::Launch(launch) => {
                let place = self.place(&launch);
                self.step(Input::Launch(launch, place));
            }
            ToAgent::Cancel { execution, id } => self.step(Input::Cancel { execution, id }),
            ToAgent::Settled(ids) => self.step(Input::Settled(ids)),
        }
    }

    fn welcomed(&mut self, server: NodeId, stamp: Stamp) {
        if self.header.stamp.is_some_and(|own| own.cluster != stamp.cluster) {
            tracing::error!(%server, %stamp, "a server of another cluster welcomed this agent: ignored");
            return;
        }
        tracing::info!(%server, %stamp, "attending");
        if self.header.stamp.is_none_or(|own| own.incarnation < stamp.incarnation) {
            self.header.stamp = Some(stamp);
            self.rewrite();
            self.stamp.send_replace(Some(stamp));
        }
    }

    async fn linked(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Connected(supervisor) => {
                self.supervisor = Some(supervisor);
            }
            LinkEvent::Lost => {
                (self.supervisor, self.runner) = (None, None);
                self.step(Input::Detached);
            }
            LinkEvent::Said(FromSupervisor::Welcome { pid, runner }) => {
                tracing::info!(pid, %runner, "supervisor attached");
                self.runner = Some(runner);
            }
            LinkEvent::Said(FromSupervisor::Began { id, at, process }) => {
                self.step(Input::Began { id, at, process });
            }
            LinkEvent::Said(FromSupervisor::Ended { id, outcome }) => {
                self.orphans.remove(&id);
                self.step(Input::Ended { id, outcome });
            }
            LinkEvent::Said(FromSupervisor::Output { id, offset, bytes }) => self.stream(id, offset, &bytes),
            LinkEvent::Said(FromSupervisor::Listed) => self.listed().await,
        }
    }

    /// Output goes on at once or not at all: the kept output makes up for it.
    fn stream(&mut self, id: ExecutionId, offset: u64, bytes: &[u8]) {
        if let Some(message) = self.offer.stream(id, offset, bytes)
            && self.outbox.try_send(message).is_err()
        {
            self.offer.unsent(id, offset);
        }
    }

    /// The supervisor has told all. What it does not know may run in the daemon itself, or without a supervisor.
    async fn listed(&mut self) {
        let Some(runner) = self.runner else {
            return tracing::error!("the supervisor tells what it knows before it says who it is: ignored");
        };
        for (id, at) in self.calls.running() {
            self.step(Input::Began { id, at, process: None });
        }
        let missing: BTreeMap<_, _> =
            self.journal.unconfirmed().map(|(id, at, process)| (id, (at, process))).collect();
        if !missing.is_empty() {
            let sought = missing.iter().map(|(id, (_, process))| (*id, *process)).collect();
            let alive = task::blocking("orphans", move || orphans::alive(&sought)).await.unwrap_or_default();
            for (id, pids) in alive {
                tracing::warn!(%id, ?pids, "the supervisor died; the execution runs on, and its end will be unknown");
                let (at, process) = missing.get(&id).copied().unwrap_or((Time::EPOCH, None));
                self.orphans.insert(id, pids);
                self.step(Input::Began { id, at, process });
            }
        }
        self.step(Input::Attached(runner));
    }

    async fn send(&mut self) {
        let step = self.file.step();
        let standing = self.offer.scan(&self.journal, step, self.file.durable());
        let reports: Vec<Action> =
            standing.into_iter().map(|(id, report)| Action::Report { id, report }).collect();
        if !reports.is_empty() {
            self.pending.push_back((step, reports));
        }
        if let Some(message) = self.offer.next().await {
            // There is room: we are the only sender, and a permit was there a moment ago.
            let _ = self.outbox.try_send(message);
        }
    }

    async fn time(&mut self) {
        self.step(Input::Tick);
        let now = clock::monotonic();
        if !self.orphans.is_empty() && now.duration_since(self.orphans_at) >= NAP_MAX {
            self.orphans_at = now;
            self.look_at_orphans().await;
        }
    }

    async fn look_at_orphans(&mut self) {
        let processes: BTreeMap<_, _> =
            self.journal.under_way().map(|(id, _, process)| (id, process)).collect();
        let sought = self.orphans.keys().map(|id| (*id, processes.get(id).copied().flatten())).collect();
        let Ok(alive) = task::blocking("orphans", move || orphans::alive(&sought)).await else { return };
        let gone: Vec<_> = self.orphans.keys().filter(|id| !alive.contains_key(id)).copied().collect();
        self.orphans = alive;
        for id in gone {
            let started_at =
                self.journal.under_way().find(|(found, ..)| *found == id).map_or(Time::EPOCH, |f| f.1);
            let outcome = Outcome {
                verdict: Verdict::Lost,
                started_at,
                finished_at: clock::wall(),
                code: None,
                error: "unknown: its supervisor died, and it ended unseen".into(),
                tail: Default::default(),
                output_bytes: 0,
            };
            self.step(Input::Ended { id, outcome });
        }
    }

    fn compact(&mut self) {
        if self.file.progress().borrow().bloated {
            self.rewrite();
        }
    }

    fn rewrite(&mut self) {
        let records = self.journal.snapshot();
        let step = self.file.rewrite(self.header, records);
        self.pending.push_back((step, Vec::new()));
    }
}
