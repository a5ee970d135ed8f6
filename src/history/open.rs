//! The start: which segments there are, what a crash left of the last one, and the heads of the chains.

use super::checkpoint;
use super::disk::catalogue::{Catalogue, files, parse_name, set_aside};
use super::disk::entry::{Position, position};
use super::disk::segment::{Segment, Trailer, seal};
use super::error::{Context, Error, Result};
use super::keeper::{Copy, mend};
use super::outputs::Outputs;
use super::settings::Settings;
use super::store::Store;
use super::writer::create;
use crate::lock;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

/// The store, and where its writer goes on.
pub(super) struct Opened {
    pub(super) store: Arc<Store>,
    pub(super) segment: Arc<Segment>,
    pub(super) end: u64,
    pub(super) applied: u64,
}

/// A segment file of an earlier run.
struct Candidate {
    path: PathBuf,
    first: Position,
    serial: u64,
    /// None if the file was not closed.
    segment: Option<Segment>,
}

/// Opens the folder; creates it if it is not there.
pub(super) fn open(settings: Settings) -> Result<Opened> {
    let folder = settings.folder.clone();
    fs::create_dir_all(&folder).at("create", &folder)?;
    let lock = locked(&folder)?;
    for left in files(&folder, "new")? {
        fs::remove_file(&left).at("remove", &left)?;
    }
    let found = without_superseded(candidates(&folder)?)?;
    let serial = found.iter().map(|one| one.serial).max().map_or(0, |last| last + 1);
    let store = Store {
        outputs: Outputs::open(&folder.join("outputs"))?,
        catalogue: Catalogue::new(Vec::new()),
        heads: super::head::Heads::new(),
        settings,
        _lock: lock,
        serial: AtomicU64::new(serial + next_serial(&folder)?),
        appended: AtomicU64::new(0),
        published: AtomicU64::new(0),
        durable: AtomicU64::new(0),
        lost: AtomicU64::new(super::lost::read(&folder)?),
        now: AtomicI64::new(0),
        suspects: Mutex::new(BTreeSet::new()),
    };
    finish(store, found)
}

fn finish(mut store: Store, found: Vec<Candidate>) -> Result<Opened> {
    let last = found.len();
    let (mut growing, mut applied) = (None, 0);
    for (number, candidate) in found.into_iter().enumerate() {
        match candidate.segment {
            Some(segment) => {
                applied = applied.max(segment.trailer().map_or(0, |trailer| trailer.applied));
                store.catalogue.push(Arc::new(segment));
            }
            None => {
                let Some(left) = recover(&store, &candidate, number + 1 == last)? else { continue };
                applied = applied.max(left.applied);
                let segment = Arc::new(left.segment);
                store.catalogue.push(Arc::clone(&segment));
                growing = left.end.map(|end| (segment, end));
            }
        }
    }
    let reach = position(applied + 1, 0) - 1;
    *store.published.get_mut() = reach;
    *store.durable.get_mut() = reach;
    let (heads, start) = checkpoint::read(&store.settings.folder, reach)?;
    store.heads = heads;
    replay(&store, start)?;
    let (segment, end) = match growing {
        Some(growing) => growing,
        None => {
            let segment = Arc::new(create(&store, reach + 1, applied)?);
            store.catalogue.push(Arc::clone(&segment));
            let end = segment.file().metadata().at("measure", &segment.path)?.len();
            (segment, end)
        }
    };
    Ok(Opened { store: Arc::new(store), segment, end, applied })
}

fn locked(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path).at("open", &path)?;
    match lock::take(&file).at("lock", &path)? {
        true => Ok(file),
        false => Err(Error::InUse { path: folder.to_path_buf() }),
    }
}

/// A serial above those of the checkpoints.
fn next_serial(folder: &Path) -> Result<u64> {
    let names = files(folder, "heads")?;
    let serials = names
        .iter()
        .filter_map(|path| u64::from_str_radix(path.file_stem()?.to_str()?.split_once('-')?.1, 16).ok());
    Ok(serials.max().map_or(0, |last| last + 1))
}

fn candidates(folder: &Path) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for path in files(folder, "rows")? {
        let Some((first, serial)) = parse_name(&path) else { continue };
        let segment = match Segment::open(path.clone()) {
            Ok(segment) => Some(segment),
            Err(Error::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        found.push(Candidate { path, first, serial, segment });
    }
    found.sort_by_key(|one| (one.first, one.serial));
    Ok(found)
}

/// Removes what a rewritten segment stands for: a crash came between its renaming and their removal.
fn without_superseded(mut found: Vec<Candidate>) -> Result<Vec<Candidate>> {
    let stands: Vec<(Position, Position, u64)> = found
        .iter()
        .filter_map(|one| {
            one.segment.as_ref()?.trailer().map(|trailer| (trailer.first, trailer.last, one.serial))
        })
        .collect();
    let superseded = |one: &Candidate| {
        stands.iter().any(|&(first, last, serial)| one.serial < serial && (first..=last).contains(&one.first))
    };
    for one in found.iter().filter(|one| superseded(one)) {
        fs::remove_file(&one.path).at("remove", &one.path)?;
    }
    found.retain(|one| !superseded(one));
    Ok(found)
}

/// What is left of a segment that was not closed.
struct Left {
    segment: Segment,
    /// Where writing goes on; none if the segment is now closed.
    end: Option<u64>,
    applied: u64,
}

fn recover(store: &Store, candidate: &Candidate, newest: bool) -> Result<Option<Left>> {
    let path = &candidate.path;
    let scan = Segment::scan(path)?;
    let length = fs::metadata(path).at("measure", path)?.len();
    let Some(applied) = scan.applied else {
        // Not even its first commit: nothing in it was ever acknowledged.
        tracing::warn!(path = %path.display(), length, "an unfinished history segment is set aside");
        set_aside(&store.settings.folder, path)?;
        return Ok(None);
    };
    if length > scan.end {
        let bytes = length - scan.end;
        tracing::info!(path = %path.display(), bytes, "the torn end of the history is cut off");
    }
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path).at("open", path)?;
    file.set_len(scan.end).at("cut", path)?;
    file.sync_all().at("sync", path)?;
    let lost_up_to = scan.holes.iter().map(|hole| hole.up_to).max().unwrap_or(0);
    if newest && lost_up_to == 0 {
        let segment = Segment::growing(path.clone(), file, candidate.first, scan.entries);
        return Ok(Some(Left { segment, end: Some(scan.end), applied }));
    }
    let trailer = Trailer {
        frames: scan.end,
        first: candidate.first,
        last: (position(applied + 1, 0) - 1).max(candidate.first),
        applied,
        lost_up_to,
        ..Trailer::default()
    };
    if lost_up_to == 0 {
        seal(&file, path, &scan.entries, trailer)?;
        return Ok(Some(Left { segment: Segment::open(path.clone())?, end: None, applied }));
    }
    for hole in &scan.holes {
        tracing::error!(
            path = %path.display(), from = hole.bytes.start, to = hole.bytes.end,
            above = hole.above, up_to = hole.up_to,
            "a part of the history is damaged and set aside; rows of these log entries may be missing"
        );
    }
    let reading = Segment::growing(path.clone(), file, candidate.first, Vec::new());
    let mut copy = Copy::begin(store, trailer)?;
    for entry in scan.entries {
        copy.add(entry, &reading.frame(&entry)?)?;
    }
    let segment = copy.finish(store)?;
    set_aside(&store.settings.folder, path)?;
    Ok(Some(Left { segment, end: None, applied }))
}

/// Takes the rows since the checkpoint into the heads; a directory that is damaged is made anew.
fn replay(store: &Store, start: Position) -> Result<()> {
    for segment in store.catalogue.view().iter() {
        if segment.trailer().is_some_and(|trailer| trailer.last < start) {
            continue;
        }
        let entries = match segment.entries(0, usize::MAX) {
            Ok(entries) => entries,
            Err(error @ Error::Damaged { .. }) => {
                tracing::error!(%error, "a segment of the history is made anew");
                let mended = Arc::new(mend(store, segment)?);
                store.catalogue.replace(&[Arc::clone(segment)], Some(Arc::clone(&mended)));
                mended.entries(0, usize::MAX)?
            }
            Err(error) => return Err(error),
        };
        for entry in entries.iter().filter(|entry| entry.link.position > start) {
            store.heads.replay(entry);
        }
    }
    Ok(())
}
