//! The one thread that owns the state.
//!
//! Entries, looks at the state and installs come through one bounded queue. It works in turns: entries up to
//! a number of bytes (a millisecond or two), then one look, and again, so that neither a flood of entries nor
//! a long plan keeps the other waiting. What an entry yields for the history is handed over before the next
//! turn of entries: a full history stops apply, and nothing else.

use super::machine::{Applied, Digest, Machine, Turn};
use super::type_config::{Entry, LogId, Replies, StoredMembership, Types};
use dkron_core::ids::NodeId;
use openraft::EntryPayload;
use openraft::storage::ApplyResponder;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Bytes of entries in one turn: the largest entry, or many small ones.
const TURN_BYTES: usize = 64 * 1024;
/// An entry's cost in a turn apart from its bytes.
const ENTRY_BYTES: usize = 512;
/// Work items in the queue: each is awaited by whoever sent it, so this is a bound on callers.
pub(crate) const QUEUE: usize = 1_024;

/// A digest is remembered after every entry whose index is a multiple of it: some a second under load.
pub const DIGEST_EVERY: u64 = 256;
/// How many digests are remembered: what a server may lag behind another one that compares.
pub const DIGESTS: usize = 64;

/// How far the state is.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// The last entry applied.
    pub(super) applied: Option<LogId>,
    /// The membership as of it.
    pub(super) membership: Arc<StoredMembership>,
    /// Bytes of entries applied since the start of the process, for the snapshot rule.
    pub(super) bytes: u64,
    /// The state's digest after some of the last entries, the newest last.
    pub(super) digests: Arc<VecDeque<(u64, Digest)>>,
    /// The log format in force.
    pub(super) format: u8,
}

impl Mark {
    /// Index of the last entry applied; none before the first.
    pub fn index(&self) -> Option<u64> {
        self.applied.map(|id| id.index)
    }

    /// Term of the last entry applied; 0 before the first.
    pub fn term(&self) -> u64 {
        self.applied.map_or(0, |id| id.leader_id.term)
    }

    /// The state's digest after the entry at this index, if it is one of those that are remembered: of each
    /// [`DIGEST_EVERY`]-th entry the last [`DIGESTS`]. Equal on every server that has applied the entry.
    pub fn digest_at(&self, index: u64) -> Option<Digest> {
        self.digests.iter().find(|(at, _)| *at == index).map(|(_, digest)| *digest)
    }

    /// The newest digest that is remembered, and the index of its entry.
    pub fn last_digest(&self) -> Option<(u64, Digest)> {
        self.digests.back().copied()
    }

    /// Bytes of the entries applied since the start of the process.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The log format in force.
    pub fn format(&self) -> u8 {
        self.format
    }

    /// The voters as of it, by id.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> {
        self.membership.voter_ids().map(|id| id.0)
    }
}

/// The state as of one entry, unchanging.
#[derive(Debug)]
pub struct View<M: Machine> {
    /// How far it is.
    pub mark: Mark,
    /// The state.
    pub state: Arc<M::View>,
}

impl<M: Machine> Clone for View<M> {
    fn clone(&self) -> View<M> {
        View { mark: self.mark.clone(), state: self.state.clone() }
    }
}

/// A look at the state, as the leader's plan takes one.
pub(crate) type Look<M> = Box<dyn FnOnce(&mut M, &Mark) + Send>;

/// An entry, and whoever waits for its replies.
pub(crate) type Item = (Entry, Option<ApplyResponder<Types>>);

/// What the thread is asked for.
pub(crate) enum Work<M: Machine> {
    /// Apply these, in order.
    Apply {
        /// The entries.
        items: Vec<Item>,
        /// Answered when all are applied.
        done: oneshot::Sender<()>,
    },
    /// The state as of now.
    View(oneshot::Sender<View<M>>),
    /// A look between two turns of entries.
    Look(Look<M>),
    /// Another state in place of this one.
    Install {
        /// The state.
        machine: Box<M>,
        /// How far it is.
        mark: Mark,
        /// Answered when it is in place.
        done: oneshot::Sender<()>,
    },
    /// The end.
    Stop,
}

struct Job {
    items: VecDeque<Item>,
    done: oneshot::Sender<()>,
}

pub(crate) struct StateThread<M: Machine> {
    machine: M,
    mark: Mark,
    marks: watch::Sender<Mark>,
    rows: mpsc::Sender<Turn<M::Row>>,
    /// The last view, as long as nothing was applied since.
    view: Option<View<M>>,
    jobs: VecDeque<Job>,
    looks: VecDeque<Look<M>>,
    outbox: Option<Turn<M::Row>>,
    stopped: bool,
}

impl<M: Machine> StateThread<M> {
    pub(crate) fn new(
        machine: M,
        mark: Mark,
        marks: watch::Sender<Mark>,
        rows: mpsc::Sender<Turn<M::Row>>,
    ) -> Self {
        let (jobs, looks) = (VecDeque::new(), VecDeque::new());
        let mark = Mark { format: machine.format(), ..mark };
        StateThread { machine, mark, marks, rows, view: None, jobs, looks, outbox: None, stopped: false }
    }

    /// Works until it is stopped or the queue is closed.
    pub(crate) async fn run(mut self, mut works: mpsc::Receiver<Work<M>>) {
        let rows = self.rows.clone();
        self.tell_jump();
        while !self.stopped {
            if self.is_idle() {
                tokio::select! {
                    permit = rows.reserve(), if self.outbox.is_some() => match (permit, self.outbox.take()) {
                        (Ok(permit), Some(turn)) => permit.send(turn),
                        _ => tracing::debug!("the history is closed, its rows are dropped"),
                    },
                    work = works.recv() => match work {
                        Some(work) => self.take(work),
                        None => return,
                    },
                }
            }
            while let Ok(work) = works.try_recv() {
                self.take(work);
            }
            self.apply_turn();
            if let Some(look) = self.looks.pop_front() {
                look(&mut self.machine, &self.mark);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.looks.is_empty() && (self.jobs.is_empty() || self.outbox.is_some())
    }

    fn take(&mut self, work: Work<M>) {
        match work {
            Work::Apply { items, done } => self.jobs.push_back(Job { items: items.into(), done }),
            Work::View(reply) => drop(reply.send(self.view())),
            Work::Look(look) => self.looks.push_back(look),
            Work::Install { machine, mark, done } => {
                self.view = None;
                self.machine = *machine;
                let digests = self.mark.digests.clone();
                let format = self.machine.format();
                self.mark = Mark { bytes: self.mark.bytes, digests, format, ..mark };
                self.marks.send_replace(self.mark.clone());
                self.tell_jump();
                done.send(()).ok();
            }
            Work::Stop => self.stopped = true,
        }
    }

    fn view(&mut self) -> View<M> {
        let (machine, mark) = (&self.machine, &self.mark);
        self.view.get_or_insert_with(|| View { mark: mark.clone(), state: machine.view() }).clone()
    }

    /// Entries up to the turn's bound, then the marks, then the answers: who has one finds the state that far.
    fn apply_turn(&mut self) {
        if self.jobs.is_empty() || self.outbox.is_some() {
            return;
        }
        // A view kept here would make every change copy what it shares with it.
        self.view = None;
        let mut answers = Vec::new();
        let mut rows = Turn::new();
        let mut finished = Vec::new();
        let mut bytes = 0;
        while bytes < TURN_BYTES
            && let Some(job) = self.jobs.front_mut()
        {
            let Some((entry, responder)) = job.items.pop_front() else {
                finished.extend(self.jobs.pop_front());
                continue;
            };
            bytes += ENTRY_BYTES;
            let replies = apply(&mut self.machine, &mut self.mark, entry, &mut bytes, &mut rows);
            answers.extend(responder.map(|responder| (responder, replies)));
        }
        if self.jobs.front().is_some_and(|job| job.items.is_empty()) {
            finished.extend(self.jobs.pop_front());
        }
        self.marks.send_replace(self.mark.clone());
        if let Some(id) = self.mark.applied {
            if rows.last().is_none_or(|last: &Applied<M::Row>| last.index != id.index) {
                rows.push(Applied { index: id.index, rows: Vec::new(), jumped: false });
            }
            self.hand_over(rows);
        }
        for (responder, replies) in answers {
            responder.send(replies);
        }
        for job in finished {
            job.done.send(()).ok();
        }
    }

    /// The history hears as of which entry a snapshot began: what it lacks before that it finds elsewhere.
    fn tell_jump(&mut self) {
        if let Some(index) = self.mark.index() {
            self.hand_over(vec![Applied { index, rows: Vec::new(), jumped: true }]);
        }
    }

    /// In order: what waits already goes first.
    fn hand_over(&mut self, turn: Turn<M::Row>) {
        if let Some(waiting) = &mut self.outbox {
            waiting.extend(turn);
            return;
        }
        match self.rows.try_send(turn) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(turn)) => self.outbox = Some(turn),
        }
    }
}

/// One entry into the state.
fn apply<M: Machine>(
    machine: &mut M,
    mark: &mut Mark,
    entry: Entry,
    bytes: &mut usize,
    rows: &mut Turn<M::Row>,
) -> Replies {
    let id = entry.log_id;
    let mut replies = Replies::default();
    match entry.payload {
        EntryPayload::Blank => machine.pass(id.index),
        EntryPayload::Membership(membership) => {
            machine.pass(id.index);
            mark.membership = Arc::new(StoredMembership::new(Some(id), membership));
        }
        EntryPayload::Normal(payload) => {
            *bytes += payload.bytes.len();
            mark.bytes += payload.bytes.len() as u64;
            let effects = machine.apply(id.index, &payload.batch);
            if !effects.rows.is_empty() {
                rows.push(Applied { index: id.index, rows: effects.rows, jumped: false });
            }
            replies = effects.replies;
        }
    }
    (mark.applied, mark.format) = (Some(id), machine.format());
    if id.index.is_multiple_of(DIGEST_EVERY) {
        let digests = Arc::make_mut(&mut mark.digests);
        digests.push_back((id.index, M::digest(&machine.view())));
        if digests.len() > DIGESTS {
            digests.pop_front();
        }
    }
    replies
}
