//! Results on the disk: written by a thread of its own, all that are waiting in one go and one sync, so that
//! a thousand ends a second cost a few hundred syncs; kept until they are forgotten.
//!
//! Output longer than the tail stands in a file of its own beside them, where the daemon reads it.

use super::Note;
use super::watch::Inbox;
use crate::agent::folder::{Folder, private};
use crate::agent::frames;
use crate::clock;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use dkron_core::time::Time;
use dkron_wire::supervisor::{decode_result, encode_result};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Results that may wait for the disk; beyond it the watching thread waits too, and jobs that end with it.
const QUEUE: usize = 16_384;
const BATCH_MAX: usize = 1_024;
/// A segment is left for a new one at this size, and removed when all its results are forgotten.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// How long a full disk is waited for between two tries.
const RETRY: Duration = Duration::from_secs(1);

/// Where a result stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
    length: usize,
}

/// A result to be kept.
pub(super) struct Finished {
    pub(super) serial: u64,
    pub(super) id: ExecutionId,
    pub(super) outcome: Outcome,
    /// The kept output, where it is more than the tail.
    pub(super) output: Option<Vec<u8>>,
}

/// What is kept, and the door to the writer.
pub(super) struct Results {
    folder: Folder,
    index: BTreeMap<ExecutionId, Place>,
    /// How many results of each closed or current segment are not forgotten.
    live: BTreeMap<u64, usize>,
    sender: SyncSender<Finished>,
}

impl Results {
    /// Reads what an earlier supervisor left and starts the writer on a new segment.
    pub(super) fn open(folder: Folder, inbox: Inbox) -> io::Result<Results> {
        let (sender, receiver) = sync_channel(QUEUE);
        let mut results = Results { folder, index: BTreeMap::new(), live: BTreeMap::new(), sender };
        let segments = segments(&results.folder)?;
        for segment in &segments {
            results.load(*segment)?;
        }
        let next = segments.last().map_or(1, |last| last + 1);
        let writer = Writer::open(results.folder.clone(), next)?;
        let builder = thread::Builder::new().name("results".to_owned()).stack_size(256 * 1024);
        builder.spawn(move || writer.run(&receiver, &inbox))?;
        Ok(results)
    }

    /// What is whole in a segment counts, wherever that ends: a result that is not there is a lost execution,
    /// which the agent says.
    fn load(&mut self, segment: u64) -> io::Result<()> {
        let bytes = fs::read(path(&self.folder, segment))?;
        let mut found = Vec::new();
        frames::scan(&bytes, |place, item| {
            if let Ok((id, _)) = decode_result(item) {
                found.push((id, Place { segment, offset: place.start as u64, length: place.len() }));
            }
        });
        self.live.entry(segment).or_default();
        found.into_iter().for_each(|(id, place)| self.insert(id, place));
        self.sweep();
        Ok(())
    }

    /// Hands a result to the writer.
    pub(super) fn store(&self, finished: Finished) {
        // The writer ends only with the process.
        let _ = self.sender.send(finished);
    }

    /// Notes where a result stands now.
    pub(super) fn insert(&mut self, id: ExecutionId, place: Place) {
        let live = self.live.entry(place.segment).or_default();
        *live += 1;
        if *live == 1 {
            self.sweep();
        }
        if let Some(old) = self.index.insert(id, place) {
            self.release(old);
        }
    }

    /// Drops a result; a segment without any is removed.
    pub(super) fn forget(&mut self, id: ExecutionId) {
        if let Some(place) = self.index.remove(&id) {
            self.release(place);
        }
    }

    fn release(&mut self, place: Place) {
        if let Some(live) = self.live.get_mut(&place.segment) {
            *live = live.saturating_sub(1);
        }
        self.sweep();
    }

    /// Removes segments without results, but for the newest that we know of: the writer may still be at that.
    fn sweep(&mut self) {
        let newest = self.live.keys().next_back().copied();
        let empty = self.live.iter().filter(|(segment, live)| **live == 0 && Some(**segment) != newest);
        for segment in empty.map(|(segment, _)| *segment).collect::<Vec<_>>() {
            self.live.remove(&segment);
            // What stays is removed at the next start.
            let _ = fs::remove_file(path(&self.folder, segment));
        }
    }

    /// The result of an execution that is kept. One that cannot be read is a result all the same: to be silent
    /// would be to say that it never ran.
    pub(super) fn read(&self, id: ExecutionId) -> Outcome {
        self.read_whole(id).unwrap_or_else(|| Outcome {
            verdict: Verdict::Lost,
            started_at: Time::EPOCH,
            finished_at: clock::wall(),
            code: None,
            error: "unknown: it ended, and its result cannot be read".into(),
            tail: Arc::default(),
            output_bytes: 0,
        })
    }

    fn read_whole(&self, id: ExecutionId) -> Option<Outcome> {
        let place = self.index.get(&id)?;
        let mut bytes = vec![0; place.length];
        File::open(path(&self.folder, place.segment)).ok()?.read_exact_at(&mut bytes, place.offset).ok()?;
        decode_result(&bytes).ok().map(|(_, outcome)| outcome)
    }

    /// The first kept execution above this one.
    pub(super) fn next(&self, after: Option<ExecutionId>) -> Option<ExecutionId> {
        let lower = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.index.range((lower, std::ops::Bound::Unbounded)).next().map(|(id, _)| *id)
    }

    pub(super) fn contains(&self, id: ExecutionId) -> bool {
        self.index.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

fn path(folder: &Folder, segment: u64) -> std::path::PathBuf {
    folder.path(&format!("results-{segment:012}"))
}

fn segments(folder: &Folder) -> io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder.path("."))? {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_prefix("results-")?.parse().ok());
        segments.extend(number);
    }
    segments.sort_unstable();
    Ok(segments)
}

struct Writer {
    folder: Folder,
    segment: u64,
    file: File,
    length: u64,
}

impl Writer {
    fn open(folder: Folder, segment: u64) -> io::Result<Writer> {
        let file = private().append(true).create(true).open(path(&folder, segment))?;
        folder.sync()?;
        let length = file.metadata()?.len();
        Ok(Writer { folder, segment, file, length })
    }

    fn run(mut self, receiver: &Receiver<Finished>, inbox: &Inbox) {
        while let Ok(first) = receiver.recv() {
            let mut batch = vec![first];
            batch.extend(receiver.try_iter().take(BATCH_MAX - 1));
            let places = loop {
                match self.write(&batch) {
                    Ok(places) => break places,
                    // A full disk: nobody is told of these ends before they are durable.
                    Err(_) => thread::sleep(RETRY),
                }
            };
            inbox.send(Note::Stored(batch.into_iter().zip(places).collect()));
        }
    }

    fn write(&mut self, batch: &[Finished]) -> io::Result<Vec<Place>> {
        if self.length >= SEGMENT_BYTES {
            *self = Writer::open(self.folder.clone(), self.segment + 1)?;
        }
        for finished in batch {
            if let Some(output) = &finished.output {
                let mut file = File::create(self.folder.output(finished.id))?;
                file.write_all(output)?;
                file.sync_all()?;
            }
        }
        let items: Vec<Vec<u8>> =
            batch.iter().map(|finished| encode_result(finished.id, &finished.outcome)).collect();
        let mut buffer = Vec::new();
        let places = frames::push(&mut buffer, items.iter().map(Vec::as_slice));
        self.append(&buffer)?;
        let offset = self.length;
        self.length += buffer.len() as u64;
        let place = |range: std::ops::Range<usize>| Place {
            segment: self.segment,
            offset: offset + range.start as u64,
            length: range.len(),
        };
        Ok(places.into_iter().map(place).collect())
    }

    /// Leaves the file as it was when it cannot be made longer.
    fn append(&mut self, buffer: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(buffer).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(self.length)?;
        }
        written
    }
}
