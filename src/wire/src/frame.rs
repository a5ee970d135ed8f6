//! Frames of append-only files: length, checksum, payload. Journals and snapshots are made of them.
//!
//! A crash may leave the end of such a file half-written. The reader takes what is whole and says where it
//! ends and how, so that the owner cuts a torn tail off, or sets a damaged file aside; it never guesses.
//! Length and checksum are little-endian `u32`; the checksum (CRC-32) covers the length too, so that a
//! stretch of zeros is no frame.

use std::io::{self, Read, Write};

/// Length and checksum, in bytes.
pub const FRAME_HEAD_BYTES: usize = 8;
/// The longest payload that a reader accepts unless told otherwise, in bytes.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Appends a frame. A payload of more than [`FRAME_BYTES_MAX`] is refused.
pub fn write_frame(writer: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let head = frame_head(payload)?;
    writer.write_all(&head)?;
    writer.write_all(payload)
}

/// What stands before a payload.
pub(crate) fn frame_head(payload: &[u8]) -> io::Result<[u8; FRAME_HEAD_BYTES]> {
    if payload.len() > FRAME_BYTES_MAX {
        let problem = format!("a frame of {} bytes, at most {FRAME_BYTES_MAX} are allowed", payload.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let length = (payload.len() as u32).to_le_bytes();
    let mut head = [0; FRAME_HEAD_BYTES];
    head[..4].copy_from_slice(&length);
    head[4..].copy_from_slice(&checksum(length, payload).to_le_bytes());
    Ok(head)
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// How a file of frames ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With a whole frame.
    Whole,
    /// In the middle of a frame: the last write was cut short.
    Torn,
    /// With bytes that are no frame: a wrong checksum, or a length beyond the bound. After a crash this may
    /// be a torn tail as well, because a disk writes pages in any order.
    Damaged,
}

/// Reads frames until the end or the first that is not whole.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    max: usize,
    good: u64,
    end: Option<End>,
}

impl<R: Read> FrameReader<R> {
    /// Reads frames of at most [`FRAME_BYTES_MAX`] bytes.
    pub fn new(reader: R) -> FrameReader<R> {
        FrameReader::with_max(reader, FRAME_BYTES_MAX)
    }

    /// Reads frames of at most `max` bytes.
    pub fn with_max(reader: R, max: usize) -> FrameReader<R> {
        FrameReader { reader, max, good: 0, end: None }
    }

    /// The next payload; none at the end, whose kind [`FrameReader::end`] tells. An error is the reader's own.
    pub fn next_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
        self.fill(&mut head, FRAME_HEAD_BYTES)?;
        let Ok([l0, l1, l2, l3, c0, c1, c2, c3]) = <[u8; FRAME_HEAD_BYTES]>::try_from(&head[..]) else {
            return Ok(self.stop(if head.is_empty() { End::Whole } else { End::Torn }));
        };
        let length = [l0, l1, l2, l3];
        let size = u32::from_le_bytes(length) as usize;
        if size > self.max {
            return Ok(self.stop(End::Damaged));
        }
        // Grows as bytes arrive: a length that is not there costs nothing.
        let mut payload = Vec::new();
        self.fill(&mut payload, size)?;
        if payload.len() < size {
            return Ok(self.stop(End::Torn));
        }
        if checksum(length, &payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Ok(self.stop(End::Damaged));
        }
        self.good += (FRAME_HEAD_BYTES + size) as u64;
        Ok(Some(payload))
    }

    /// How many bytes the whole frames so far take: where a torn file is cut.
    pub fn good_bytes(&self) -> u64 {
        self.good
    }

    /// How the file ended; none before it has.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    fn fill(&mut self, buffer: &mut Vec<u8>, size: usize) -> io::Result<()> {
        (&mut self.reader).take(size as u64).read_to_end(buffer).map(|_| ())
    }

    fn stop(&mut self, end: End) -> Option<Vec<u8>> {
        self.end = Some(end);
        None
    }
}
