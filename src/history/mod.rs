//! The history: finished executions, skipped ticks and outputs on this server's disk.
//!
//! **Does.** Takes the rows that apply made, in the order of the log; writes them and the applied index as
//! one durable batch; publishes that index. Answers questions about them. Keeps outputs, which come outside
//! the log. Drops what is older than this server keeps.
//!
//! **Owns.** One folder, which is locked: `*.rows` (segments of rows), `*.heads` (checkpoints of the chains'
//! heads), `outputs/` (segments of outputs), `damaged/` (what was set aside), and three threads: the writer
//! of rows, the keeper (retention, checkpoints) and the writer of outputs.
//!
//! **Never.** It decides nothing that another server must agree on: retention is outside the digest. It knows
//! no running execution. It reads no clock: times come with rows and ticks. It drops nothing that is younger
//! than what it keeps.
//!
//! **Fails.** A disk that refuses a write: the writer tries again until it can, the queue fills, apply waits.
//! A crash: the torn end is cut off, the log brings those rows again. Damage in the middle: the file is set
//! aside, what is whole of it is served, [`History::certain_after`] says from where on nothing is missing.
//!
//! **How.** Rows are appended to segments. A row carries the position of its job's previous row, so a job's
//! rows form a chain, newest first; the newest row of each job, its *head*, is in memory. A row also carries
//! its number, its size and its age along the chain, so that a comparison with the head says whether it is
//! kept. See `docs/adr/0003-history-store.md` for the measurements behind this.

mod checkpoint;
mod disk;
mod error;
mod head;
mod keeper;
mod lost;
mod open;
mod outputs;
mod query;
mod settings;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use outputs::Output;
pub use query::{Cursor, Filter, Listing, Name, Order, Page, Whose};
pub use settings::{Applied, Retention, Settings};

use disk::entry::Kind;
use dkron_core::execution::{Finished, Skipped};
use dkron_core::ids::{ExecutionId, JobUid};
use dkron_core::limits::OUTPUT_BYTES_MAX;
use dkron_core::time::Time;
use keeper::Keeper;
use outputs::{OutputMessage, OutputWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use store::Store;
use tokio::sync::{mpsc, oneshot, watch};
use writer::{Message, Writer};

/// Outputs that may wait for their writer: at their largest 16 MiB.
const OUTPUT_QUEUE: usize = 64;

/// The room, opened.
#[derive(Debug)]
pub struct Opened {
    /// For those who ask.
    pub history: History,
    /// For the one who feeds it.
    pub appender: Appender,
    /// For the one who stops it.
    pub threads: Threads,
}

/// Opens the history and starts its threads. Blocks: reads the last checkpoint and the rows since.
pub fn open(settings: Settings) -> Result<Opened> {
    let opened = open::open(settings)?;
    let store = opened.store;
    let stopping = Arc::new(AtomicBool::new(false));
    let (synced_in, synced) = watch::channel(opened.applied);
    let (visible_in, visible) = watch::channel(opened.applied);
    let (queue, messages) = mpsc::channel(store.settings.queue.max(1));
    let (outputs, output_messages) = mpsc::channel(OUTPUT_QUEUE);
    let (ticks, ticked) = std::sync::mpsc::sync_channel(1);
    let writer = Writer {
        store: Arc::clone(&store),
        segment: opened.segment,
        end: opened.end,
        applied: opened.applied,
        taken: opened.applied,
        synced: synced_in,
        visible: visible_in,
        stopping: Arc::clone(&stopping),
        keeper: ticks,
        batch: writer::Batch::default(),
    };
    let keeper = Keeper::new(Arc::clone(&store), outputs.clone());
    let output_writer = OutputWriter::new(Arc::clone(&store))?;
    let threads = Threads {
        handles: vec![
            thread("history-rows", move || writer.run(messages))?,
            thread("history-keep", move || keeper.run(ticked))?,
            thread("history-outs", move || output_writer.run(output_messages))?,
        ],
        stopping,
    };
    let history = History { store, outputs, synced: synced.clone(), visible };
    Ok(Opened { history, appender: Appender { queue, synced }, threads })
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(work).map_err(|source| Error::Io {
        action: "start thread",
        path: name.into(),
        source,
    })
}

/// The threads of the room.
#[derive(Debug)]
pub struct Threads {
    handles: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

impl Threads {
    /// Waits until all that is queued is written and the threads have ended, which they do once every
    /// [`Appender`] and [`History`] is dropped. A disk that refuses writes no longer holds them up. Blocks.
    pub fn join(self) {
        self.stopping.store(true, Ordering::Relaxed);
        for handle in self.handles {
            if handle.join().is_err() {
                tracing::error!("a thread of the history has panicked");
            }
        }
    }
}

/// Feeds the history. Batches are taken in the order in which they are sent.
#[derive(Clone, Debug)]
pub struct Appender {
    queue: mpsc::Sender<Message>,
    synced: watch::Receiver<u64>,
}

impl Appender {
    /// Hands over an applied entry; waits while the queue is full. An index at or below the last one is a
    /// replay and changes nothing. An entry without rows is made durable with the next that has some, at the
    /// next tick, or soon.
    pub async fn append(&self, applied: Applied) -> Result<()> {
        self.queue.send(Message::Applied(applied)).await.map_err(|_| Error::Stopped)
    }

    /// The same for a thread of its own, such as apply's.
    pub fn append_blocking(&self, applied: Applied) -> Result<()> {
        self.queue.blocking_send(Message::Applied(applied)).map_err(|_| Error::Stopped)
    }

    /// Tells the time, about once a second, never more than it is (rows beyond the age are dropped for good):
    /// makes idle entries durable, and lets retention do a bounded piece of work.
    pub async fn tick(&self, now: Time) -> Result<()> {
        self.queue.send(Message::Tick(now)).await.map_err(|_| Error::Stopped)
    }

    /// Waits until all that was sent before is durable: what a snapshot needs before it is renamed into
    /// place.
    pub async fn sync(&self) -> Result<()> {
        let (answer, done) = oneshot::channel();
        self.queue.send(Message::Sync(answer)).await.map_err(|_| Error::Stopped)?;
        done.await.map_err(|_| Error::Stopped)
    }

    /// How many more entries may be sent without waiting, of how many in all.
    pub fn room(&self) -> (usize, usize) {
        (self.queue.capacity(), self.queue.max_capacity())
    }

    /// The log index up to which everything is durable.
    pub fn synced(&self) -> watch::Receiver<u64> {
        self.synced.clone()
    }
}

/// Asks the history. Cheap to clone. What is not `async` reads files: a page of 100 rows takes 0.8 ms, one of
/// 10 takes 0.04 ms while the system has them in memory, and ten times that when it has not, so ask from a
/// blocking thread, never from a runtime's own.
#[derive(Clone)]
pub struct History {
    store: Arc<Store>,
    outputs: mpsc::Sender<OutputMessage>,
    synced: watch::Receiver<u64>,
    visible: watch::Receiver<u64>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("History").field("folder", &self.store.settings.folder).finish_non_exhaustive()
    }
}

impl History {
    /// A job's finished executions.
    pub fn list(&self, job: JobUid, page: &Page) -> Listing<Finished> {
        self.store.list(Kind::Run, job, page, query::finished)
    }

    /// A job's skip records.
    pub fn skips(&self, job: JobUid, page: &Page) -> Listing<Skipped> {
        self.store.list(Kind::Skip, job, page, query::skipped)
    }

    /// One finished execution of a job.
    pub fn get(&self, job: JobUid, name: Name<'_>) -> Option<Finished> {
        self.store.get(job, name)
    }

    /// How many finished executions of a job are kept.
    pub fn count(&self, job: JobUid) -> usize {
        self.store.count(Kind::Run, job)
    }

    /// Executions across jobs, in the order of the log, newest first: at most `limit`, after looking at no
    /// more than `scan` rows (10,000 take about 0.1 ms). Fewer than `limit` with a next page means: look on
    /// from there.
    pub fn search(
        &self,
        filter: &Filter,
        from: Option<Cursor>,
        limit: usize,
        scan: usize,
    ) -> Listing<Finished> {
        self.store.search(filter, from, limit, scan)
    }

    /// What is kept of the log entries after `index`, in order, for a server that lacks it: about `bytes` of
    /// whole entries, and the index up to which the answer is complete.
    pub fn after(&self, index: u64, bytes: usize) -> Result<(Vec<Applied>, u64)> {
        self.store.after(index, bytes)
    }

    /// The log index up to which everything is durable.
    pub fn synced(&self) -> watch::Receiver<u64> {
        self.synced.clone()
    }

    /// The log index up to which every row can be read; it may be ahead of what is durable where entries had no
    /// rows.
    pub fn visible(&self) -> watch::Receiver<u64> {
        self.visible.clone()
    }

    /// From the entry after this one on, no row was lost, to damage or because nobody had it any more. 0 if none was
    /// at all.
    pub fn certain_after(&self) -> u64 {
        let view = self.store.catalogue.view();
        let trailers = view.iter().filter_map(|segment| segment.trailer());
        let damaged = trailers.map(|trailer| trailer.lost_up_to).max().unwrap_or(0);
        damaged.max(self.store.lost.load(Ordering::Relaxed))
    }

    /// Notes for good that rows of the entries up to this one are lost, since nobody had them.
    pub fn lose(&self, up_to: u64) -> Result<()> {
        lost::note(&self.store, up_to)
    }

    /// Whether an output of this execution is here.
    pub fn has_output(&self, id: ExecutionId) -> bool {
        self.store.outputs.length(id) > 0
    }

    /// Stores an output; durable once this returns. A second one of the same id takes the first one's place.
    pub async fn put_output(&self, id: ExecutionId, bytes: Vec<u8>, cut: bool) -> Result<()> {
        if bytes.len() > OUTPUT_BYTES_MAX {
            return Err(Error::OutputTooLarge { bytes: bytes.len(), bound: OUTPUT_BYTES_MAX });
        }
        let (answer, done) = oneshot::channel();
        let message = OutputMessage::Put { id, bytes, cut, answer };
        self.outputs.send(message).await.map_err(|_| Error::Stopped)?;
        done.await.map_err(|_| Error::Stopped)?
    }

    /// An output. It goes soon after its row, not in the same moment: who asks about a row looks that up
    /// first.
    pub fn output(&self, id: ExecutionId) -> Result<Option<Output>> {
        self.store.outputs.get(id)
    }
}
