//! Several pieces in one input, each with its length before it: so that what stands in frames with checksums can be
//! mutated inside and framed well afterwards.

/// The pieces, as far as their lengths make sense.
pub(super) fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let [high, low, inside @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(inside.len());
        let (piece, after) = inside.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The input of these pieces.
pub(super) fn join(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        let length = u16::try_from(piece.len()).expect("a short piece");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&piece);
    }
    bytes
}
