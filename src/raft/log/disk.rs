//! The one thread that writes the database, because only whoever owns the writes can promise their order.
//!
//! It drains its bounded queue into one sled batch, flushes, forces the `db` file to the disk through a
//! second handle (sled itself never does), and only then answers. Deleting purged entries is cut into slices
//! between other writes: the marker that hides them is written first, so that it may end at any time.

use super::keys::{self, Slot};
use crate::lock;
use crate::raft::error::Error;
use crate::telemetry::counters;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// sled writes a leaf of up to 17 values as one piece and keeps a piece above a quarter of a segment in a
/// file of its own, never synced: 17 entries of 64 KiB must stay below that quarter, which they do in 8 MiB.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// The default of 1 GiB would be the largest thing in the process; the log's tail is cached apart.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Enough for both entries in flight, the votes and the purges of one round, with room.
const QUEUE: usize = 1_024;
/// One batch's bytes: several entries share a flush, and no flush takes long.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Entries deleted between two rounds: about a millisecond.
const DELETE_SLICE: u64 = 256;

/// Called once the write is on the disk, or failed.
pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Forces what was written to the disk.
pub(crate) type Force = Box<dyn FnMut() -> io::Result<()> + Send>;

/// One write.
pub(crate) enum Write {
    /// Entries, by index.
    Entries {
        /// Index and record, in order.
        records: Vec<(u64, Vec<u8>)>,
        /// Answered on the disk.
        done: Done,
    },
    /// Some of the single records, in one step, on the disk before it is answered.
    Records {
        /// Which, and their bytes.
        records: Vec<(Slot, Vec<u8>)>,
        /// Answered on the disk.
        done: Done,
    },
    /// Some of the single records and the log's next entries: all of them are there after a crash, or none.
    Step {
        /// Which records, and their bytes.
        records: Vec<(Slot, Vec<u8>)>,
        /// Index and record, in order.
        entries: Vec<(u64, Vec<u8>)>,
        /// Answered on the disk.
        done: Done,
    },
    /// One of the single records, whenever the next write goes to the disk.
    Note {
        /// Which.
        slot: Slot,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Entries from this index on are removed in one step.
    Truncate {
        /// The first to go.
        from: u64,
        /// Answered on the disk.
        done: Done,
    },
    /// Entries up to this index are hidden by the marker and removed in time.
    Purge {
        /// The last to go.
        through: u64,
        /// The purge marker.
        marker: Vec<u8>,
        /// Answered once the marker is on the disk.
        done: Done,
    },
    /// The end: what comes later is refused.
    Stop,
}

/// The writing end and the readable database.
#[derive(Clone)]
pub(crate) struct Disk {
    database: sled::Db,
    pen: Pen,
}

/// The writing end alone. It does not keep the database open: who has it need not go for the directory to be given
/// back.
#[derive(Clone)]
pub(crate) struct Pen {
    queue: mpsc::Sender<Write>,
    path: Arc<Path>,
}

/// The writing thread.
pub(crate) struct DiskThread(std::thread::JoinHandle<()>);

/// The end of a disk.
pub(crate) struct DiskEnd {
    pen: Pen,
    thread: DiskThread,
}

impl DiskEnd {
    /// Waits until everything queued is written, and a while for readers that are about to go, so that the
    /// directory can be opened again at once. Blocks.
    pub(crate) fn close(self) {
        drop(self.pen.queue.blocking_send(Write::Stop));
        if self.thread.0.join().is_err() {
            tracing::error!("the log's writer panicked");
        }
        if !matches!(lock::wait_until_free(&self.pen.path.join("db")), Ok(true)) {
            tracing::debug!("somebody still reads the log");
        }
    }
}

impl Disk {
    /// Opens or creates the database in `path`, with its files and folders on the disk, and with something around
    /// the forcing of bytes to it.
    pub(crate) fn open_with(
        path: &Path,
        around: impl FnOnce(Force) -> Force,
    ) -> Result<(Disk, DiskThread), Error> {
        std::fs::create_dir_all(path).map_err(Error::file(path, "creating the folder"))?;
        let file = path.join("db");
        let config = sled::Config::default()
            .path(path)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let opened = lock::patiently(|| config.open(), is_held);
        if is_held(&opened) {
            return Err(Error::InUse(path.to_path_buf()));
        }
        let database = opened.map_err(Error::database(path))?;
        let second = File::options().write(true).open(&file).map_err(Error::file(&file, "opening"))?;
        second.sync_all().map_err(Error::file(&file, "syncing"))?;
        sync_folder(path)?;
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        let flushed = database.clone();
        let force: Force = Box::new(move || {
            flushed.flush().map_err(io::Error::other)?;
            counters::LOG_SYNCS.add(1);
            second.sync_data()
        });
        let (queue, writes) = mpsc::channel(QUEUE);
        let mut writer = Writer {
            database: database.clone(),
            force: around(force),
            path: path.into(),
            failed: None,
            backlog: None,
            stopped: false,
        };
        let thread = std::thread::Builder::new()
            .name("raft-disk".to_owned())
            .spawn(move || writer.run(writes))
            .map_err(Error::file(path, "starting the writer"))?;
        Ok((Disk { database, pen: Pen { queue, path: path.into() } }, DiskThread(thread)))
    }

    /// The same with nothing around it.
    #[cfg(test)]
    pub(crate) fn open(path: &Path) -> Result<(Disk, DiskThread), Error> {
        Disk::open_with(path, |force| force)
    }

    /// The writing end, which keeps nothing open.
    pub(crate) fn pen(&self) -> Pen {
        self.pen.clone()
    }

    /// Queues a write; waits only while the queue is full.
    pub(crate) async fn write(&self, write: Write) -> io::Result<()> {
        self.pen.write(write).await
    }

    /// Queues a write and waits until it is on the disk.
    pub(crate) async fn write_through(&self, write: impl FnOnce(Done) -> Write) -> io::Result<()> {
        self.pen.write_through(write).await
    }

    /// The bytes of one of the single records.
    pub(crate) fn record(&self, slot: Slot) -> Result<Option<Vec<u8>>, Error> {
        let found = self.database.get(slot.key()).map_err(Error::database(self.path()))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// The stored entries of a range, in order, as index and record.
    pub(crate) fn entries(
        &self,
        range: RangeInclusive<u64>,
    ) -> impl Iterator<Item = Result<(u64, sled::IVec), Error>> + '_ {
        let (from, to) = (keys::entry(*range.start()), keys::entry(*range.end()));
        self.database.range(from..=to).map(|item| {
            let (key, value) = item.map_err(Error::database(self.path()))?;
            let index = keys::index(&key)
                .ok_or(Error::DamagedRecord { path: self.path().to_path_buf(), what: "key" })?;
            Ok((index, value))
        })
    }

    /// What ends it, without keeping it open.
    pub(crate) fn end(&self, thread: DiskThread) -> DiskEnd {
        DiskEnd { pen: self.pen.clone(), thread }
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> &Path {
        &self.pen.path
    }
}

impl Pen {
    /// Queues a write; waits only while the queue is full.
    pub(crate) async fn write(&self, write: Write) -> io::Result<()> {
        self.queue.send(write).await.map_err(|_| Error::Stopped.into_io())
    }

    /// Writes some of the single records in one step and waits until they are on the disk.
    pub(crate) async fn write_records(&self, records: Vec<(Slot, Vec<u8>)>) -> io::Result<()> {
        self.write_through(|done| Write::Records { records, done }).await
    }

    /// Queues a write and waits until it is on the disk.
    pub(crate) async fn write_through(&self, write: impl FnOnce(Done) -> Write) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let done: Done = Box::new(move |result| drop(sender.send(result)));
        self.write(write(done)).await?;
        receiver.await.unwrap_or_else(|_| Err(Error::Stopped.into_io()))
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether somebody else has the lock on sled's file, for which sled asks once: it says so in words only.
fn is_held(opened: &sled::Result<sled::Db>) -> bool {
    matches!(opened, Err(sled::Error::Io(error)) if error.to_string().starts_with("could not acquire lock"))
}

/// Forces a folder's list of names to the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = File::open(path).map_err(Error::file(path, "opening the folder"))?;
    folder.sync_all().map_err(Error::file(path, "syncing the folder"))
}

struct Writer {
    database: sled::Db,
    force: Force,
    path: PathBuf,
    /// The first failure: after it nothing is written any more, since what is on the disk is not known.
    failed: Option<String>,
    /// Purged entries still to be deleted.
    backlog: Option<RangeInclusive<u64>>,
    stopped: bool,
}

/// What one round has gathered.
#[derive(Default)]
struct Round {
    batch: sled::Batch,
    bytes: usize,
    waiting: Vec<Done>,
    changed: bool,
}

impl Writer {
    fn run(&mut self, mut writes: mpsc::Receiver<Write>) {
        while !self.stopped
            && let Some(first) = self.next(&mut writes)
        {
            let mut round = Round::default();
            self.gather(first, &mut round);
            while round.bytes < BATCH_BYTES && !self.stopped {
                match writes.try_recv() {
                    Ok(write) => self.gather(write, &mut round),
                    Err(_) => break,
                }
            }
            self.finish(round);
        }
        if self.failed.is_none() {
            self.delete_slice(u64::MAX);
            let _closing = (self.force)();
        }
    }

    /// The next write; meanwhile what is purged is deleted slice by slice.
    fn next(&mut self, writes: &mut mpsc::Receiver<Write>) -> Option<Write> {
        loop {
            if self.backlog.is_none() || self.failed.is_some() {
                return writes.blocking_recv();
            }
            match writes.try_recv() {
                Ok(write) => return Some(write),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => self.delete_slice(DELETE_SLICE),
            }
        }
    }

    fn gather(&mut self, write: Write, round: &mut Round) {
        match write {
            Write::Entries { records, done } => {
                for (index, record) in records {
                    round.put(keys::entry(index).to_vec(), record);
                }
                round.waiting.push(done);
            }
            Write::Records { records, done } => {
                for (slot, bytes) in records {
                    round.put(slot.key().to_vec(), bytes);
                }
                round.waiting.push(done);
            }
            Write::Step { records, entries, done } => {
                for (slot, bytes) in records {
                    round.put(slot.key().to_vec(), bytes);
                }
                for (index, record) in entries {
                    round.put(keys::entry(index).to_vec(), record);
                }
                round.waiting.push(done);
            }
            Write::Note { slot, bytes } => round.put(slot.key().to_vec(), bytes),
            Write::Truncate { from, done } => self.gather_truncation(from, done, round),
            Write::Purge { through, marker, done } => {
                round.put(Slot::Purged.key().to_vec(), marker);
                round.waiting.push(done);
                self.backlog = Some(0..=through);
            }
            Write::Stop => self.stopped = true,
        }
    }

    /// What is to go may stand in this very round, so the round goes to the disk first.
    fn gather_truncation(&mut self, from: u64, done: Done, round: &mut Round) {
        self.finish(std::mem::take(round));
        for item in self.database.range(keys::entry(from)..=keys::entry(u64::MAX)) {
            match item {
                Ok((key, _)) => round.batch.remove(key),
                Err(error) => self.fail(&error.to_string()),
            }
        }
        round.changed = true;
        round.waiting.push(done);
    }

    /// One batch, one flush, one sync, then the answers.
    fn finish(&mut self, round: Round) {
        if round.changed && self.failed.is_none() {
            counters::LOG_BYTES.add(round.bytes as u64);
            if let Err(error) = self.database.apply_batch(round.batch) {
                self.fail(&error.to_string());
            } else if !round.waiting.is_empty()
                && let Err(error) = (self.force)()
            {
                self.fail(&error.to_string());
            }
        }
        for done in round.waiting {
            done(match &self.failed {
                None => Ok(()),
                Some(why) => Err(io::Error::other(why.clone())),
            });
        }
    }

    fn fail(&mut self, why: &str) {
        tracing::error!(path = %self.path.display(), why, "the log cannot be written any more");
        self.failed.get_or_insert_with(|| format!("writing {} failed: {why}", self.path.display()));
    }

    /// Deletes up to `most` purged entries; not synced, since the marker hides them anyway.
    fn delete_slice(&mut self, most: u64) {
        let Some(range) = self.backlog.take() else { return };
        let limit = usize::try_from(most).unwrap_or(usize::MAX);
        let mut batch = sled::Batch::default();
        let mut count = 0;
        for item in
            self.database.range(keys::entry(*range.start())..=keys::entry(*range.end())).keys().take(limit)
        {
            match item {
                Ok(key) => batch.remove(key),
                Err(error) => return self.fail(&error.to_string()),
            }
            count += 1;
        }
        if let Err(error) = self.database.apply_batch(batch) {
            return self.fail(&error.to_string());
        }
        if count == limit {
            self.backlog = Some(range);
        }
    }
}

impl Round {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.batch.insert(key, value);
        self.changed = true;
    }
}
