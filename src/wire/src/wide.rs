//! The 128-bit ids as bytes: 16 of them, big-endian, so that they sort as the ids do.

use crate::error::WireError;
use bytes::Bytes;

/// The id's bytes.
pub(crate) fn bytes(id: u128) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}

/// The id in this field.
pub(crate) fn read(bytes: &[u8], field: &'static str) -> Result<u128, WireError> {
    let exact = bytes.try_into().map_err(|_| WireError::Length { field, found: bytes.len() as u64 })?;
    Ok(u128::from_be_bytes(exact))
}

/// Several ids, one after the other.
pub(crate) fn concat(ids: impl Iterator<Item = u128>) -> Bytes {
    ids.flat_map(u128::to_be_bytes).collect::<Vec<u8>>().into()
}

/// The ids in this field.
pub(crate) fn read_all(bytes: &[u8], field: &'static str) -> Result<Vec<u128>, WireError> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(WireError::Length { field, found: bytes.len() as u64 });
    }
    Ok(ids.iter().map(|id| u128::from_be_bytes(*id)).collect())
}
