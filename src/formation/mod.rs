//! Formation: how this server comes to belong to a cluster, and what it answers to servers that want to.
//!
//! - Does: carries out the steps of the core's bootstrap: asks and answers other servers, has promises put on
//!   the disk, says when the log is to be initialised or taken from a cluster; tells agents who the servers are.
//! - Owns: the memory of one process on its way into a cluster.
//! - Never: decides (the core does), starts consensus (the node does, when it is told to enter).
//! - Fails: a peer that does not answer is asked again; a disk that fails ends the room.

mod calls;
mod seek;
mod service;

pub use seek::{SeekError, seek};

use crate::clock::steady;
use crate::net::Channels;
use crate::raft::{self, Promises};
use calls::Heard;
use dkron_core::bootstrap::{Forming, Own, Plan, Promise, Stage, Step, Wait, Warning};
use dkron_core::command::Founding;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, NodeId, Stamp};
use dkron_core::limits;
use dkron_core::roster::Roster;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// What the node is to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Initialise the log with exactly this set; then [`Formation::initialised`].
    Found(Promise),
    /// Take the log of this cluster from its leader; then [`Formation::founded`].
    Join(Stamp),
    /// The log is of a cluster that can never be founded: set the data aside.
    SetAside(ClusterId),
}

/// How far the server is, for people.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Status {
    /// What is waited for; none before the first look.
    pub wait: Option<Wait>,
    /// What is wrong.
    pub warnings: Vec<Warning>,
}

/// What the room works with.
pub struct Options {
    /// What the server knows of itself.
    pub own: Own,
    /// How far it came in its earlier life.
    pub stage: Stage,
    /// The promise on its disk.
    pub promise: Option<Promise>,
    /// The clusters that it never serves, by its disk.
    pub forsworn: BTreeSet<ClusterId>,
    /// Where promises are kept.
    pub promises: Promises,
    /// The servers that are seen.
    pub roster: watch::Receiver<Arc<Roster>>,
    /// Connections to them.
    pub channels: Channels,
}

/// The handle of the room. Cheap to clone.
#[derive(Clone)]
pub struct Formation {
    inner: Arc<Inner>,
}

struct Inner {
    own: NodeId,
    region: Arc<str>,
    formats: Formats,
    forming: Mutex<Forming>,
    promises: Promises,
    roster: watch::Receiver<Arc<Roster>>,
    channels: Channels,
    news: Notify,
    status: watch::Sender<Status>,
    failure: Mutex<Option<raft::Error>>,
}

type Calls = FuturesUnordered<BoxFuture<'static, Option<Heard>>>;

impl Formation {
    /// A room that answers; [`Formation::run`] makes it act.
    pub fn new(options: Options) -> Formation {
        let Options { own, stage, promise, forsworn, promises, roster, channels } = options;
        let (id, region, formats) = (own.id, own.region.clone(), own.formats);
        let inner = Inner {
            own: id,
            region,
            formats,
            forming: Mutex::new(Forming::new(own, stage, promise, steady()).with_forsworn(forsworn)),
            promises,
            roster,
            channels,
            news: Notify::new(),
            status: watch::Sender::new(Status::default()),
            failure: Mutex::new(None),
        };
        Formation { inner: Arc::new(inner) }
    }

    /// How far the server is.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// The own log was initialised with the set of the own promise, durably.
    pub fn initialised(&self) {
        self.forming().on_initialised();
        self.inner.news.notify_one();
    }

    /// The own state belongs to this cluster, which a quorum has founded.
    pub fn founded(&self, stamp: Stamp) {
        self.forming().on_formed(stamp);
        self.inner.news.notify_one();
    }

    /// Acts until it is dropped, or until the disk fails. `draft` makes what a new cluster would be founded
    /// with, under a fresh random id each time.
    ///
    /// # Errors
    /// Of the disk that holds the promise.
    pub async fn run(
        self,
        draft: impl Fn() -> Founding + Send,
        entries: mpsc::Sender<Entry>,
    ) -> Result<(), raft::Error> {
        let mut calls = Calls::new();
        let mut roster = self.inner.roster.clone();
        loop {
            self.check()?;
            let plan = self.plan(&draft());
            let stores = plan.steps.iter().any(|step| matches!(step, Step::Store(_) | Step::Forswear(_)));
            self.tell(&plan);
            for step in plan.steps {
                self.carry_out(step, &mut calls, &entries).await?;
            }
            if stores {
                continue;
            }
            tokio::select! {
                changed = roster.changed() => if changed.is_err() { return Ok(()) },
                Some(heard) = calls.next() => heard.into_iter().for_each(|heard| self.hear(heard)),
                () = self.inner.news.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(limits::HELLO_EVERY.millis() as u64)) => {}
            }
        }
    }

    fn plan(&self, draft: &Founding) -> Plan {
        let roster = self.inner.roster.borrow().clone();
        self.forming().step(&roster, draft, steady())
    }

    async fn carry_out(
        &self,
        step: Step,
        calls: &mut Calls,
        entries: &mpsc::Sender<Entry>,
    ) -> Result<(), raft::Error> {
        let entry = match step {
            Step::Store(promise) => return self.store(promise).await,
            Step::Forswear(cluster) => return self.forswear(cluster).await,
            Step::Hello(peer, hello) => {
                calls.push(Box::pin(self.ask(peer, hello)));
                return Ok(());
            }
            Step::Ask(peer, promise) => {
                calls.push(Box::pin(self.ask_promise(peer, promise)));
                return Ok(());
            }
            Step::Abort(peer, cluster) => {
                calls.push(Box::pin(self.give_up(peer, cluster)));
                return Ok(());
            }
            Step::Found(promise) => Entry::Found(promise),
            Step::Join { stamp, .. } => Entry::Join(stamp),
            Step::SetAside(cluster) => Entry::SetAside(cluster),
        };
        entries.send(entry).await.map_err(|_| raft::Error::Stopped)
    }

    /// Puts a promise, or none, on the disk.
    async fn store(&self, promise: Option<Promise>) -> Result<(), raft::Error> {
        self.inner.promises.set(promise).await?;
        self.forming().on_stored(steady());
        Ok(())
    }

    /// Notes on the disk that this server never serves a cluster.
    async fn forswear(&self, cluster: ClusterId) -> Result<(), raft::Error> {
        self.inner.promises.forswear(cluster).await?;
        self.forming().on_forsworn(cluster);
        Ok(())
    }

    fn hear(&self, heard: Heard) {
        let mut forming = self.forming();
        match heard {
            Heard::Answer(peer, hello, answer) => forming.on_answer(peer, &hello, answer, steady()),
            Heard::Verdict(peer, cluster, verdict) => forming.on_verdict(peer, cluster, verdict),
        }
    }

    /// Publishes how far the server is, and logs what is new in it.
    fn tell(&self, plan: &Plan) {
        let status = Status { wait: Some(plan.wait.clone()), warnings: plan.warnings.clone() };
        self.inner.status.send_if_modified(|shown| {
            if shown.wait != status.wait {
                tracing::info!("this server {}", plan.wait);
            }
            for warning in status.warnings.iter().filter(|warning| !shown.warnings.contains(warning)) {
                tracing::warn!("{warning}");
            }
            let changed = *shown != status;
            *shown = status;
            changed
        });
    }

    fn check(&self) -> Result<(), raft::Error> {
        let mut failure = self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().map_or(Ok(()), Err)
    }

    fn forming(&self) -> MutexGuard<'_, Forming> {
        self.inner.forming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
