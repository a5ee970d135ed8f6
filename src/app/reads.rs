//! What a read is made from, and whether that is true now.
//!
//! Every server answers from its own state. What was acknowledged before may be missing in it for a moment, on a
//! server that lags for longer: so an answer says as of which index it is and how old it may be, and a client may ask
//! for an index, or for a state that a quorum has confirmed. The index is that of the newest state that the use case
//! looked at, or of the entry that it made; who hands it on, to any server, reads no older state.

use super::{App, Error, Kind};
use crate::raft::{self, Server};
use dkron_core::apply::Ledger;
use dkron_wire::copies as wire;
use dkron_wire::copies::service::ConfirmOutcome;
use dkron_wire::submit::service::LeaderClient;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is shown may be so old and count as the present: a few elections. Beyond, it is stale.
pub const STALE_AFTER: Duration = Duration::from_secs(3);
/// How long a read waits for an index, a confirmation, or this server to catch up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long executions wait until the history has what the state says.
const HISTORY_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at whether this server has caught up: heartbeats come about as often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a read asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// This server's state, unless it knows that it is behind a leader; without a leader whatever it has.
    #[default]
    Default,
    /// A state with all that was acknowledged before the read began: a quorum confirms the leader.
    Consistent,
    /// This server's state, however old.
    Stale,
}

/// A read's wishes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ask {
    /// How fresh.
    pub mode: Mode,
    /// At least as of this entry.
    pub index: Option<u64>,
}

/// How this server is in touch with the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Basis {
    /// Whether it knows who leads.
    pub known_leader: bool,
    /// How long ago it was in touch with the leader, or as leader with a quorum.
    pub contact: Option<Duration>,
    /// How long ago all was here that had been acknowledged by then.
    pub age: Option<Duration>,
}

impl Basis {
    /// Whether something acknowledged a while ago may be missing.
    pub fn is_stale(&self) -> bool {
        !self.known_leader || self.age.is_none_or(|age| age > STALE_AFTER)
    }
}

/// What a use case looked at.
#[derive(Debug, Default)]
pub struct Trace {
    index: AtomicU64,
    /// One more than the index up to which executions are shown, where that is less than the state's.
    history: AtomicU64,
}

tokio::task_local! {
    /// That of the request at hand: a use case need not hand it through.
    static TRACE: Arc<Trace>;
}

impl Trace {
    /// Runs a use case under this trace.
    pub async fn follow<T>(self: &Arc<Trace>, work: impl Future<Output = T>) -> T {
        TRACE.scope(self.clone(), work).await
    }

    /// The newest entry whose effect was looked at or made; none if nothing was.
    pub fn index(&self) -> Option<u64> {
        Some(self.index.load(Ordering::Relaxed)).filter(|index| *index > 0)
    }

    /// Up to which entry executions are shown, if later ones may be missing.
    pub fn history(&self) -> Option<u64> {
        self.history.load(Ordering::Relaxed).checked_sub(1)
    }
}

/// Notes that a state or an entry was looked at.
pub(super) fn note(index: u64) {
    // Who calls without a trace does not want to know.
    TRACE.try_with(|trace| trace.index.fetch_max(index, Ordering::Relaxed)).ok();
}

impl App {
    /// How this server is in touch with the others now.
    pub fn basis(&self) -> Basis {
        Basis { known_leader: self.led_by().is_some(), contact: self.raft.silence(), age: self.raft.age() }
    }

    /// Why this server shows nothing, if it does not.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] in quarantine.
    pub fn trusted(&self) -> Result<(), Error> {
        match &*self.raft.quarantine().borrow() {
            Some(reason) => Err(Error::new(Kind::Unavailable, reason.to_string())),
            None => Ok(()),
        }
    }

    /// Waits, not for long, until this server's state is what the read asks for.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if it is not in time, and says why.
    pub async fn wait_for(&self, ask: Ask) -> Result<(), Error> {
        let confirmed = match ask.mode {
            Mode::Consistent => Some(self.confirmed().await?),
            Mode::Default => self.caught_up().await.map(|()| None)?,
            Mode::Stale => None,
        };
        match ask.index.max(confirmed) {
            Some(index) => self.reach(index).await,
            None => Ok(()),
        }
    }

    async fn reach(&self, index: u64) -> Result<(), Error> {
        let mut marks = self.raft.advanced();
        let reached = marks.wait_for(|mark| mark.index() >= Some(index));
        if let Ok(reached) = tokio::time::timeout(PATIENCE, reached).await {
            return reached.map(drop).map_err(|_| raft::Error::Stopped.into());
        }
        let own = self.raft.advanced().borrow().index().unwrap_or(0);
        let seconds = PATIENCE.as_secs();
        let message =
            format!("this server is at index {own} and has waited {seconds} s for index {index}: try again");
        Err(Error::new(Kind::Unavailable, message))
    }

    /// A server that hears a leader and lags far behind it gives no answer that looks like the present.
    async fn caught_up(&self) -> Result<(), Error> {
        let looks = async {
            while self.led_by().is_some() && self.basis().is_stale() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looks).await.is_ok() {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, format!("{}; ?stale shows what it has", self.behind())))
    }

    /// In what way this server is behind, as a sentence.
    pub(super) fn behind(&self) -> String {
        match self.raft.age() {
            Some(age) => {
                format!("this server is {:.1} s behind the leader and catches up", age.as_secs_f64())
            }
            None => "this server has not caught up with the leader since its start".to_owned(),
        }
    }

    /// The index up to which all counts that was acknowledged before.
    async fn confirmed(&self) -> Result<u64, Error> {
        let tries = async {
            let mut leadership = self.raft.leader();
            loop {
                if let Some(leader) = self.led_by()
                    && let Some(answer) = self.ask_leader(&leader).await
                {
                    return answer;
                }
                super::submit::changed(&mut leadership).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, tries).await;
        answered.unwrap_or_else(|_| {
            let message = format!("no quorum confirms the state: {}", self.missing());
            Err(Error::new(Kind::Unavailable, message))
        })
    }

    /// None if another try may do better.
    async fn ask_leader(&self, leader: &Server) -> Option<Result<u64, Error>> {
        if leader.id == self.server() {
            return self.confirm().await.ok().map(Ok);
        }
        let head = match self.head(leader.id) {
            Ok(head) => head,
            Err(error) => return Some(Err(error)),
        };
        let channel = self.way.channel(leader).ok()?;
        let mut client = LeaderClient::new(channel);
        let reply = client.confirm(wire::confirm_to_wire(head)).await.ok()?.into_inner();
        match reply.outcome {
            Some(ConfirmOutcome::Index(index)) => Some(Ok(index)),
            Some(ConfirmOutcome::Failed(_)) | None => None,
        }
    }

    /// The same for another server that asks this one as the leader.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if this server does not lead or no quorum follows.
    pub async fn confirm(&self) -> Result<u64, Error> {
        self.trusted()?;
        Ok(self.raft.confirm().await?)
    }

    /// Waits until the history has all rows of the entries up to this one; else it is noted how far it is.
    pub(super) async fn history_up_to(&self, index: u64) {
        if let Err(shown) = self.history_reaches(index).await {
            TRACE.try_with(|trace| trace.history.store(shown + 1, Ordering::Relaxed)).ok();
        }
    }

    /// How many entries the history is behind the state, if it does not catch up soon.
    pub(super) async fn history_lag(&self) -> Option<u64> {
        let index = self.raft.advanced().borrow().index().unwrap_or(0);
        self.history_reaches(index).await.err().map(|shown| index.saturating_sub(shown))
    }

    /// Waits, not for long, until the history has all rows of the entries up to this one; else how far it is.
    async fn history_reaches(&self, index: u64) -> Result<(), u64> {
        let mut visible = self.history.visible();
        let reached = visible.wait_for(|visible| *visible >= index);
        match tokio::time::timeout(HISTORY_PATIENCE, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(*self.history.visible().borrow()),
        }
    }
}

/// The index of a view, noted.
pub(super) fn noted(view: raft::View<Ledger>) -> raft::View<Ledger> {
    note(view.mark.index().unwrap_or(0));
    view
}
