//! Frames in memory: the format of [`dkron_wire::frame`], read at any place and found again behind damage.
//!
//! That module reads a file from its start to its first flaw; here single rows are read, and what stands
//! behind a flaw still counts.

/// Bytes before a payload.
pub(in crate::history) const HEADER: usize = 8;
/// A longer payload is damage: the largest is a full output.
pub(in crate::history) const PAYLOAD_MAX: usize = 512 * 1024;

/// Appends a frame whose payload `write` makes, and returns the frame's length.
pub(in crate::history) fn append(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    write(buffer);
    let length = (buffer.len() - start - HEADER) as u32;
    let checksum = sum(length, &buffer[start + HEADER..]);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + HEADER].copy_from_slice(&checksum.to_le_bytes());
    buffer.len() - start
}

/// The payload of the frame at the start of `bytes`, if it is whole.
pub(in crate::history) fn read(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let checksum = u32::from_le_bytes(bytes.get(4..HEADER)?.try_into().ok()?);
    if length == 0 || length as usize > PAYLOAD_MAX {
        return None;
    }
    let payload = bytes.get(HEADER..HEADER + length as usize)?;
    (sum(length, payload) == checksum).then_some(payload)
}

/// Where the next whole frame at or after `from` begins: how reading goes on behind damage. Checksums are
/// costly at every byte, so only frames whose payload is of a known kind and at most `longest` bytes are
/// considered.
pub(in crate::history) fn resume(bytes: &[u8], from: usize, kinds: &[u8], longest: usize) -> Option<usize> {
    let plausible = |at: usize| {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default()) as usize;
        length <= longest && kinds.contains(&bytes[at + HEADER])
    };
    (from..bytes.len().saturating_sub(HEADER)).find(|&at| plausible(at) && read(&bytes[at..]).is_some())
}

fn sum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_anywhere_makes_a_frame_unreadable() {
        let mut whole = Vec::new();
        append(&mut whole, |buffer| buffer.extend_from_slice(b"payload"));
        assert_eq!(read(&whole), Some(&b"payload"[..]));
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&changed), None, "bit {bit}");
        }
        assert_eq!(read(&[0; 64]), None);
    }

    #[test]
    fn reading_goes_on_behind_damage() {
        let mut bytes = vec![1, 2, 3];
        append(&mut bytes, |buffer| buffer.push(9));
        assert_eq!(resume(&bytes, 0, &[9], 10), Some(3));
        assert_eq!(resume(&bytes, 0, &[8], 10), None);
    }

    #[test]
    fn frames_are_those_of_the_wire() {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        append(&mut ours, |buffer| buffer.extend_from_slice(b"payload"));
        dkron_wire::frame::write_frame(&mut theirs, b"payload").expect("a vector takes all");
        assert_eq!(ours, theirs);
    }
}
