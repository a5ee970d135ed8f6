//! The heads on disk, so that a start reads them and the rows since, not all rows.
//!
//! A checkpoint is written slice by slice while the writer goes on. Its slices are therefore of different
//! moments, all at or after its start; reading the rows from its start on again makes them one, because a
//! head takes in only what is newer than itself.

use super::disk::catalogue::{files, sync_folder};
use super::disk::entry::{Input, Kind, Position};
use super::error::{Context, Result};
use super::head::{CHAINS, Head, Heads, SHARDS};
use super::store::Store;
use dkron_core::ids::JobUid;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

const MAGIC: u64 = u64::from_le_bytes(*b"dkronc01");
const HEAD_BYTES: usize = 44;
/// How many checkpoints are kept: the second serves if the first is damaged.
const KEPT: usize = 2;

/// Writes a checkpoint and drops older ones; returns its size.
pub(super) fn write(store: &Store) -> Result<u64> {
    let folder = &store.settings.folder;
    let start = store.published.load(Ordering::Acquire);
    let temporary = folder.join("heads.new");
    let file = File::create(&temporary).at("create", &temporary)?;
    let mut out = Summed { out: BufWriter::new(file), hasher: crc32fast::Hasher::new(), bytes: 0 };
    let outcome = slices(&mut out, store, start);
    outcome.and_then(|()| out.finish()).at("write", &temporary)?;
    let size = out.bytes;
    let path = folder.join(format!("{start:016x}-{:08x}.heads", store.next_serial()));
    fs::rename(&temporary, &path).at("rename", &path)?;
    sync_folder(folder)?;
    for old in files(folder, "heads")?.iter().rev().skip(KEPT) {
        fs::remove_file(old).at("remove", old)?;
    }
    Ok(size)
}

fn slices(out: &mut Summed<BufWriter<File>>, store: &Store, start: Position) -> std::io::Result<()> {
    out.put(&MAGIC.to_le_bytes())?;
    out.put(&start.to_le_bytes())?;
    for kind in CHAINS {
        for shard in 0..SHARDS {
            let heads = store.heads.copy(kind, shard);
            out.put(&(heads.len() as u32).to_le_bytes())?;
            for head in &heads {
                out.put(&encode(head))?;
            }
        }
    }
    // Up to here the slices may know rows: a store that does not reach so far must not use them.
    let end = store.durable.load(Ordering::Acquire);
    out.put(&end.to_le_bytes())
}

fn encode(head: &Head) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[..16].copy_from_slice(&head.job.0.to_le_bytes());
    bytes[16..24].copy_from_slice(&head.position.to_le_bytes());
    bytes[24..32].copy_from_slice(&head.floor.to_le_bytes());
    bytes[32..36].copy_from_slice(&head.ordinal.to_le_bytes());
    bytes[36..40].copy_from_slice(&head.weight.to_le_bytes());
    bytes[40..].copy_from_slice(&head.stamp.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Head> {
    let mut input = Input(bytes);
    Some(Head {
        job: JobUid(input.u128()?),
        position: input.u64()?,
        floor: input.u64()?,
        ordinal: input.u32()?,
        weight: input.u32()?,
        stamp: input.u32()?,
    })
}

/// Reads the newest usable checkpoint into new heads; the position from which rows are to be read again.
pub(super) fn read(folder: &Path, last: Position) -> Result<(Heads, Position)> {
    for path in files(folder, "heads")?.iter().rev() {
        let heads = Heads::new();
        match load(path, &heads, last) {
            Ok(start) => return Ok((heads, start)),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "a checkpoint of the history cannot be used");
                fs::remove_file(path).at("remove", path)?;
            }
        }
    }
    Ok((Heads::new(), 0))
}

fn load(path: &Path, heads: &Heads, last: Position) -> std::io::Result<Position> {
    verify(path)?;
    let mut input = BufReader::new(File::open(path)?);
    if number::<8>(&mut input)? != MAGIC.to_le_bytes() {
        return Err(std::io::Error::other("not a checkpoint"));
    }
    let start = u64::from_le_bytes(number(&mut input)?);
    for kind in CHAINS {
        for _ in 0..SHARDS {
            read_slice(&mut input, heads, kind)?;
        }
    }
    let end = u64::from_le_bytes(number(&mut input)?);
    if end > last {
        return Err(std::io::Error::other("it is ahead of the rows"));
    }
    Ok(start)
}

fn read_slice(input: &mut impl Read, heads: &Heads, kind: Kind) -> std::io::Result<()> {
    let count = u32::from_le_bytes(number(input)?);
    for _ in 0..count {
        let bytes: [u8; HEAD_BYTES] = number(input)?;
        decode(&bytes).into_iter().for_each(|head| heads.put(kind, head));
    }
    Ok(())
}

/// Checks the whole file before anything in it is believed.
fn verify(path: &Path) -> std::io::Result<()> {
    let length = fs::metadata(path)?.len();
    let mut body = BufReader::with_capacity(1 << 18, File::open(path)?).take(length.saturating_sub(4));
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let sum: [u8; 4] = number(&mut body.into_inner())?;
    if hasher.finalize().to_le_bytes() == sum { Ok(()) } else { Err(std::io::Error::other("its checksum")) }
}

fn number<const N: usize>(input: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map(|()| bytes)
}

/// A file with a running checksum.
struct Summed<W> {
    out: W,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl Summed<BufWriter<File>> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn finish(&mut self) -> std::io::Result<()> {
        let sum = self.hasher.clone().finalize();
        self.out.write_all(&sum.to_le_bytes())?;
        self.out.flush()?;
        self.out.get_ref().sync_all()
    }
}
