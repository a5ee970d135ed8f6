//! One file of outputs: frames, closed by an index once it is full, so that a start need not read the
//! outputs.

use super::Place;
use crate::history::disk::entry::Input;
use crate::history::disk::frame::{self, HEADER};
use crate::history::error::{Context, Result};
use dkron_core::ids::ExecutionId;
use dkron_core::limits::OUTPUT_BYTES_MAX;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub(in crate::history) const PUT: u8 = 1;
const FORGET: u8 = 2;
const ITEM_BYTES: usize = 24;
const FOOT_BYTES: usize = 24;
const MAGIC: u64 = u64::from_le_bytes(*b"dkrono01");

/// What a file says, in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::history) enum Found {
    /// An output: where its frame begins, and the frame's length.
    Put(ExecutionId, u32, u32),
    /// The output of this id, in this or an older file, is no longer wanted.
    Forget(ExecutionId),
}

impl Found {
    /// The same, behind `by` more bytes.
    pub(in crate::history) fn moved(self, by: u32) -> Found {
        match self {
            Found::Put(id, offset, length) => Found::Put(id, offset + by, length),
            forget => forget,
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        let (id, offset, length) = match self {
            Found::Put(id, offset, length) => (id, offset, length),
            Found::Forget(id) => (id, 0, 0),
        };
        out.extend_from_slice(&id.0.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Found> {
        let mut input = Input(bytes);
        let id = ExecutionId(input.u128()?);
        let (offset, length) = (input.u32()?, input.u32()?);
        Some(if length == 0 { Found::Forget(id) } else { Found::Put(id, offset, length) })
    }
}

/// Appends an output's frame and returns its length.
pub(in crate::history) fn append_put(buffer: &mut Vec<u8>, id: ExecutionId, cut: bool, bytes: &[u8]) -> u32 {
    frame::append(buffer, |out| {
        out.push(PUT);
        out.extend_from_slice(&id.0.to_le_bytes());
        out.push(u8::from(cut));
        out.extend_from_slice(bytes);
    }) as u32
}

/// Appends the note that an output is no longer wanted.
pub(in crate::history) fn append_forget(buffer: &mut Vec<u8>, id: ExecutionId) {
    frame::append(buffer, |out| {
        out.push(FORGET);
        out.extend_from_slice(&id.0.to_le_bytes());
    });
}

/// An open file of outputs.
pub(in crate::history) struct OutputFile {
    pub(in crate::history) path: PathBuf,
    pub(in crate::history) number: u32,
    file: File,
    /// Bytes of its frames.
    frames: AtomicU64,
    /// How many notes [`Found::Forget`] it has.
    forgets: AtomicU64,
}

impl OutputFile {
    pub(in crate::history) fn create(folder: &Path, number: u32) -> Result<OutputFile> {
        let path = folder.join(format!("{number:08x}.outputs"));
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(true).open(&path).at("create", &path)?;
        crate::history::disk::catalogue::sync_folder(folder)?;
        Ok(OutputFile { path, number, file, frames: AtomicU64::new(0), forgets: AtomicU64::new(0) })
    }

    /// Opens a file of an earlier run; closes it if that run did not; removes it if there is nothing in it.
    pub(in crate::history) fn open(path: &Path) -> Result<Option<(OutputFile, Vec<Found>)>> {
        let name = path.file_stem().and_then(|name| name.to_str());
        let Some(number) = name.and_then(|name| u32::from_str_radix(name, 16).ok()) else { return Ok(None) };
        let file = OpenOptions::new().read(true).write(true).open(path).at("open", path)?;
        let opened = OutputFile {
            path: path.to_path_buf(),
            number,
            file,
            frames: AtomicU64::new(0),
            forgets: AtomicU64::new(0),
        };
        let items = match opened.index()? {
            Some(items) => items,
            None => {
                let items = opened.scan()?;
                if items.is_empty() {
                    fs::remove_file(path).at("remove", path)?;
                    return Ok(None);
                }
                opened.seal(&items)?;
                items
            }
        };
        opened.count(&items);
        Ok(Some((opened, items)))
    }

    fn count(&self, items: &[Found]) {
        let forgets = items.iter().filter(|item| matches!(item, Found::Forget(_))).count();
        self.forgets.store(forgets as u64, Ordering::Relaxed);
    }

    /// The index, if the file was closed with one.
    fn index(&self) -> Result<Option<Vec<Found>>> {
        let length = self.file.metadata().at("measure", &self.path)?.len();
        let Some(foot_at) = length.checked_sub(FOOT_BYTES as u64) else { return Ok(None) };
        let mut foot = [0; FOOT_BYTES];
        self.file.read_exact_at(&mut foot, foot_at).at("read", &self.path)?;
        let mut input = Input(&foot);
        let (Some(MAGIC), Some(frames), Some(count), Some(sum)) =
            (input.u64(), input.u64(), input.u32(), input.u32())
        else {
            return Ok(None);
        };
        let size = count as usize * ITEM_BYTES;
        if frames.checked_add(size as u64) != Some(foot_at) {
            return Ok(None);
        }
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, frames).at("read", &self.path)?;
        if crc32fast::hash(&bytes) != sum {
            return Ok(None);
        }
        self.frames.store(frames, Ordering::Relaxed);
        Ok(bytes.chunks_exact(ITEM_BYTES).map(Found::decode).collect())
    }

    /// What stands in the frames; damaged ones are passed over.
    fn scan(&self) -> Result<Vec<Found>> {
        let bytes = fs::read(&self.path).at("read", &self.path)?;
        let (mut at, mut items) = (0, Vec::new());
        while at < bytes.len() {
            let Some(payload) = frame::read(&bytes[at..]) else {
                match frame::resume(&bytes, at + 1, &[PUT, FORGET], OUTPUT_BYTES_MAX + 64) {
                    Some(next) => at = next,
                    None => break,
                }
                continue;
            };
            let length = HEADER + payload.len();
            let mut input = Input(payload);
            if let (Some([kind]), Some(id)) = (input.take(), input.u128()) {
                let put = Found::Put(ExecutionId(id), at as u32, length as u32);
                items.push(if kind == PUT { put } else { Found::Forget(ExecutionId(id)) });
            }
            at += length;
            self.frames.store(at as u64, Ordering::Relaxed);
        }
        Ok(items)
    }

    /// Writes at the end of the frames and makes it durable.
    pub(in crate::history) fn append(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.file.write_all_at(bytes, at).at("write", &self.path)?;
        self.file.sync_data().at("sync", &self.path)?;
        self.frames.store(at + bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Closes the file with an index.
    pub(in crate::history) fn seal(&self, items: &[Found]) -> Result<()> {
        self.count(items);
        let frames = self.frames.load(Ordering::Relaxed);
        let mut bytes = Vec::with_capacity(items.len() * ITEM_BYTES + FOOT_BYTES);
        items.iter().for_each(|item| item.encode(&mut bytes));
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&frames.to_le_bytes());
        bytes.extend_from_slice(&(items.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, frames).at("write", &self.path)?;
        self.file.set_len(frames + bytes.len() as u64).at("cut", &self.path)?;
        self.file.sync_all().at("sync", &self.path)
    }

    /// The frame at a place.
    pub(in crate::history) fn read(&self, place: &Place) -> Result<Vec<u8>> {
        let mut bytes = vec![0; place.length as usize];
        self.file.read_exact_at(&mut bytes, place.offset.into()).at("read", &self.path)?;
        Ok(bytes)
    }

    /// Bytes of its frames.
    pub(in crate::history) fn size(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Bytes of its notes about unwanted outputs.
    pub(in crate::history) fn forget_bytes(&self) -> u64 {
        self.forgets.load(Ordering::Relaxed) * (HEADER + 17) as u64
    }

    /// Writes the wanted outputs and all notes to a new file under the same name.
    pub(in crate::history) fn rewrite(&self, wanted: &HashSet<(ExecutionId, Place)>) -> Result<OutputFile> {
        let (mut bytes, mut items) = (Vec::new(), Vec::new());
        for found in self.index()?.unwrap_or_default() {
            match found {
                Found::Forget(id) => {
                    append_forget(&mut bytes, id);
                    items.push(found);
                }
                Found::Put(id, offset, length) => {
                    let place = Place { file: self.number, offset, length };
                    if wanted.contains(&(id, place)) {
                        items.push(Found::Put(id, bytes.len() as u32, length));
                        bytes.extend_from_slice(&self.read(&place)?);
                    }
                }
            }
        }
        let path = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(true).open(&path).at("create", &path)?;
        let mut new = OutputFile {
            path,
            number: self.number,
            file,
            frames: AtomicU64::new(0),
            forgets: AtomicU64::new(0),
        };
        new.append(&bytes, 0)?;
        new.seal(&items)?;
        fs::rename(&new.path, &self.path).at("rename", &new.path)?;
        new.path.clone_from(&self.path);
        if let Some(folder) = self.path.parent() {
            crate::history::disk::catalogue::sync_folder(folder)?;
        }
        Ok(new)
    }

    /// Where the outputs of a closed file stand.
    pub(in crate::history) fn puts(&self) -> Result<Vec<(ExecutionId, Place)>> {
        let items = self.index()?.unwrap_or_default();
        let put = |item| match item {
            Found::Put(id, offset, length) => Some((id, Place { file: self.number, offset, length })),
            Found::Forget(_) => None,
        };
        Ok(items.into_iter().filter_map(put).collect())
    }
}
