//! Retention: drops and rewrites old segments, a few at each tick, and writes checkpoints. It decides nothing
//! that readers see (the heads did that already); it only gives back the disk and the memory of what is dead.

use super::checkpoint;
use super::disk::catalogue::{View, file_name, set_aside, sync_folder};
use super::disk::entry::{Entry, Kind, Position};
use super::disk::record;
use super::disk::segment::{Segment, Trailer, seal};
use super::error::{Context, Error, Result};
use super::head::{CHAINS, SHARDS};
use super::outputs::OutputMessage;
use super::store::Store;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// Segments looked at in one tick.
const STEPS: usize = 4;
/// Segments joined into one at most: it bounds a step's memory and reading.
const GROUP: usize = 8;
/// Slices of the heads looked through in one tick: all of them in about a minute.
const SLICES: usize = SHARDS / 64;
/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;
/// A checkpoint is due after so many segments,
const CHECKPOINT_SEGMENTS: u64 = 4;
/// and after so many times its own size, whichever is more: a bounded share of what is written.
const CHECKPOINT_FACTOR: u64 = 8;

/// The keeper's own state.
pub(super) struct Keeper {
    store: Arc<Store>,
    outputs: mpsc::Sender<OutputMessage>,
    cursor: Position,
    slice: usize,
    checkpoint_bytes: u64,
    appended: u64,
}

/// A segment and what is to stay of it.
struct Kept {
    segment: Arc<Segment>,
    entries: Vec<Entry>,
    bytes: u64,
}

impl Keeper {
    pub(super) fn new(store: Arc<Store>, outputs: mpsc::Sender<OutputMessage>) -> Keeper {
        Keeper { store, outputs, cursor: 0, slice: 0, checkpoint_bytes: 0, appended: 0 }
    }

    /// Works at every tick until the writer is gone.
    pub(super) fn run(mut self, ticks: Receiver<()>) {
        while ticks.recv().is_ok() {
            if let Err(error) = self.tick() {
                tracing::warn!(%error, "retention of the history did not get on");
            }
        }
    }

    /// One bounded piece of work.
    pub(super) fn tick(&mut self) -> Result<()> {
        self.mend()?;
        self.drop_oldest()?;
        for _ in 0..STEPS {
            if !self.step()? {
                break;
            }
        }
        self.forget_heads();
        self.checkpoint()
    }

    /// Replaces segments in which a reader met damage by what is whole of them.
    fn mend(&mut self) -> Result<()> {
        let suspects = self.store.suspects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for first in suspects {
            let view = self.store.catalogue.view();
            let found = view.iter().find(|segment| segment.first() == first && segment.trailer().is_some());
            if let Some(segment) = found {
                let mended = mend(&self.store, segment)?;
                self.store.catalogue.replace(&[Arc::clone(segment)], Some(Arc::new(mended)));
                self.store.suspects.lock().unwrap_or_else(PoisonError::into_inner).remove(&first);
            }
        }
        Ok(())
    }

    /// Drops whole segments while what is left still fills the bounds on the whole.
    fn drop_oldest(&mut self) -> Result<()> {
        let retention = self.store.settings.retention;
        let view = self.store.catalogue.view();
        let size = |segment: &Segment| segment.trailer().map_or(0, |trailer| trailer.frames);
        let mut rows: u64 = view.iter().map(|segment| segment.rows() as u64).sum();
        let mut bytes: u64 = view.iter().map(|segment| size(segment)).sum();
        for segment in view.iter().take_while(|segment| segment.trailer().is_some()) {
            rows -= segment.rows() as u64;
            bytes -= size(segment);
            let enough = retention.rows.is_some_and(|bound| rows >= bound)
                || retention.bytes.is_some_and(|bound| bytes >= bound);
            if !enough {
                break;
            }
            let entries = segment.entries(0, usize::MAX)?;
            self.remove(std::slice::from_ref(segment), None)?;
            self.forget_outputs(&entries);
        }
        Ok(())
    }

    /// Looks at the next group of segments; false at the end of the round.
    fn step(&mut self) -> Result<bool> {
        let view = self.store.catalogue.view();
        let sealed: Vec<&Arc<Segment>> = view.iter().filter(|segment| segment.trailer().is_some()).collect();
        let at = sealed.partition_point(|segment| segment.first() < self.cursor);
        let Some(&first) = sealed.get(at) else {
            self.cursor = 0;
            return Ok(false);
        };
        let mut group = vec![self.keep(first, at == 0)?];
        let (mut kept, mut whole) = (group[0].bytes, frames(first));
        for segment in sealed.iter().skip(at + 1).take(GROUP - 1) {
            if kept + frames(segment) > u64::from(self.store.settings.segment_bytes) {
                break;
            }
            let next = self.keep(segment, false)?;
            kept += next.bytes;
            whole += frames(segment);
            group.push(next);
        }
        self.cursor = group.last().map_or(0, |last| last.segment.first() + 1);
        let lone_dead = group[0].bytes * 2 <= frames(first);
        if !lone_dead && kept * 2 > whole && group.len() < GROUP / 2 {
            self.cursor = first.first() + 1;
            return Ok(true);
        }
        self.rewrite(&view, group)?;
        Ok(true)
    }

    /// What of a segment lives. Tombstones stay while an older segment may hold rows that they erase.
    fn keep(&self, segment: &Arc<Segment>, oldest: bool) -> Result<Kept> {
        let bounds = self.store.bounds();
        let entries = match segment.entries(0, usize::MAX) {
            Ok(entries) => entries,
            Err(error) => {
                self.store.suspect(segment.first(), &error);
                return Err(error);
            }
        };
        let stays = |entry: &Entry| match entry.kind {
            Kind::Erased => !oldest,
            _ => self.store.lives(&bounds, entry),
        };
        let entries: Vec<Entry> = entries.into_iter().filter(stays).collect();
        let bytes = entries.iter().map(|entry| u64::from(entry.length)).sum();
        Ok(Kept { segment: Arc::clone(segment), entries, bytes })
    }

    /// Writes one segment with what is to stay of several, and takes its place among them.
    fn rewrite(&self, view: &View, group: Vec<Kept>) -> Result<()> {
        let old: Vec<Arc<Segment>> = group.iter().map(|kept| Arc::clone(&kept.segment)).collect();
        let mut dead = Vec::new();
        for kept in &group {
            let all = kept.segment.entries(0, usize::MAX)?;
            let mut staying = kept.entries.iter().map(|entry| entry.link.position).peekable();
            dead.extend(all.into_iter().filter(|entry| staying.next_if_eq(&entry.link.position).is_none()));
        }
        let nothing_left = group.iter().all(|kept| kept.entries.is_empty());
        let oldest = view.first().is_some_and(|first| Arc::ptr_eq(first, &old[0]));
        let lossless = old.iter().all(|segment| segment.trailer().is_some_and(|one| one.lost_up_to == 0));
        if dead.is_empty() && old.len() == 1 {
            return Ok(());
        }
        let new =
            if nothing_left && (oldest || lossless) { None } else { Some(Arc::new(self.merge(&group)?)) };
        self.remove(&old, new)?;
        self.forget_outputs(&dead);
        Ok(())
    }

    fn merge(&self, group: &[Kept]) -> Result<Segment> {
        let trailers = || group.iter().filter_map(|kept| kept.segment.trailer());
        let trailer = Trailer {
            first: trailers().map(|one| one.first).min().unwrap_or(0),
            last: trailers().map(|one| one.last).max().unwrap_or(0),
            applied: trailers().map(|one| one.applied).max().unwrap_or(0),
            lost_up_to: trailers().map(|one| one.lost_up_to).max().unwrap_or(0),
            ..Trailer::default()
        };
        let mut copy = Copy::begin(&self.store, trailer)?;
        for kept in group {
            for entry in &kept.entries {
                let frame = match kept.segment.frame(entry) {
                    Ok(frame) => frame,
                    Err(error) => {
                        self.store.suspect(kept.segment.first(), &error);
                        return Err(error);
                    }
                };
                copy.add(*entry, &frame)?;
            }
        }
        copy.finish(&self.store)
    }

    fn remove(&self, old: &[Arc<Segment>], new: Option<Arc<Segment>>) -> Result<()> {
        self.store.catalogue.replace(old, new);
        for segment in old {
            fs::remove_file(&segment.path).at("remove", &segment.path)?;
        }
        sync_folder(&self.store.settings.folder)
    }

    fn forget_outputs(&self, dead: &[Entry]) {
        let runs = dead.iter().filter(|entry| entry.kind == Kind::Run);
        let ids: Vec<_> =
            runs.map(|entry| entry.id).filter(|&id| self.store.outputs.length(id) > 0).collect();
        if !ids.is_empty() {
            // Fails only when the room stops; the outputs are then bounded by their own limits.
            let _ = self.outputs.blocking_send(OutputMessage::Forget(ids));
        }
    }

    /// Gives back the memory of chains that have nothing left.
    fn forget_heads(&mut self) {
        let view = self.store.catalogue.view();
        let oldest = view.first().map_or(0, |segment| segment.first());
        let bounds = self.store.bounds();
        for _ in 0..SLICES {
            for kind in CHAINS {
                self.store.heads.retain(kind, self.slice, oldest, &bounds);
            }
            self.slice = (self.slice + 1) % SHARDS;
        }
    }

    fn checkpoint(&mut self) -> Result<()> {
        let appended = self.store.appended.load(Ordering::Relaxed);
        let segments = u64::from(self.store.settings.segment_bytes) * CHECKPOINT_SEGMENTS;
        if appended - self.appended >= segments.max(self.checkpoint_bytes * CHECKPOINT_FACTOR) {
            self.appended = appended;
            self.checkpoint_bytes = checkpoint::write(&self.store)?;
        }
        Ok(())
    }
}

fn frames(segment: &Segment) -> u64 {
    segment.trailer().map_or(0, |trailer| trailer.frames)
}

/// Makes a closed segment anew from what is whole of its frames; the old file is set aside for a person to
/// look at.
pub(super) fn mend(store: &Store, segment: &Segment) -> Result<Segment> {
    let old = segment.trailer().copied().unwrap_or_default();
    let scan = Segment::scan(&segment.path)?;
    let (mut lost, mut entries) = (old.lost_up_to, Vec::new());
    let listed = segment.entries(0, usize::MAX).unwrap_or_default();
    let whole: std::collections::HashSet<Position> =
        scan.entries.iter().map(|entry| entry.link.position).collect();
    let missing = listed.iter().any(|entry| !whole.contains(&entry.link.position));
    if missing || !scan.holes.is_empty() || scan.applied != Some(old.applied) {
        lost = lost.max(old.applied);
        let error = Error::damaged(
            &segment.path,
            scan.holes.first().map_or(scan.end, |hole| hole.bytes.start),
            "rows",
        );
        tracing::error!(%error, up_to = lost, "rows of the history are lost; the file is set aside");
    }
    entries.extend(scan.entries);
    let mut copy = Copy::begin(store, Trailer { lost_up_to: lost, ..old })?;
    for entry in entries {
        copy.add(entry, &segment.frame(&entry)?)?;
    }
    let mended = copy.finish(store)?;
    set_aside(&store.settings.folder, &segment.path)?;
    Ok(mended)
}

/// A segment that is being written from the rows of others.
pub(super) struct Copy {
    path: std::path::PathBuf,
    file: File,
    trailer: Trailer,
    entries: Vec<Entry>,
    buffer: Vec<u8>,
    end: u64,
}

impl Copy {
    pub(super) fn begin(store: &Store, trailer: Trailer) -> Result<Copy> {
        let path = store.settings.folder.join("rows.new");
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(true).open(&path).at("create", &path)?;
        Ok(Copy { path, file, trailer, entries: Vec::new(), buffer: Vec::new(), end: 0 })
    }

    pub(super) fn add(&mut self, entry: Entry, frame: &[u8]) -> Result<()> {
        let offset = (self.end + self.buffer.len() as u64) as u32;
        self.entries.push(Entry { offset, ..entry });
        self.buffer.extend_from_slice(frame);
        if self.buffer.len() >= COPY_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.end).at("write", &self.path)?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self, store: &Store) -> Result<Segment> {
        record::append_commit(&mut self.buffer, self.trailer.applied);
        self.flush()?;
        self.trailer.frames = self.end;
        seal(&self.file, &self.path, &self.entries, self.trailer)?;
        let name = file_name(self.trailer.first, store.next_serial());
        let path = store.settings.folder.join(name);
        fs::rename(&self.path, &path).at("rename", &self.path)?;
        sync_folder(&store.settings.folder)?;
        Segment::open(path)
    }
}
