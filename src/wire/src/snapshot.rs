//! Snapshot files: a header, chunks of records, a trailer, each a checked frame.
//!
//! Written and read as a stream, so that a state of a million jobs never stands in memory twice. A file is
//! whole only with its trailer, which counts the records and sums the bytes: a cut, a lost chunk and a
//! swapped one are all found before anything is used.

use crate::entry::read_head;
use crate::error::WireError;
use crate::frame::{End, FrameReader, frame_head};
use crate::generated::snapshot::v1 as proto;
use crate::raft::{
    LogId, Membership, log_id_from_proto, log_id_to_proto, membership_from_proto, membership_to_proto,
};
use crate::wide;
use bytes::Bytes;
use dkron_core::ids::Stamp;
use dkron_core::time::Time;
use prost::Message;
use std::io::{self, Read, Write};

/// A chunk is closed when it holds this many bytes.
pub const CHUNK_BYTES: usize = 64 * 1024;

const HEADER: u8 = 1;
const CHUNK: u8 = 2;
const TRAILER: u8 = 3;

/// Why a snapshot was not written or not read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be written or read.
    #[error("snapshot: {0}")]
    Io(#[from] io::Error),
    /// A message within it is not understood.
    #[error("snapshot: {0}")]
    Wire(#[from] WireError),
    /// It ends before its trailer, or with bytes that are no frame.
    #[error("snapshot: not whole beyond byte {good}")]
    NotWhole {
        /// How many bytes are good.
        good: u64,
    },
    /// A frame stands where it may not.
    #[error("snapshot: a frame of kind {kind} is not allowed here")]
    Order {
        /// The frame's kind.
        kind: u8,
    },
    /// The trailer says another count or sum than was read.
    #[error("snapshot: count or checksum differ from the trailer's: a part is missing or was changed")]
    Sum,
    /// Something follows the trailer.
    #[error("snapshot: bytes follow the trailer")]
    Trailing,
}

/// What a snapshot is of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// The log format in force in it: what its records are written in.
    pub format: u8,
    /// Whose state.
    pub stamp: Stamp,
    /// The last entry in the state; none for the state of an empty log.
    pub applied: Option<LogId>,
    /// The membership as of then.
    pub membership: Membership,
    /// The entry that the membership came with.
    pub membership_at: Option<LogId>,
    /// The state's time.
    pub time: Time,
    /// The state's digest.
    pub digest: u128,
    /// The version of the digest's rule.
    pub digest_format: u32,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let header = proto::Header {
            format: self.format.into(),
            cluster: wide::bytes(self.stamp.cluster.0),
            incarnation: self.stamp.incarnation.0,
            applied: self.applied.map(log_id_to_proto),
            membership: Some(membership_to_proto(&self.membership)),
            membership_at: self.membership_at.map(log_id_to_proto),
            time: self.time.nanos(),
            digest: wide::bytes(self.digest),
            digest_format: self.digest_format,
        };
        header.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Header, WireError> {
        let (format, stamp) = read_head(bytes, "snapshot")?;
        let header =
            proto::Header::decode(bytes).map_err(|error| WireError::malformed("snapshot header", &error))?;
        let id = |id: Option<_>| id.map(|id| log_id_from_proto(Some(id))).transpose();
        Ok(Header {
            format,
            stamp,
            applied: id(header.applied)?,
            membership: header.membership.map(membership_from_proto).transpose()?.unwrap_or_default(),
            membership_at: id(header.membership_at)?,
            time: Time::from_nanos(header.time),
            digest: wide::read(&header.digest, "snapshot.digest")?,
            digest_format: header.digest_format,
        })
    }
}

/// Writes a snapshot record by record. Without [`Writer::finish`] the file is not whole.
#[derive(Debug)]
pub struct Writer<W> {
    writer: W,
    crc: crc32fast::Hasher,
    chunk: proto::Chunk,
    chunk_bytes: usize,
    records: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a snapshot.
    pub fn new(writer: W, header: &Header) -> io::Result<Writer<W>> {
        let crc = crc32fast::Hasher::new();
        let mut writer = Writer { writer, crc, chunk: proto::Chunk::default(), chunk_bytes: 0, records: 0 };
        writer.frame(HEADER, &header.encode())?;
        Ok(writer)
    }

    /// Adds a record.
    pub fn push(&mut self, record: impl Into<Bytes>) -> io::Result<()> {
        let record = record.into();
        self.records += 1;
        self.chunk_bytes += record.len();
        self.chunk.records.push(record);
        if self.chunk_bytes >= CHUNK_BYTES {
            self.close_chunk()?;
        }
        Ok(())
    }

    /// Writes what is left and the trailer; the writer comes back to be flushed and synced.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.chunk.records.is_empty() {
            self.close_chunk()?;
        }
        let trailer = proto::Trailer { records: self.records, crc: self.crc.clone().finalize() };
        self.frame(TRAILER, &trailer.encode_to_vec())?;
        Ok(self.writer)
    }

    fn close_chunk(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunk_bytes = 0;
        self.frame(CHUNK, &chunk.encode_to_vec())
    }

    fn frame(&mut self, kind: u8, message: &[u8]) -> io::Result<()> {
        let payload = [&[kind], message].concat();
        let head = frame_head(&payload)?;
        for part in [&head[..], &payload] {
            self.crc.update(part);
            self.writer.write_all(part)?;
        }
        Ok(())
    }
}

/// Reads a snapshot record by record. Records may be used only after the end was reached without an error.
#[derive(Debug)]
pub struct Reader<R> {
    frames: FrameReader<R>,
    crc: crc32fast::Hasher,
    chunk: std::vec::IntoIter<Bytes>,
    records: u64,
    header: Header,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(reader: R) -> Result<Reader<R>, SnapshotError> {
        let mut frames = FrameReader::new(reader);
        let mut crc = crc32fast::Hasher::new();
        let (kind, message) = next(&mut frames, &mut crc)?;
        if kind != HEADER {
            return Err(SnapshotError::Order { kind });
        }
        let header = Header::decode(&message)?;
        Ok(Reader { frames, crc, chunk: Vec::new().into_iter(), records: 0, header, ended: false })
    }

    /// What the snapshot is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record; none at the end of a whole snapshot.
    pub fn next_record(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        while !self.ended {
            if let Some(record) = self.chunk.next() {
                self.records += 1;
                return Ok(Some(record));
            }
            self.open_chunk()?;
        }
        Ok(None)
    }

    fn open_chunk(&mut self) -> Result<(), SnapshotError> {
        let crc = self.crc.clone().finalize();
        let (kind, message) = next(&mut self.frames, &mut self.crc)?;
        match kind {
            CHUNK => {
                let chunk = proto::Chunk::decode(message);
                let chunk = chunk.map_err(|error| WireError::malformed("snapshot chunk", &error))?;
                self.chunk = chunk.records.into_iter();
            }
            TRAILER => {
                let trailer = proto::Trailer::decode(message);
                let trailer = trailer.map_err(|error| WireError::malformed("snapshot trailer", &error))?;
                if trailer != (proto::Trailer { records: self.records, crc }) {
                    return Err(SnapshotError::Sum);
                }
                if self.frames.next_frame()?.is_some() || self.frames.end() != Some(End::Whole) {
                    return Err(SnapshotError::Trailing);
                }
                self.ended = true;
            }
            kind => return Err(SnapshotError::Order { kind }),
        }
        Ok(())
    }
}

fn next<R: Read>(
    frames: &mut FrameReader<R>,
    crc: &mut crc32fast::Hasher,
) -> Result<(u8, Bytes), SnapshotError> {
    let not_whole = |frames: &FrameReader<R>| SnapshotError::NotWhole { good: frames.good_bytes() };
    let payload = frames.next_frame()?.ok_or_else(|| not_whole(frames))?;
    crc.update(&frame_head(&payload)?);
    crc.update(&payload);
    let kind = *payload.first().ok_or(SnapshotError::Order { kind: 0 })?;
    Ok((kind, Bytes::from(payload).slice(1..)))
}
