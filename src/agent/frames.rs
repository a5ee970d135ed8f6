//! Files that only grow: frames with a checksum, each one durable write.
//!
//! All that is made durable together is one frame. So a bad frame at the end is a write that nobody was told
//! of, and a bad frame with a good one after it is damage: the two are never confused.

use std::ops::Range;

const MAGIC: [u8; 4] = *b"dkf1";
const HEAD: usize = 12;

/// How a file of frames ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With a whole frame.
    Whole,
    /// With the beginning of one.
    Torn,
    /// A frame in the middle cannot be read.
    Damaged,
}

/// Appends a frame of these items and returns where in the buffer each item stands.
pub fn push<'a>(buffer: &mut Vec<u8>, items: impl IntoIterator<Item = &'a [u8]>) -> Vec<Range<usize>> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    let mut places = Vec::new();
    for item in items {
        buffer.extend_from_slice(&(item.len() as u32).to_be_bytes());
        places.push(buffer.len()..buffer.len() + item.len());
        buffer.extend_from_slice(item);
    }
    let payload = &buffer[start + HEAD..];
    let (length, checksum) = (payload.len() as u32, crc32fast::hash(payload));
    buffer[start..start + 4].copy_from_slice(&MAGIC);
    buffer[start + 4..start + 8].copy_from_slice(&length.to_be_bytes());
    buffer[start + 8..start + HEAD].copy_from_slice(&checksum.to_be_bytes());
    places
}

/// Hands out the items of all whole frames with their places; returns how far they reach, and how it ends.
pub fn scan(bytes: &[u8], mut each: impl FnMut(Range<usize>, &[u8])) -> (usize, End) {
    let mut position = 0;
    while position < bytes.len() {
        let Some(payload) = frame_at(bytes, position) else {
            return (position, if follows(bytes, position) { End::Damaged } else { End::Torn });
        };
        let mut at = payload.start;
        while let Some(item) = item_at(bytes, at, payload.end) {
            at = item.end;
            each(item.clone(), &bytes[item]);
        }
        position = payload.end;
    }
    (position, End::Whole)
}

/// The payload of the frame that begins here, if it is whole.
fn frame_at(bytes: &[u8], position: usize) -> Option<Range<usize>> {
    let head = bytes.get(position..position + HEAD)?;
    let start = position + HEAD;
    let end = start.checked_add(number(&head[4..8])?)?;
    let payload = bytes.get(start..end)?;
    let good = head[..4] == MAGIC && crc32fast::hash(payload) as usize == number(&head[8..])?;
    good.then_some(start..end)
}

fn item_at(bytes: &[u8], at: usize, end: usize) -> Option<Range<usize>> {
    let start = at + 4;
    let item = start..start.checked_add(number(bytes.get(at..start)?)?)?;
    (item.end <= end).then_some(item)
}

fn number(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
}

/// Whether any whole frame begins after this position.
fn follows(bytes: &[u8], position: usize) -> bool {
    let rest = bytes.get(position + 1..).unwrap_or(&[]);
    let candidates = rest.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    candidates.into_iter().any(|(offset, _)| frame_at(bytes, position + 1 + offset).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, [&b"one"[..], b"two"]);
        push(&mut bytes, [&b""[..], b"three"]);
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<String>, usize, End) {
        let mut items = Vec::new();
        let (good, end) = scan(bytes, |_, item| items.push(String::from_utf8_lossy(item).into_owned()));
        (items, good, end)
    }

    #[test]
    fn items_come_back_in_order_and_in_their_places() {
        let bytes = file();
        assert_eq!(
            read(&bytes),
            (["one", "two", "", "three"].map(String::from).to_vec(), bytes.len(), End::Whole)
        );
        scan(&bytes, |place, item| assert_eq!(&bytes[place], item));
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_frames() {
        let bytes = file();
        let first = HEAD + 14;
        for length in 0..bytes.len() {
            let (items, good, end) = read(&bytes[..length]);
            let expected = if length < first { (0, 0) } else { (2, first) };
            assert_eq!((items.len(), good), expected, "cut to {length}");
            assert_eq!(end, if length == good { End::Whole } else { End::Torn });
        }
    }

    #[test]
    fn a_changed_byte_before_a_whole_frame_is_damage_and_in_the_last_frame_a_torn_end() {
        let first = HEAD + 14;
        for position in 0..file().len() {
            let mut bytes = file();
            bytes[position] ^= 1;
            let (_, good, end) = read(&bytes);
            let expected = if position < first { (0, End::Damaged) } else { (first, End::Torn) };
            assert_eq!((good, end), expected, "changed at {position}");
        }
    }
}
