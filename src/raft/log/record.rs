//! The frame around everything stored: a format and a checksum, because a database may hand back what was
//! never written.

use super::disk::Disk;
use super::keys::Slot;
use crate::raft::error::Error;

/// The only format so far.
pub(crate) const FORMAT: u8 = 1;
const HEAD: usize = 5;

/// Why a record is not what was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Flaw {
    /// It ends within its head.
    #[error("the record is cut")]
    Cut,
    /// A newer program wrote it.
    #[error("the record has format {0}, this program reads up to {FORMAT}")]
    Format(u8),
    /// Its bytes are not those that were written.
    #[error("the checksum does not match")]
    Checksum,
}

/// The body in its frame.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD + body.len());
    record.push(FORMAT);
    record.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    record.extend_from_slice(body);
    record
}

/// The body of a frame.
pub(crate) fn body(record: &[u8]) -> Result<&[u8], Flaw> {
    let (head, body) = record.split_at_checked(HEAD).ok_or(Flaw::Cut)?;
    if head[0] != FORMAT {
        return Err(Flaw::Format(head[0]));
    }
    if head[1..] != crc32fast::hash(body).to_le_bytes() {
        return Err(Flaw::Checksum);
    }
    Ok(body)
}

/// The body of one of the single records, if it was ever written.
pub(crate) fn read(disk: &Disk, slot: Slot) -> Result<Option<Vec<u8>>, Error> {
    let Some(stored) = disk.record(slot)? else { return Ok(None) };
    let path = disk.path().to_path_buf();
    match body(&stored) {
        Ok(body) => Ok(Some(body.to_vec())),
        Err(Flaw::Format(found)) => Err(Error::NewerFormat { path, found, known: FORMAT }),
        Err(_) => Err(Error::DamagedRecord { path, what: slot.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_with_any_bit_turned_or_any_end_cut_is_found_out(
            body_bytes in prop::collection::vec(any::<u8>(), 0..200), place in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let record = frame(&body_bytes);
            prop_assert_eq!(body(&record), Ok(&body_bytes[..]));
            let mut turned = record.clone();
            turned[place.index(record.len())] ^= 1 << bit;
            prop_assert!(body(&turned).is_err());
            let cut = &record[..place.index(record.len())];
            prop_assert!(body(cut).is_err());
        }
    }
}
