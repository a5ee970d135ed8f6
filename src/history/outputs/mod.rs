//! Full outputs: what an agent sent besides the tail, kept in append segments of its own, outside the log.
//!
//! An output is durable before it is acknowledged. It goes with its row: the keeper names the ids of the rows
//! that it drops. Above the bounds the oldest segment goes. Memory: about 50 bytes an output, bounded by
//! their number.

mod file;

use self::file::{Found, OutputFile, PUT, append_forget, append_put};
use crate::history::disk::catalogue::files;
use crate::history::disk::entry::Input;
use crate::history::disk::frame;
use crate::history::error::{Context, Error, Result};
use crate::history::store::Store;
use dkron_core::ids::ExecutionId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// A batch of outputs is written once it has this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// A stored output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether there was more than these.
    pub cut: bool,
}

/// Where an output stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::history) struct Place {
    pub(in crate::history) file: u32,
    pub(in crate::history) offset: u32,
    pub(in crate::history) length: u32,
}

/// Both halves of an id: a `u128` key would be padded to 32 bytes.
type Key = [u64; 2];

fn key(id: ExecutionId) -> Key {
    [(id.0 >> 64) as u64, id.0 as u64]
}

#[derive(Default)]
struct State {
    places: HashMap<Key, Place>,
    files: BTreeMap<u32, Arc<OutputFile>>,
    /// What is still wanted of each file.
    live: HashMap<u32, Live>,
}

#[derive(Clone, Copy, Default)]
struct Live {
    bytes: u64,
    count: usize,
}

/// What readers and the outputs' writer share.
pub(in crate::history) struct Outputs {
    state: Mutex<State>,
    folder: PathBuf,
}

/// What the outputs' writer is told.
pub(in crate::history) enum OutputMessage {
    Put { id: ExecutionId, bytes: Vec<u8>, cut: bool, answer: oneshot::Sender<Result<()>> },
    Forget(Vec<ExecutionId>),
}

impl Outputs {
    /// Opens what is there; a file that is damaged in its middle serves what is whole.
    pub(in crate::history) fn open(folder: &Path) -> Result<Outputs> {
        std::fs::create_dir_all(folder).at("create", folder)?;
        let mut state = State::default();
        for path in files(folder, "outputs")? {
            let Some((file, found)) = OutputFile::open(&path)? else { continue };
            let number = file.number;
            state.files.insert(number, Arc::new(file));
            for item in found {
                state.take(number, item);
            }
        }
        Ok(Outputs { state: Mutex::new(state), folder: folder.to_path_buf() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of an output; 0 if there is none.
    pub(in crate::history) fn length(&self, id: ExecutionId) -> u64 {
        self.state().places.get(&key(id)).map_or(0, |place| u64::from(place.length))
    }

    /// Reads an output.
    pub(in crate::history) fn get(&self, id: ExecutionId) -> Result<Option<Output>> {
        let (place, file) = {
            let state = self.state();
            let Some(place) = state.places.get(&key(id)).copied() else { return Ok(None) };
            let Some(file) = state.files.get(&place.file).cloned() else { return Ok(None) };
            (place, file)
        };
        let bytes = file.read(&place)?;
        let bad = || Error::damaged(&file.path, u64::from(place.offset), "an output's checksum");
        let mut input = Input(frame::read(&bytes).ok_or_else(bad)?);
        let tag: [u8; 1] = input.take().ok_or_else(bad)?;
        let stored = input.u128().ok_or_else(bad)?;
        let [cut] = input.take().ok_or_else(bad)?;
        if tag != [PUT] || stored != id.0 {
            return Err(bad());
        }
        Ok(Some(Output { bytes: input.0.to_vec(), cut: cut != 0 }))
    }

    /// Bytes and number of the outputs kept.
    pub(in crate::history) fn totals(&self) -> (u64, usize) {
        let state = self.state();
        (state.live.values().map(|live| live.bytes).sum(), state.places.len())
    }
}

impl State {
    fn take(&mut self, file: u32, found: Found) {
        match found {
            Found::Put(id, offset, length) => {
                self.forget(id);
                self.places.insert(key(id), Place { file, offset, length });
                let live = self.live.entry(file).or_default();
                live.bytes += u64::from(length);
                live.count += 1;
            }
            Found::Forget(id) => self.forget(id),
        }
    }

    fn forget(&mut self, id: ExecutionId) {
        if let Some(place) = self.places.remove(&key(id))
            && let Some(live) = self.live.get_mut(&place.file)
        {
            live.bytes = live.bytes.saturating_sub(u64::from(place.length));
            live.count = live.count.saturating_sub(1);
        }
    }
}

/// The one writer of outputs.
pub(in crate::history) struct OutputWriter {
    store: Arc<Store>,
    file: Arc<OutputFile>,
    /// What the file says so far.
    items: Vec<Found>,
    end: u64,
    written: Vec<Found>,
    bytes: Vec<u8>,
    untidy: bool,
}

impl OutputWriter {
    /// Begins a new file behind those that are there.
    pub(in crate::history) fn new(store: Arc<Store>) -> Result<OutputWriter> {
        let number = store.outputs.state().files.last_key_value().map_or(1, |(last, _)| last + 1);
        let file = store.outputs.begin(number)?;
        let (items, written, bytes) = (Vec::new(), Vec::new(), Vec::new());
        Ok(OutputWriter { store, file, items, end: 0, written, bytes, untidy: true })
    }

    /// Works until the last sender is gone.
    pub(in crate::history) fn run(mut self, mut queue: mpsc::Receiver<OutputMessage>) {
        while let Some(message) = queue.blocking_recv() {
            let mut answers = Vec::new();
            self.handle(message, &mut answers);
            while self.bytes.len() < BATCH_BYTES
                && let Ok(message) = queue.try_recv()
            {
                self.handle(message, &mut answers);
            }
            let done = self.commit();
            if let Err(error) = &done {
                tracing::error!(%error, "outputs cannot be written");
            }
            for answer in answers {
                // Whoever asked may have given up waiting.
                let _ = answer.send(if done.is_ok() { Ok(()) } else { Err(Error::OutputNotWritten) });
            }
            if let Err(error) = self.tidy() {
                tracing::warn!(%error, "old outputs cannot be dropped");
            }
        }
    }

    fn handle(&mut self, message: OutputMessage, answers: &mut Vec<oneshot::Sender<Result<()>>>) {
        match message {
            OutputMessage::Put { id, bytes, cut, answer } => {
                let offset = self.bytes.len() as u32;
                let length = append_put(&mut self.bytes, id, cut, &bytes);
                self.written.push(Found::Put(id, offset, length));
                answers.push(answer);
            }
            OutputMessage::Forget(ids) => {
                for id in ids.into_iter().filter(|&id| self.store.outputs.length(id) > 0) {
                    append_forget(&mut self.bytes, id);
                    self.written.push(Found::Forget(id));
                    self.untidy = true;
                }
            }
        }
    }

    /// Makes the batch durable, then shows it. A file that refused a write is never written again.
    fn commit(&mut self) -> Result<()> {
        let outcome = self.write();
        if outcome.is_ok() {
            let mut state = self.store.outputs.state();
            for item in &self.written {
                let item = item.moved(self.end as u32);
                state.take(self.file.number, item);
                self.items.push(item);
            }
            self.end += self.bytes.len() as u64;
        } else {
            self.end = u64::MAX;
        }
        self.written.clear();
        self.bytes.clear();
        outcome
    }

    fn write(&mut self) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        if self.end >= u64::from(self.store.settings.segment_bytes) {
            self.roll()?;
        }
        self.file.append(&self.bytes, self.end)
    }

    fn roll(&mut self) -> Result<()> {
        let new = self.store.outputs.begin(self.file.number + 1)?;
        let old = std::mem::replace(&mut self.file, new);
        self.end = 0;
        self.untidy = true;
        old.seal(&std::mem::take(&mut self.items))
    }

    /// Drops files above the bounds, oldest first, and files of which nothing is wanted; makes at most one
    /// smaller.
    fn tidy(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.untidy) {
            return Ok(());
        }
        let outputs = &self.store.outputs;
        let retention = &self.store.settings.retention;
        let (mut bytes, mut count) = outputs.totals();
        let files: Vec<_> = outputs.state().files.values().cloned().collect();
        let mut oldest = true;
        for file in files.iter().filter(|file| file.number != self.file.number) {
            let Live { bytes: live, count: wanted } = outputs.live(file.number);
            let (rest, rest_count) = (bytes - live, count - wanted);
            let over = rest >= retention.output_bytes || rest_count >= retention.outputs;
            if (oldest && over) || (live == 0 && (oldest || file.forget_bytes() == 0)) {
                outputs.drop_file(file)?;
                (bytes, count) = (rest, rest_count);
                continue;
            }
            oldest = false;
            if !self.untidy && (live + file.forget_bytes()) * 2 < file.size() {
                outputs.rewrite(file)?;
                self.untidy = true;
            }
        }
        Ok(())
    }
}

impl Outputs {
    fn begin(&self, number: u32) -> Result<Arc<OutputFile>> {
        let file = Arc::new(OutputFile::create(&self.folder, number)?);
        self.state().files.insert(number, Arc::clone(&file));
        Ok(file)
    }

    fn live(&self, number: u32) -> Live {
        self.state().live.get(&number).copied().unwrap_or_default()
    }

    fn drop_file(&self, file: &OutputFile) -> Result<()> {
        let mut state = self.state();
        state.places.retain(|_, place| place.file != file.number);
        state.live.remove(&file.number);
        state.files.remove(&file.number);
        drop(state);
        std::fs::remove_file(&file.path).at("remove", &file.path)
    }

    /// Writes a file anew with what is wanted of it.
    fn rewrite(&self, file: &OutputFile) -> Result<()> {
        let wanted: HashSet<(ExecutionId, Place)> = {
            let puts = file.puts()?;
            let state = self.state();
            puts.into_iter().filter(|(id, place)| state.places.get(&key(*id)) == Some(place)).collect()
        };
        let new = file.rewrite(&wanted)?;
        let moved = new.puts()?;
        let mut state = self.state();
        for (id, place) in moved {
            // This thread alone changes places: what was wanted still is.
            state.places.insert(key(id), place);
        }
        state.files.insert(new.number, Arc::new(new));
        Ok(())
    }
}
