//! Which segments there are, oldest first, and the files that hold them.

use super::entry::Position;
use super::segment::Segment;
use crate::history::error::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The segments at one moment.
pub(in crate::history) type View = Arc<Vec<Arc<Segment>>>;

/// The list of segments. The writer adds at the end, the keeper replaces and drops before it.
pub(in crate::history) struct Catalogue {
    segments: RwLock<View>,
}

impl Catalogue {
    pub(in crate::history) fn new(segments: Vec<Arc<Segment>>) -> Catalogue {
        Catalogue { segments: RwLock::new(Arc::new(segments)) }
    }

    pub(in crate::history) fn view(&self) -> View {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::history) fn push(&self, segment: Arc<Segment>) {
        self.change(|segments| segments.push(segment));
    }

    /// Puts `new` in the place of `old`, or takes `old` away.
    pub(in crate::history) fn replace(&self, old: &[Arc<Segment>], new: Option<Arc<Segment>>) {
        self.change(|segments| {
            let gone = |segment: &Arc<Segment>| old.iter().any(|other| Arc::ptr_eq(other, segment));
            let at = segments.iter().position(gone).unwrap_or(segments.len());
            segments.retain(|segment| !gone(segment));
            if let Some(new) = new {
                segments.insert(at, new);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut held = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let mut segments = held.as_ref().clone();
        change(&mut segments);
        *held = Arc::new(segments);
    }
}

/// The segment of a view in which a position would stand.
pub(in crate::history) fn locate(view: &View, position: Position) -> Option<usize> {
    view.partition_point(|segment| segment.first() <= position).checked_sub(1)
}

/// A segment file's name: its first position, and a serial number that tells a rewritten one from the
/// original.
pub(in crate::history) fn file_name(first: Position, serial: u64) -> String {
    format!("{first:016x}-{serial:08x}.rows")
}

/// The inverse of [`file_name`].
pub(in crate::history) fn parse_name(path: &Path) -> Option<(Position, u64)> {
    let (first, serial) = path.file_name()?.to_str()?.strip_suffix(".rows")?.split_once('-')?;
    Some((Position::from_str_radix(first, 16).ok()?, u64::from_str_radix(serial, 16).ok()?))
}

/// Makes the names in a folder durable.
pub(in crate::history) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).at("sync", folder)
}

/// All files of a folder with this extension.
pub(in crate::history) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).at("list", folder)? {
        let path = item.at("list", folder)?.path();
        if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Moves a damaged file out of the way, where a person can look at it.
pub(in crate::history) fn set_aside(folder: &Path, path: &Path) -> Result<()> {
    let aside = folder.join("damaged");
    fs::create_dir_all(&aside).at("create", &aside)?;
    if let Some(name) = path.file_name() {
        fs::rename(path, aside.join(name)).at("set aside", path)?;
    }
    sync_folder(&aside)?;
    sync_folder(folder)
}
