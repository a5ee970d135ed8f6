//! A segment: a file of frames, closed by a directory once it is full.
//!
//! ```text
//! commit | row row row commit | row commit | ...   the frames
//! page page page ...                               the directory: entries by position, each page with a
//! checksum fences                                           the first position of every page trailer
//! counts, ranges, checksum: 96 bytes
//! ```
//! Everything behind the frames can be made anew from them. Rows are found by position: a binary search over
//! the fences in memory, one page, one frame.

use super::entry::{ENTRY_BYTES, Entry, Input, Position};
use super::record::{self, Record};
use super::{frame, scan::Scan};
use crate::history::error::{Context, Error, Result};
use dkron_core::execution::HistoryRow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

const PAGE_BYTES: usize = 4_096;
const ENTRIES_PER_PAGE: usize = (PAGE_BYTES - 4) / ENTRY_BYTES;
const MAGIC: u64 = u64::from_le_bytes(*b"dkronh01");
const TRAILER_BYTES: usize = 96;

/// What a sealed segment says of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::history) struct Trailer {
    /// Rows in it.
    pub(in crate::history) rows: u32,
    /// Where the directory begins: the size of the frames.
    pub(in crate::history) frames: u64,
    /// The positions that it stands for, also of rows it no longer has.
    pub(in crate::history) first: Position,
    pub(in crate::history) last: Position,
    /// The log index that it reaches.
    pub(in crate::history) applied: u64,
    /// The earliest and latest end of its executions.
    pub(in crate::history) earliest: i64,
    pub(in crate::history) latest: i64,
    /// Set if rows of it were lost to damage: up to this log index the history may lack some.
    pub(in crate::history) lost_up_to: u64,
}

enum Index {
    /// Being written: the entries are in memory.
    Growing(RwLock<Vec<Entry>>),
    /// Closed: the entries are on disk.
    Sealed { trailer: Trailer, fences: Vec<Position> },
}

/// An open segment. Reading is safe beside the writer: it sees entries only once their batch is durable.
pub(in crate::history) struct Segment {
    pub(in crate::history) path: PathBuf,
    file: File,
    first: Position,
    index: Index,
}

impl Segment {
    /// A segment that is being written, with the entries that are durable in it.
    pub(in crate::history) fn growing(
        path: PathBuf,
        file: File,
        first: Position,
        entries: Vec<Entry>,
    ) -> Segment {
        Segment { path, file, first, index: Index::Growing(RwLock::new(entries)) }
    }

    /// Opens a sealed segment; damaged if its closing parts are not whole.
    pub(in crate::history) fn open(path: PathBuf) -> Result<Segment> {
        let file = File::open(&path).at("open", &path)?;
        let length = file.metadata().at("measure", &path)?.len();
        let at = length.saturating_sub(TRAILER_BYTES as u64);
        let bad = |what| Error::damaged(&path, at, what);
        let mut bytes = [0; TRAILER_BYTES];
        file.read_exact_at(&mut bytes, at).map_err(|_| bad("no trailer"))?;
        let trailer = Trailer::decode(&bytes).ok_or_else(|| bad("no trailer"))?;
        let pages = (trailer.rows as usize).div_ceil(ENTRIES_PER_PAGE);
        let fences_at = trailer.frames + (pages * PAGE_BYTES) as u64;
        if fences_at + (pages * 8 + 4) as u64 != at {
            return Err(bad("a trailer of another size"));
        }
        let mut bytes = vec![0; pages * 8 + 4];
        file.read_exact_at(&mut bytes, fences_at).at("read", &path)?;
        let (fences, sum) = bytes.split_at(pages * 8);
        if crc32fast::hash(fences).to_le_bytes() != *sum {
            return Err(bad("the fences' checksum"));
        }
        let fences = fences.as_chunks::<8>().0.iter().map(|fence| u64::from_le_bytes(*fence)).collect();
        Ok(Segment { path, file, first: trailer.first, index: Index::Sealed { trailer, fences } })
    }

    pub(in crate::history) fn first(&self) -> Position {
        self.first
    }

    pub(in crate::history) fn trailer(&self) -> Option<&Trailer> {
        match &self.index {
            Index::Growing(_) => None,
            Index::Sealed { trailer, .. } => Some(trailer),
        }
    }

    pub(in crate::history) fn file(&self) -> &File {
        &self.file
    }

    /// How many rows it has.
    pub(in crate::history) fn rows(&self) -> usize {
        match &self.index {
            Index::Growing(entries) => entries.read().unwrap_or_else(PoisonError::into_inner).len(),
            Index::Sealed { trailer, .. } => trailer.rows as usize,
        }
    }

    /// Makes a batch visible, once it is durable.
    pub(in crate::history) fn publish(&self, batch: &[Entry]) {
        if let Index::Growing(entries) = &self.index {
            entries.write().unwrap_or_else(PoisonError::into_inner).extend_from_slice(batch);
        }
    }

    /// The entries numbered `from` up to `to`, in the order of their positions.
    pub(in crate::history) fn entries(&self, from: usize, to: usize) -> Result<Vec<Entry>> {
        let to = to.min(self.rows());
        let from = from.min(to);
        match &self.index {
            Index::Growing(entries) => {
                Ok(entries.read().unwrap_or_else(PoisonError::into_inner)[from..to].to_vec())
            }
            Index::Sealed { .. } if from == to => Ok(Vec::new()),
            Index::Sealed { .. } => {
                let first_page = from / ENTRIES_PER_PAGE;
                let mut found = Vec::with_capacity(to - first_page * ENTRIES_PER_PAGE);
                for page in first_page..to.div_ceil(ENTRIES_PER_PAGE) {
                    self.page(page, &mut found)?;
                }
                found.truncate(to - first_page * ENTRIES_PER_PAGE);
                found.drain(..from - first_page * ENTRIES_PER_PAGE);
                Ok(found)
            }
        }
    }

    /// The number of the first entry at or above a position.
    pub(in crate::history) fn lower_bound(&self, position: Position) -> Result<usize> {
        match &self.index {
            Index::Growing(entries) => {
                let entries = entries.read().unwrap_or_else(PoisonError::into_inner);
                Ok(entries.partition_point(|entry| entry.link.position < position))
            }
            Index::Sealed { fences, .. } => {
                let Some(page) = fences.partition_point(|&first| first <= position).checked_sub(1) else {
                    return Ok(0);
                };
                let mut found = Vec::with_capacity(ENTRIES_PER_PAGE);
                self.page(page, &mut found)?;
                Ok(page * ENTRIES_PER_PAGE + found.partition_point(|entry| entry.link.position < position))
            }
        }
    }

    /// The entry at a position.
    pub(in crate::history) fn find(&self, position: Position) -> Result<Option<Entry>> {
        let found = match &self.index {
            Index::Growing(entries) => {
                let entries = entries.read().unwrap_or_else(PoisonError::into_inner);
                let at = entries.partition_point(|entry| entry.link.position < position);
                entries.get(at).copied()
            }
            Index::Sealed { fences, .. } => {
                let Some(page) = fences.partition_point(|&first| first <= position).checked_sub(1) else {
                    return Ok(None);
                };
                let mut found = Vec::with_capacity(ENTRIES_PER_PAGE);
                self.page(page, &mut found)?;
                found.into_iter().find(|entry| entry.link.position >= position)
            }
        };
        Ok(found.filter(|entry| entry.link.position == position))
    }

    fn page(&self, page: usize, into: &mut Vec<Entry>) -> Result<()> {
        let Index::Sealed { trailer, .. } = &self.index else { return Ok(()) };
        let at = trailer.frames + (page * PAGE_BYTES) as u64;
        let mut bytes = [0; PAGE_BYTES];
        self.file.read_exact_at(&mut bytes, at).at("read", &self.path)?;
        let (sum, body) = bytes.split_at(4);
        if crc32fast::hash(body).to_le_bytes() != *sum {
            return Err(Error::damaged(&self.path, at, "a directory page's checksum"));
        }
        let count = (trailer.rows as usize - page * ENTRIES_PER_PAGE).min(ENTRIES_PER_PAGE);
        for bytes in body.chunks_exact(ENTRY_BYTES).take(count) {
            into.push(
                Entry::decode(bytes).ok_or_else(|| Error::damaged(&self.path, at, "a directory entry"))?,
            );
        }
        Ok(())
    }

    /// The whole frame of an entry, checked.
    pub(in crate::history) fn frame(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut bytes = vec![0; entry.length as usize];
        let offset = u64::from(entry.offset);
        self.file.read_exact_at(&mut bytes, offset).at("read", &self.path)?;
        match frame::read(&bytes) {
            Some(_) => Ok(bytes),
            None => Err(Error::damaged(&self.path, offset, "a row's checksum")),
        }
    }

    /// The row of an entry.
    pub(in crate::history) fn row(&self, entry: &Entry) -> Result<HistoryRow> {
        let bytes = self.frame(entry)?;
        let bad = || Error::damaged(&self.path, u64::from(entry.offset), "a row");
        match frame::read(&bytes).and_then(record::parse) {
            Some(Record::Row { link, body, .. }) if link.position == entry.link.position => {
                record::decode(body).ok_or_else(bad)
            }
            _ => Err(bad()),
        }
    }

    /// Reads all frames again, as if the segment had never been closed.
    pub(in crate::history) fn scan(path: &Path) -> Result<Scan> {
        Scan::of(&std::fs::read(path).at("read", path)?)
    }
}

/// Closes a segment: writes the directory, the fences and the trailer behind the frames and makes all
/// durable.
pub(in crate::history) fn seal(
    file: &File,
    path: &Path,
    entries: &[Entry],
    mut trailer: Trailer,
) -> Result<()> {
    trailer.rows = entries.len() as u32;
    (trailer.earliest, trailer.latest) = (i64::MAX, i64::MIN);
    let pages = entries.chunks(ENTRIES_PER_PAGE);
    let mut fences = Vec::with_capacity(pages.len() * 8);
    let mut bytes = Vec::with_capacity(pages.len() * (PAGE_BYTES + 8) + 4 + TRAILER_BYTES);
    for page in pages {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        for entry in page {
            entry.encode(&mut bytes);
            trailer.earliest = trailer.earliest.min(entry.time);
            trailer.latest = trailer.latest.max(entry.time);
        }
        bytes.resize(start + PAGE_BYTES, 0);
        let sum = crc32fast::hash(&bytes[start + 4..]);
        bytes[start..start + 4].copy_from_slice(&sum.to_le_bytes());
        fences.extend_from_slice(&page[0].link.position.to_le_bytes());
    }
    bytes.extend_from_slice(&fences);
    bytes.extend_from_slice(&crc32fast::hash(&fences).to_le_bytes());
    trailer.encode(&mut bytes);
    file.write_all_at(&bytes, trailer.frames).at("write", path)?;
    file.set_len(trailer.frames + bytes.len() as u64).at("cut", path)?;
    file.sync_all().at("sync", path)
}

impl Trailer {
    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC.to_le_bytes());
        for number in [
            u64::from(self.rows),
            self.frames,
            self.first,
            self.last,
            self.applied,
            self.earliest as u64,
            self.latest as u64,
            self.lost_up_to,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.resize(start + TRAILER_BYTES - 4, 0);
        let sum = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }

    fn decode(bytes: &[u8; TRAILER_BYTES]) -> Option<Trailer> {
        let (body, sum) = bytes.split_at(TRAILER_BYTES - 4);
        let mut input = Input(body);
        if crc32fast::hash(body).to_le_bytes() != *sum || input.u64()? != MAGIC {
            return None;
        }
        Some(Trailer {
            rows: input.u64()? as u32,
            frames: input.u64()?,
            first: input.u64()?,
            last: input.u64()?,
            applied: input.u64()?,
            earliest: input.u64()? as i64,
            latest: input.u64()? as i64,
            lost_up_to: input.u64()?,
        })
    }
}
