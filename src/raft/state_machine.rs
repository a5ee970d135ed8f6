//! openraft's state machine: it hands everything to the state thread and to the snapshots.

use super::error::Error;
use super::machine::Machine;
use super::snapshot::{Incoming, Shelf, SnapshotFile};
use super::state_thread::{Item, Mark, View, Work};
use super::type_config::{LogId, SnapshotMeta, StoredMembership, Types};
use futures::{Stream, TryStreamExt};
use openraft::alias::SnapshotOf;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Entries handed over at once: a few turns of the state thread.
const HAND_OVER: usize = 64;

/// The state, as openraft sees it.
pub(crate) struct Fold<M: Machine> {
    thread: ThreadHandle<M>,
    shelf: Shelf,
    incoming: Arc<Incoming<M>>,
}

/// The way to the state thread.
pub(crate) struct ThreadHandle<M: Machine> {
    works: mpsc::Sender<Work<M>>,
    marks: watch::Receiver<Mark>,
}

impl<M: Machine> Clone for ThreadHandle<M> {
    fn clone(&self) -> Self {
        ThreadHandle { works: self.works.clone(), marks: self.marks.clone() }
    }
}

impl<M: Machine> ThreadHandle<M> {
    pub(crate) fn new(works: mpsc::Sender<Work<M>>, marks: watch::Receiver<Mark>) -> Self {
        ThreadHandle { works, marks }
    }

    /// How far the state is.
    pub(crate) fn marks(&self) -> &watch::Receiver<Mark> {
        &self.marks
    }

    /// The state as of now.
    pub(crate) async fn view(&self) -> Result<View<M>, Error> {
        self.ask(Work::View).await
    }

    /// What `look` sees in the state, between two turns of entries.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut M, &Mark) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(|reply| Work::Look(Box::new(move |machine, mark| drop(reply.send(look(machine, mark))))))
            .await
    }

    /// Ends the thread, after what is queued.
    pub(crate) async fn stop(&self) {
        drop(self.works.send(Work::Stop).await);
    }

    async fn ask<T>(&self, work: impl FnOnce(oneshot::Sender<T>) -> Work<M>) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        self.works.send(work(sender)).await.map_err(|_| Error::Stopped)?;
        receiver.await.map_err(|_| Error::Stopped)
    }
}

impl<M: Machine> Fold<M> {
    pub(crate) fn new(thread: ThreadHandle<M>, shelf: Shelf, incoming: Arc<Incoming<M>>) -> Self {
        Fold { thread, shelf, incoming }
    }

    /// What came over the network was checked and loaded there; what came in another way is now.
    async fn take_in(&self, snapshot: SnapshotFile) -> Result<(M, SnapshotFile), Error> {
        match self.incoming.take(&snapshot) {
            Some(machine) => Ok((machine, self.shelf.keep(snapshot).await?)),
            None => self.shelf.adopt::<M>(snapshot).await,
        }
    }

    async fn hand_over(&self, items: Vec<Item>) -> io::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        self.thread.ask(|done| Work::Apply { items, done }).await.map_err(Error::into_io)
    }
}

impl<M: Machine> RaftStateMachine<Types> for Fold<M> {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder<M>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let mark = self.thread.marks.borrow();
        Ok((mark.applied, (*mark.membership).clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut items = Vec::new();
        while let Some(item) = entries.try_next().await? {
            items.push(item);
            if items.len() == HAND_OVER {
                self.hand_over(std::mem::take(&mut items)).await?;
            }
        }
        self.hand_over(items).await
    }

    /// The keeper has written the file before it asks; only openraft itself may force a new one.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder<M>> {
        let exists = self.shelf.newest().is_some();
        (force || exists).then(|| Builder { thread: self.thread.clone(), shelf: self.shelf.clone(), force })
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M> {
        Builder { thread: self.thread.clone(), shelf: self.shelf.clone(), force: true }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotFile) -> io::Result<()> {
        let (machine, file) = self.take_in(snapshot).await.map_err(Error::into_io)?;
        if file.meta() != meta {
            let what = format!("it holds {}, not {meta}", file.meta());
            return Err(Error::DamagedSnapshot { path: file.path().to_path_buf(), what }.into_io());
        }
        let mark = Mark {
            applied: meta.last_log_id,
            membership: meta.last_membership.clone().into(),
            ..Mark::default()
        };
        let machine = Box::new(machine);
        self.thread.ask(|done| Work::Install { machine, mark, done }).await.map_err(Error::into_io)
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, SnapshotFile>>> {
        Ok(self.shelf.newest().map(SnapshotFile::into_snapshot))
    }
}

/// Answers with the newest file, or writes one if openraft insists.
pub(crate) struct Builder<M: Machine> {
    thread: ThreadHandle<M>,
    shelf: Shelf,
    force: bool,
}

impl<M: Machine> RaftSnapshotBuilder<Types> for Builder<M> {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, SnapshotFile>> {
        if self.force {
            let view = self.thread.view().await.map_err(Error::into_io)?;
            self.shelf.write::<M>(view).await.map_err(Error::into_io)?;
        }
        let newest = self.shelf.newest().ok_or_else(|| io::Error::other("no snapshot was written"))?;
        Ok(newest.into_snapshot())
    }
}
