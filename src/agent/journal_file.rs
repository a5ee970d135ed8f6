//! The journal on the disk: one file, one writer thread, one sync for all that is waiting.
//!
//! The file is a header and records in frames, a frame for each sync. A torn end was never acted upon and is
//! cut off. A damaged middle means that we do not know what we started: the file is set aside and a journal of
//! a new id begun, which tells the servers so.

use super::folder::{Folder, private};
use super::frames::{self, End};
use super::identity;
use crate::clock;
use crate::telemetry::counters;
use dkron_core::ids::{JournalId, Stamp};
use dkron_core::journal::Record;
use dkron_wire::WireError;
use dkron_wire::journal::{Header, decode_header, decode_record, encode_header, encode_record};
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

const NAME: &str = "journal";
const FRESH: &str = "journal.new";
/// More than the agent ever has waiting.
const QUEUE: usize = 4_096;
/// With so many waiting the agent waits too.
const CROWD: u64 = 2_048;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const RECORDS_PER_FRAME: usize = 4_096;
/// How long a full disk is waited for between two tries.
const RETRY: Duration = Duration::from_secs(1);
/// A file is rewritten when it is this large and four times what it was after the last time.
const COMPACT_BYTES: u64 = 8 * 1024 * 1024;

/// A journal that was read.
pub(super) struct Opened {
    pub(super) header: Header,
    pub(super) records: Vec<Record>,
    pub(super) file: JournalFile,
    /// Why an earlier file was set aside.
    pub(super) set_aside: Option<String>,
}

/// How far the writer is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// All steps up to this one are durable.
    pub(super) durable: u64,
    /// The file has grown enough to be rewritten.
    pub(super) bloated: bool,
    /// Nothing will be durable any more.
    pub(super) failed: Option<String>,
}

enum Order {
    Append { step: u64, records: Vec<Record> },
    Rewrite { step: u64, header: Header, records: Vec<Record> },
}

/// The door to the writer.
pub(super) struct JournalFile {
    sender: SyncSender<Order>,
    progress: watch::Receiver<Progress>,
    step: u64,
}

impl JournalFile {
    /// Reads the journal, or begins one, and starts its writer.
    ///
    /// The writer keeps `lock` to its end: an agent that is dropped leaves it with orders, and a journal that is
    /// read before they are on the disk would start again what they say was started.
    pub(super) fn open(folder: &Folder, lock: Arc<File>) -> io::Result<Opened> {
        let (opened, writer, receiver) = JournalFile::prepare(folder, lock)?;
        thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(opened)
    }

    /// All but the writer's thread: the writer, and where it finds its orders.
    fn prepare(folder: &Folder, lock: Arc<File>) -> io::Result<(Opened, Writer, Receiver<Order>)> {
        let (found, set_aside) = match read(folder)? {
            Found::Whole(found) => (Some(found), None),
            Found::Nothing => (None, None),
            Found::Damaged(problem) => (None, Some(problem)),
        };
        if set_aside.is_some() {
            let name = format!("{NAME}.damaged-{}", clock::wall().seconds());
            fs::rename(folder.path(NAME), folder.path(&name))?;
        }
        let (header, records) = match found {
            Some(found) => found,
            None => begin(folder, None)?,
        };
        let (sender, receiver) = sync_channel(QUEUE);
        let (progress, watcher) = watch::channel(Progress::default());
        let file = private().append(true).open(folder.path(NAME))?;
        // An agent that was killed may have left records that are read and not yet on the disk: we act upon them.
        file.sync_all()?;
        let length = file.metadata()?.len();
        let writer =
            Writer { folder: folder.clone(), file, length, compacted: length, progress, _lock: lock };
        let file = JournalFile { sender, progress: watcher, step: 0 };
        Ok((Opened { header, records, file, set_aside }, writer, receiver))
    }

    /// Hands over the records of a step; returns the number up to which all must be durable before the step's
    /// actions are taken.
    pub(super) fn append(&mut self, records: Vec<Record>) -> u64 {
        if !records.is_empty() {
            self.step += 1;
            self.order(Order::Append { step: self.step, records });
        }
        self.step
    }

    /// Replaces all that was appended by these records, which mean the same.
    pub(super) fn rewrite(&mut self, header: Header, records: Vec<Record>) -> u64 {
        self.step += 1;
        self.order(Order::Rewrite { step: self.step, header, records });
        self.step
    }

    /// As [`JournalFile::progress`], for who waits for the writer's end, which closes it.
    pub(super) fn written(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// How far the writer is, and when that changes.
    pub(super) fn progress(&mut self) -> &mut watch::Receiver<Progress> {
        &mut self.progress
    }

    /// The number of the last step that was handed over.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// All steps up to this one are durable.
    pub(super) fn durable(&self) -> u64 {
        self.progress.borrow().durable
    }

    /// Whether so many steps wait for the disk that another might not find room.
    pub(super) fn is_crowded(&self) -> bool {
        self.step.saturating_sub(self.durable()) >= CROWD
    }

    fn order(&self, order: Order) {
        // Never full: the agent neither takes nor does anything while half of this waits. The writer ends only
        // after it has said in `progress` that it failed.
        let _ = self.sender.try_send(order);
    }
}

enum Found {
    Whole((Header, Vec<Record>)),
    Nothing,
    Damaged(String),
}

fn read(folder: &Folder) -> io::Result<Found> {
    let path = folder.path(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let mut items = Vec::new();
    let (good, end) = frames::scan(&bytes, |_, item| items.push(item.to_vec()));
    if end == End::Damaged {
        return Ok(Found::Damaged(format!("checksum error at byte {good} of {}", bytes.len())));
    }
    let mut items = items.iter();
    let header = match items.next().map(|item| decode_header(item)) {
        Some(Ok(header)) => header,
        Some(Err(error @ WireError::UnknownFormat { .. })) => return Err(io::Error::other(error)),
        Some(Err(error)) => return Ok(Found::Damaged(error.to_string())),
        None => return Ok(Found::Damaged("no header".to_owned())),
    };
    let records = match items.map(|item| decode_record(item)).collect() {
        Ok(records) => records,
        Err(error) => return Ok(Found::Damaged(error.to_string())),
    };
    if end == End::Torn {
        let file = private().write(true).open(&path)?;
        file.set_len(good as u64)?;
        file.sync_all()?;
    }
    Ok(Found::Whole((header, records)))
}

fn begin(folder: &Folder, stamp: Option<Stamp>) -> io::Result<(Header, Vec<Record>)> {
    let header = Header { stamp, journal: JournalId(identity::random()?) };
    write_whole(folder, &header, &[])?;
    Ok((header, Vec::new()))
}

/// Puts a file of these records in the journal's place; returns it and its length.
fn write_whole(folder: &Folder, header: &Header, records: &[Record]) -> io::Result<(File, u64)> {
    let fresh = folder.path(FRESH);
    let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
    let mut length = 0;
    let mut write = |buffer: &[u8]| {
        length += buffer.len() as u64;
        file.write_all(buffer)
    };
    write(&frame([encode_header(header)]))?;
    for chunk in records.chunks(RECORDS_PER_FRAME) {
        write(&frame(chunk.iter().map(encode_record)))?;
    }
    file.sync_all()?;
    fs::rename(&fresh, folder.path(NAME))?;
    folder.sync()?;
    Ok((private().append(true).open(folder.path(NAME))?, length))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn frame(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.into_iter().collect();
    let mut buffer = Vec::new();
    frames::push(&mut buffer, items.iter().map(Vec::as_slice));
    buffer
}

struct Writer {
    folder: Folder,
    file: File,
    length: u64,
    /// The length after the last rewrite.
    compacted: u64,
    progress: watch::Sender<Progress>,
    _lock: Arc<File>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Order>) {
        let mut next = receiver.recv().ok();
        while let Some(order) = next.take() {
            match self.write(order, receiver) {
                Ok(taken) => next = taken.or_else(|| receiver.recv().ok()),
                Err(error) => return self.fail(&error),
            }
        }
    }

    /// Makes an order durable, with the appends that wait behind it, and says so; an order that was taken and is
    /// not done.
    fn write(&mut self, order: Order, receiver: &Receiver<Order>) -> io::Result<Option<Order>> {
        let (step, taken) = match order {
            Order::Append { step, records } => {
                let (step, items, taken) = gather(receiver, step, &records);
                self.append(&frame(items))?;
                (step, taken)
            }
            Order::Rewrite { step, header, records } => {
                self.rewrite(&header, &records)?;
                (step, None)
            }
        };
        self.tell(step);
        Ok(taken)
    }

    /// Appends and syncs. A full disk is waited for; a failed sync is the end: what it had to write is gone.
    fn append(&mut self, buffer: &[u8]) -> io::Result<()> {
        while let Err(error) = self.file.write_all(buffer) {
            tracing::error!(%error, "the agent's journal cannot grow; nothing is accepted until it can");
            self.file.set_len(self.length)?;
            thread::sleep(RETRY);
        }
        self.file.sync_data()?;
        counters::JOURNAL_SYNCS.add(1);
        counters::JOURNAL_BYTES.add(buffer.len() as u64);
        self.length += buffer.len() as u64;
        Ok(())
    }

    /// Waits for a full disk as `append` does: until it is renamed, the old file is whole.
    fn rewrite(&mut self, header: &Header, records: &[Record]) -> io::Result<()> {
        let (file, length) = loop {
            match write_whole(&self.folder, header, records) {
                Err(error) if is_full(&error) => {
                    let _ = fs::remove_file(self.folder.path(FRESH));
                    tracing::error!(%error, "the agent's journal cannot be rewritten yet");
                    thread::sleep(RETRY);
                }
                other => break other?,
            }
        };
        (self.file, self.length, self.compacted) = (file, length, length);
        Ok(())
    }

    fn tell(&self, durable: u64) {
        let bloated = self.length > COMPACT_BYTES && self.length > 4 * self.compacted;
        self.progress.send_replace(Progress { durable, bloated, failed: None });
    }

    fn fail(&self, error: &io::Error) {
        self.progress.send_modify(|progress| progress.failed = Some(error.to_string()));
    }
}

/// All appends that are waiting, up to a rewrite or a frame's worth: one sync for them all.
fn gather(receiver: &Receiver<Order>, first: u64, records: &[Record]) -> (u64, Vec<Vec<u8>>, Option<Order>) {
    let mut last = first;
    let mut items: Vec<Vec<u8>> = records.iter().map(encode_record).collect();
    let mut bytes: usize = items.iter().map(Vec::len).sum();
    while bytes < BATCH_BYTES {
        match receiver.try_recv() {
            Ok(Order::Append { step, records }) => {
                last = step;
                for item in records.iter().map(encode_record) {
                    bytes += item.len();
                    items.push(item);
                }
            }
            Ok(rewrite) => return (last, items, Some(rewrite)),
            Err(_) => break,
        }
    }
    (last, items, None)
}

/// The real writer on the real disk, but at the pace of a test: as long as nobody asks it to write, the disk is slow.
#[cfg(test)]
pub(super) struct SlowDisk {
    writer: Writer,
    receiver: Receiver<Order>,
    waiting: std::collections::VecDeque<Order>,
}

#[cfg(test)]
impl SlowDisk {
    pub(super) fn open(folder: &Folder, lock: Arc<File>) -> io::Result<(Opened, SlowDisk)> {
        let (opened, writer, receiver) = JournalFile::prepare(folder, lock)?;
        Ok((opened, SlowDisk { writer, receiver, waiting: Default::default() }))
    }

    /// How many orders wait for the disk.
    pub(super) fn waiting(&mut self) -> usize {
        self.waiting.extend(self.receiver.try_iter());
        self.waiting.len()
    }

    /// The disk is done with one more order.
    pub(super) fn write_one(&mut self) -> io::Result<()> {
        let (_, nothing) = sync_channel(1);
        match self.waiting.pop_front() {
            Some(order) => self.writer.write(order, &nothing).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::ids::{ClusterId, ExecutionId, Incarnation};

    fn record(number: u128) -> Record {
        Record::Unstarted { id: ExecutionId(number) }
    }

    async fn durable(file: &mut JournalFile, step: u64) {
        file.progress().wait_for(|progress| progress.durable >= step).await.expect("the writer lives");
    }

    async fn filled(folder: &Folder, count: u128) -> Header {
        let mut opened = open(folder).expect("journal opens");
        for number in 0..count {
            let step = opened.file.append(vec![record(number)]);
            durable(&mut opened.file, step).await;
        }
        opened.header
    }

    fn open(folder: &Folder) -> io::Result<Opened> {
        let lock = private().write(true).create(true).open(folder.path("lock"))?;
        JournalFile::open(folder, Arc::new(lock))
    }

    fn folder(data: &tempfile::TempDir) -> Folder {
        Folder::open(data.path()).expect("folder is made")
    }

    #[tokio::test]
    async fn what_is_durable_is_read_again_under_the_same_id() {
        let data = tempfile::tempdir().expect("temporary folder");
        let header = filled(&folder(&data), 3).await;
        let again = open(&folder(&data)).expect("journal opens");
        assert_eq!(again.header, header);
        assert_eq!(again.records, [record(0), record(1), record(2)]);
    }

    #[tokio::test]
    async fn a_torn_end_is_cut_off_and_written_over() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = folder(&data);
        let header = filled(&folder, 2).await;
        let path = folder.path(NAME);
        let bytes = fs::read(&path).expect("journal is read");
        fs::write(&path, &bytes[..bytes.len() - 3]).expect("journal is cut");
        let mut again = open(&folder).expect("journal opens");
        assert_eq!((again.header, again.records, again.set_aside), (header, vec![record(0)], None));
        let step = again.file.append(vec![record(7)]);
        durable(&mut again.file, step).await;
        assert_eq!(open(&folder).expect("journal opens").records, [record(0), record(7)]);
    }

    #[tokio::test]
    async fn a_damaged_journal_is_set_aside_and_another_id_begins() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = folder(&data);
        let header = filled(&folder, 2).await;
        let mut bytes = fs::read(folder.path(NAME)).expect("journal is read");
        bytes[15] ^= 1;
        fs::write(folder.path(NAME), bytes).expect("journal is damaged");
        let again = open(&folder).expect("journal opens");
        assert_ne!(again.header.journal, header.journal);
        assert!(again.records.is_empty() && again.set_aside.is_some());
        let kept = fs::read_dir(folder.path(".")).expect("folder is read");
        let names = kept.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        assert_eq!(names.filter(|name| name.starts_with("journal.damaged-")).count(), 1);
    }

    #[tokio::test]
    async fn a_rewritten_journal_holds_the_new_records_and_what_came_after() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = folder(&data);
        let header = filled(&folder, 5).await;
        let mut opened = open(&folder).expect("journal opens");
        let renamed =
            Header { stamp: Some(Stamp { cluster: ClusterId(9), incarnation: Incarnation(1) }), ..header };
        opened.file.append(vec![record(5)]);
        opened.file.rewrite(renamed, vec![record(100)]);
        let step = opened.file.append(vec![record(101)]);
        durable(&mut opened.file, step).await;
        let again = open(&folder).expect("journal opens");
        assert_eq!((again.header, again.records), (renamed, vec![record(100), record(101)]));
    }
}
