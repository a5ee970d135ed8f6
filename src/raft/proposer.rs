//! The only door to the log.
//!
//! Commands wait in their lanes; whenever fewer than two entries are in flight, all that fits goes into the
//! next one. So one flush of the disk serves everybody who waits, and a lone command waits for nobody.
//! A command is proposed once: if its fate is lost, the caller is told so, never a second proposal made.

use super::Consensus;
use super::batching::{Priority, Queue};
use super::error::Error;
use super::machine::Machine;
use super::state_thread::Mark;
use super::type_config::{Payload, Server, Types};
use dkron_core::command::{Action, Batch, Command, Reply};
use dkron_core::ids::Stamp;
use dkron_core::limits::ENTRY_BYTES_MAX;
use dkron_core::time::Time;
use dkron_wire::entry::{ENTRY_OVERHEAD_BYTES, encode_batch_in, entry_bytes};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use openraft::error::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// One being written while the next one is gathered and one is applied: more only adds latency.
const IN_FLIGHT: usize = 2;
/// How long a caller waits. Without a quorum nothing commits and nothing fails: longer than any election, so that
/// only a lost quorum is felt.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// What the commands of an entry may take.
const ROOM: usize = ENTRY_BYTES_MAX - ENTRY_OVERHEAD_BYTES;

/// Reads the wall clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// A command that is in the log for good, and applied here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The index of its entry.
    pub index: u64,
    /// What apply answered.
    pub reply: Reply,
}

type Answer = Result<Committed, Error>;

/// How many commands may wait in a lane; more wait outside, in the caller's hands.
fn lane_size(priority: Priority) -> usize {
    match priority {
        // A decision may hold thousands of ticks: few are ever made at once.
        Priority::Decision => 256,
        // Batches of outcomes from thousands of agents.
        Priority::Report => 4_096,
        Priority::Write => 4_096,
        // An import shall feel the pressure early.
        Priority::Bulk => 64,
    }
}

/// The queue in front of the log.
pub(crate) struct Door {
    queue: Mutex<Waiting>,
    room: [Arc<Semaphore>; 4],
    news: Notify,
}

struct Waiting {
    queue: Queue<Proposal>,
    closed: bool,
}

struct Proposal {
    command: Command,
    reply: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

impl Door {
    pub(crate) fn new() -> Door {
        Door {
            queue: Mutex::new(Waiting { queue: Queue::new(ROOM), closed: false }),
            room: Priority::ALL.map(|priority| Arc::new(Semaphore::new(lane_size(priority)))),
            news: Notify::new(),
        }
    }

    /// Puts a command into the log and waits for its reply.
    pub(crate) async fn propose(&self, priority: Priority, command: Command) -> Answer {
        let bytes = entry_bytes(&command);
        if bytes > ROOM {
            return Err(Error::TooLarge { command: kind(&command.action), bytes, limit: ROOM });
        }
        let room = self.room[priority as usize].clone();
        let place = room.acquire_owned().await.map_err(|_| Error::Stopped)?;
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.closed {
                return Err(Error::Stopped);
            }
            let refused = waiting.queue.push(priority, bytes, Proposal { command, reply, _place: place });
            debug_assert!(refused.is_ok(), "its size was checked above");
        }
        self.news.notify_one();
        match tokio::time::timeout(ANSWER_WAIT, answer).await {
            Ok(answered) => answered.unwrap_or(Err(Error::Unknown)),
            Err(_) => Err(Error::Unknown),
        }
    }

    /// How many commands of this importance wait.
    pub(crate) fn waiting(&self, priority: Priority) -> usize {
        self.lock().queue.len(priority)
    }

    /// Takes nothing more, and tells those who wait.
    pub(crate) fn close(&self) {
        let dropped: Vec<Proposal> = {
            let mut waiting = self.lock();
            waiting.closed = true;
            waiting.queue.drain().collect()
        };
        for proposal in dropped {
            drop(proposal.reply.send(Err(Error::Stopped)));
        }
        self.room.iter().for_each(|room| room.close());
        self.news.notify_one();
    }

    /// Held for a push or a take, never across an await.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task behind the door.
pub(crate) struct Proposer<M: Machine> {
    door: Arc<Door>,
    consensus: Consensus<M>,
    stamp: Stamp,
    /// How far the state is: which format is in force.
    marks: watch::Receiver<Mark>,
    clock: Clock,
    in_flight: FuturesUnordered<BoxFuture<'static, ()>>,
}

type Waiter = oneshot::Sender<Answer>;

impl<M: Machine> Proposer<M> {
    pub(crate) fn new(
        door: Arc<Door>,
        consensus: Consensus<M>,
        (stamp, marks): (Stamp, watch::Receiver<Mark>),
        clock: Clock,
    ) -> Self {
        Proposer { door, consensus, stamp, marks, clock, in_flight: FuturesUnordered::new() }
    }

    /// Works until the door is closed and what is in flight has come down.
    pub(crate) async fn run(mut self) {
        loop {
            let closed = {
                let waiting = self.door.lock();
                waiting.closed && waiting.queue.is_empty()
            };
            if closed && self.in_flight.is_empty() {
                return;
            }
            if self.in_flight.len() < IN_FLIGHT && self.propose_next().await {
                continue;
            }
            let door = self.door.clone();
            tokio::select! {
                Some(()) = self.in_flight.next() => {}
                () = door.news.notified() => {}
            }
        }
    }

    /// Sends the next entry; false if nothing waits.
    async fn propose_next(&mut self) -> bool {
        let taken = self.door.lock().queue.take();
        if taken.is_empty() {
            return false;
        }
        let wanted = taken.into_iter().filter(|proposal| !proposal.reply.is_closed());
        let (commands, waiters): (Vec<Command>, Vec<Waiter>) =
            wanted.map(|proposal| (proposal.command, proposal.reply)).unzip();
        if commands.is_empty() {
            return true;
        }
        let batch = Batch::stamped((self.clock)(), commands);
        let format = self.marks.borrow().format();
        let bytes = encode_batch_in(format, self.stamp, &batch).into();
        let payload = Payload { batch: Arc::new(batch), bytes };
        let (responder, answer) = ProgressResponder::<Types, ClientWriteResult<Types>>::complete_only();
        match self.consensus.client_write_ff(payload, Some(responder)).await {
            Ok(()) => {
                self.in_flight.push(Box::pin(async move { answer_all(waiters, Fate::of(answer.await.ok())) }))
            }
            Err(_) => answer_all(waiters, Fate::Stopped),
        }
        true
    }
}

/// What became of an entry.
enum Fate {
    Applied(u64, Vec<Reply>),
    NotLeader(Option<Server>),
    Unknown,
    Stopped,
}

impl Fate {
    fn of(result: Option<ClientWriteResult<Types>>) -> Fate {
        match result {
            Some(Ok(written)) => Fate::Applied(written.log_id.index, written.data.0),
            // Refused at the door of consensus: it never was in a log.
            Some(Err(ClientWriteError::ForwardToLeader(to))) => {
                let leader = to.leader_id.zip(to.leader_node).map(|(id, peer)| Server { id: id.0, peer });
                Fate::NotLeader(leader)
            }
            // It was in this server's log, and may be in those of others.
            Some(Err(_)) | None => Fate::Unknown,
        }
    }
}

fn answer_all(waiters: Vec<Waiter>, fate: Fate) {
    match fate {
        Fate::Applied(index, replies) => {
            debug_assert_eq!(replies.len(), waiters.len(), "one reply for each command");
            let mut replies = replies.into_iter();
            for waiter in waiters {
                let reply = replies.next().ok_or(Error::Unknown);
                drop(waiter.send(reply.map(|reply| Committed { index, reply })));
            }
        }
        Fate::NotLeader(leader) => answer_each(waiters, || Error::NotLeader { leader: leader.clone() }),
        Fate::Unknown => answer_each(waiters, || Error::Unknown),
        Fate::Stopped => answer_each(waiters, || Error::Stopped),
    }
}

fn answer_each(waiters: Vec<Waiter>, error: impl Fn() -> Error) {
    for waiter in waiters {
        drop(waiter.send(Err(error())));
    }
}

/// What kind of command, in the words of an error.
fn kind(action: &Action) -> &'static str {
    match action {
        Action::Found(_) => "the founding",
        Action::Decide(_) => "a set of decisions",
        Action::Assign(_) => "a set of assignments",
        Action::Report(_) => "a set of reports",
        Action::GiveUp(_) => "a set of give-ups",
        Action::Put(_) => "a job",
        Action::Stage { .. } => "a part of an import",
        Action::Register(_) => "a registration",
        Action::Hold(_) | Action::Release(_) => "a list of jobs",
        _ => "a command",
    }
}
