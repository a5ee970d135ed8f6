//! The one writer of rows: drains what is queued, writes it with its applied index as one batch, makes it
//! durable, then shows it to readers and publishes the index.

use super::disk::catalogue::{file_name, sync_folder};
use super::disk::entry::{Entry, Position, ROWS_PER_ENTRY_MAX, position};
use super::disk::record;
use super::disk::segment::{Segment, Trailer, seal};
use super::error::{Context, Result};
use super::head::Staged;
use super::settings::Applied;
use super::store::Store;
use crate::telemetry::counters;
use dkron_core::execution::HistoryRow;
use dkron_core::time::Time;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// A batch is written once it has this many bytes, whatever is queued: it bounds memory and the delay of the
/// first.
const BATCH_BYTES: usize = 1 << 20;
/// Entries without rows are made durable at the latest when so many are not yet: a replay of them costs
/// nothing.
const IDLE_ENTRIES: u64 = 4_096;
/// The pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What the writer is told.
pub(super) enum Message {
    Applied(Applied),
    Tick(Time),
    Sync(oneshot::Sender<()>),
}

/// The writer's own state.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) segment: Arc<Segment>,
    /// Where the durable frames of the segment end.
    pub(super) end: u64,
    /// The durable index.
    pub(super) applied: u64,
    pub(super) synced: watch::Sender<u64>,
    /// The index up to which all rows can be read.
    pub(super) visible: watch::Sender<u64>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) keeper: SyncSender<()>,
    /// The index of the last entry taken in.
    pub(super) taken: u64,
    pub(super) batch: Batch,
}

/// What is encoded but not yet durable.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    staged: Staged,
}

impl Writer {
    /// Works until the last sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut waiting = Vec::new();
        while let Some(message) = queue.blocking_recv() {
            let mut eager = self.handle(message, &mut waiting);
            while self.batch.bytes.len() < BATCH_BYTES
                && let Ok(message) = queue.try_recv()
            {
                eager |= self.handle(message, &mut waiting);
            }
            let idle = self.taken.saturating_sub(self.applied);
            if idle > 0 && (eager || !self.batch.entries.is_empty() || idle >= IDLE_ENTRIES) {
                self.commit();
            }
            if self.batch.entries.is_empty() {
                let taken = self.taken;
                // Most turns change nothing, and each reader that waits would be woken.
                self.visible.send_if_modified(|visible| std::mem::replace(visible, taken) != taken);
            }
            if self.taken == self.applied {
                for answer in waiting.drain(..) {
                    let _: std::result::Result<(), ()> = answer.send(());
                }
            }
        }
        if self.taken > self.applied {
            self.commit();
        }
    }

    /// Takes a message in; true if even an idle index is now wanted on disk.
    fn handle(&mut self, message: Message, waiting: &mut Vec<oneshot::Sender<()>>) -> bool {
        match message {
            Message::Applied(applied) => {
                self.take(&applied);
                return false;
            }
            Message::Tick(now) => {
                self.store.advance(now);
                // A keeper that is still busy with the last tick loses nothing by missing one.
                let _ = self.keeper.try_send(());
            }
            Message::Sync(answer) => waiting.push(answer),
        }
        true
    }

    /// Encodes an entry's rows; an entry that is in already is a replay and changes nothing.
    fn take(&mut self, applied: &Applied) {
        if applied.index <= self.taken {
            return;
        }
        self.taken = applied.index;
        if applied.rows.len() > ROWS_PER_ENTRY_MAX {
            tracing::error!(
                index = applied.index,
                rows = applied.rows.len(),
                "rows above the bound are left out"
            );
        }
        for (place, row) in applied.rows.iter().take(ROWS_PER_ENTRY_MAX).enumerate() {
            self.add(position(applied.index, place), row);
        }
    }

    fn add(&mut self, position: Position, row: &HistoryRow) {
        let body = record::encode(row);
        if body.len() + 64 > record::PAYLOAD_MAX {
            tracing::error!(position, bytes = body.len(), "a row above the bound is left out");
            return;
        }
        let output = match row {
            HistoryRow::Finished(run) => self.store.outputs.length(run.id),
            _ => 0,
        };
        let batch = &mut self.batch;
        let bytes = body.len() as u64 + output;
        let link = batch.staged.link(&self.store.heads, position, row, bytes);
        let mut entry = Entry::of(row, link);
        entry.offset = batch.bytes.len() as u32;
        entry.length = record::append_row(&mut batch.bytes, entry.kind, &link, &body);
        batch.entries.push(entry);
    }

    /// Makes the batch durable, however long the disk refuses: what is taken in is never dropped while
    /// running.
    fn commit(&mut self) {
        let rows_end = self.batch.bytes.len();
        record::append_commit(&mut self.batch.bytes, self.taken);
        let mut said = false;
        while let Err(error) = self.write() {
            if !said {
                tracing::error!(%error, "the history cannot be written; trying again until it can");
                said = true;
            }
            if self.stopping.load(Ordering::Relaxed) {
                self.batch.bytes.truncate(rows_end);
                self.taken = self.applied;
                return;
            }
            std::thread::sleep(RETRY);
            self.abandon();
        }
        self.publish();
    }

    fn write(&mut self) -> Result<()> {
        if self.end >= u64::from(self.store.settings.segment_bytes) {
            self.roll()?;
        }
        let file = self.segment.file();
        file.write_all_at(&self.batch.bytes, self.end).at("write", &self.segment.path)?;
        counters::HISTORY_BYTES.add(self.batch.bytes.len() as u64);
        counters::HISTORY_SYNCS.add(1);
        file.sync_data().at("sync", &self.segment.path)
    }

    /// Shows readers what is durable now: first the rows, then the heads that lead to them, then the index.
    fn publish(&mut self) {
        let reach = position(self.taken + 1, 0) - 1;
        self.store.durable.store(reach, Ordering::Release);
        let batch = &mut self.batch;
        for entry in &mut batch.entries {
            entry.offset += self.end as u32;
        }
        self.segment.publish(&batch.entries);
        batch.staged.publish(&self.store.heads);
        self.end += batch.bytes.len() as u64;
        self.store.appended.fetch_add(batch.bytes.len() as u64, Ordering::Relaxed);
        self.applied = self.taken;
        self.store.published.store(reach, Ordering::Release);
        batch.bytes.clear();
        batch.entries.clear();
        self.synced.send_replace(self.applied);
    }

    /// Closes the full segment and begins the next.
    fn roll(&mut self) -> Result<()> {
        let old = Arc::clone(&self.segment);
        if old.rows() > 0 {
            let entries = old.entries(0, usize::MAX)?;
            let trailer = Trailer {
                frames: self.end,
                first: old.first(),
                last: position(self.applied + 1, 0) - 1,
                applied: self.applied,
                ..Trailer::default()
            };
            seal(old.file(), &old.path, &entries, trailer)?;
            let sealed = Arc::new(Segment::open(old.path.clone())?);
            self.store.catalogue.replace(&[Arc::clone(&old)], Some(Arc::clone(&sealed)));
            self.segment = sealed;
        }
        self.begin()
    }

    /// Leaves a segment that refused a write: after a failed sync nobody knows what its pages hold.
    fn abandon(&mut self) {
        let cut = self.segment.file().set_len(self.end).at("cut", &self.segment.path);
        if let Err(error) = cut.and_then(|()| self.begin()) {
            tracing::warn!(%error, "no new history segment either");
        }
    }

    fn begin(&mut self) -> Result<()> {
        let first = position(self.applied + 1, 0);
        let old = Arc::clone(&self.segment);
        let segment = Arc::new(create(&self.store, first, self.applied)?);
        self.end = segment.file().metadata().at("measure", &segment.path)?.len();
        self.store.catalogue.push(Arc::clone(&segment));
        if old.rows() == 0 {
            self.store.catalogue.replace(&[Arc::clone(&old)], None);
            std::fs::remove_file(&old.path).at("remove", &old.path)?;
        }
        self.segment = segment;
        Ok(())
    }
}

/// Creates an empty segment whose first commit says how far the log is applied.
pub(super) fn create(store: &Store, first: Position, applied: u64) -> Result<Segment> {
    let path = store.settings.folder.join(file_name(first, store.next_serial()));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(&path).at("create", &path)?;
    let mut bytes = Vec::new();
    record::append_commit(&mut bytes, applied);
    file.write_all_at(&bytes, 0).at("write", &path)?;
    file.sync_all().at("sync", &path)?;
    sync_folder(&store.settings.folder)?;
    Ok(Segment::growing(path, file, first, Vec::new()))
}
