//! Log formats in messages and records. A build that knows only the first one has no field for them, so that 0 stands
//! for it, and the bytes of a cluster in that format are those that such a build writes.

use crate::error::WireError;
use dkron_core::format::Formats;

/// What is said of a format.
pub(crate) fn told(format: u8) -> u32 {
    if format <= Formats::FIRST { 0 } else { format.into() }
}

/// The format in this field, as it stands there.
pub(crate) fn read(number: u32, field: &'static str) -> Result<u8, WireError> {
    u8::try_from(number).map_err(|_| WireError::Range { field })
}

/// A range of formats; none where none is told.
pub fn range(first: u32, last: u32) -> Result<Option<Formats>, WireError> {
    let formats = Formats { first: read(first, "formats_first")?, last: read(last, "formats_last")? };
    Ok(Some(formats).filter(|formats| formats.last > 0))
}
