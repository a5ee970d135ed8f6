//! A snapshot on its way to a follower: from where the follower says it is, part by part, until it is in place
//! over there.

use super::{Line, Link, failed, unreadable};
use crate::raft::codec;
use crate::raft::snapshot::SnapshotFile;
use crate::raft::type_config::{Types, Vote};
use crate::task::blocking;
use bytes::Bytes;
use dkron_wire::consensus::service::SnapshotPart;
use dkron_wire::consensus::{self as wire, Head, SnapshotName};
use futures::Stream;
use openraft::error::{NetworkError, RPCError, Unreachable};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One part: a few in flight fill a fast link, and none keeps a slow one busy for long.
const PART_BYTES: u64 = 256 * 1024;
/// The end of a file that its sum is taken of: the trailer with the sum over everything, and some records.
const TAIL_BYTES: u64 = 64;
/// How long the follower may take to say where it is, or to take a part.
const STALL: Duration = Duration::from_secs(10);

/// What is sent, and how far.
struct Sending {
    head: Head,
    name: SnapshotName,
    vote: Vote,
    file: Arc<File>,
    offset: u64,
    /// Shared with whoever watches the progress.
    handed_over: Arc<AtomicU64>,
    ended: bool,
}

/// Sends the file and waits up to `install` until it is in place. The follower's vote comes back.
pub(super) async fn send(
    link: &Link,
    vote: Vote,
    snapshot: SnapshotFile,
    install: Duration,
) -> Result<Vote, RPCError<Types>> {
    let local = |error: io::Error| RPCError::from(NetworkError::<Types>::new(&error));
    let opening = blocking("raft snapshot", move || open(&snapshot));
    let (file, name) =
        opening.await.map_err(|_| Unreachable::from_string("this server stops"))?.map_err(local)?;
    let mut client = link.client(Line::Snapshot)?;
    let question = client.snapshot_offset(wire::snapshot_name_to_wire(&link.head(), &name));
    let place = match tokio::time::timeout(STALL, question).await {
        Ok(Ok(place)) => place.into_inner(),
        Ok(Err(status)) => return Err(failed(&status)),
        Err(_) => return Err(stalled()),
    };
    let offset = place.offset.min(name.size);
    tracing::info!(target = %link.target, index = name.last.index, size = name.size, offset, "sending a snapshot");
    let handed_over = Arc::new(AtomicU64::new(offset));
    let head = link.head();
    let sending = Sending { head, name, vote, file, offset, handed_over: handed_over.clone(), ended: false };
    let mut call = std::pin::pin!(client.snapshot(parts(sending)));
    loop {
        let before = handed_over.load(Ordering::Relaxed);
        let patience = if before == name.size { install } else { STALL };
        tokio::select! {
            answer = &mut call => {
                let reply = answer.map_err(|status| failed(&status))?.into_inner();
                return wire::installed(reply).map(codec::vote_from_wire).map_err(unreadable);
            }
            () = tokio::time::sleep(patience) => if handed_over.load(Ordering::Relaxed) == before {
                return Err(stalled());
            },
        }
    }
}

fn open(snapshot: &SnapshotFile) -> io::Result<(Arc<File>, SnapshotName)> {
    let last = snapshot.meta().last_log_id.ok_or_else(|| io::Error::other("an empty snapshot"))?;
    let file = File::open(snapshot.path())?;
    let size = file.metadata()?.len();
    let length = size.min(TAIL_BYTES);
    let mut tail = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut tail, size - length)?;
    let name = SnapshotName { last: codec::log_id_to_wire(last), size, sum: crc32fast::hash(&tail) };
    Ok((Arc::new(file), name))
}

/// The parts from the offset on; at least one, which names the file. A file that cannot be read ends them early,
/// which the follower notices.
fn parts(sending: Sending) -> impl Stream<Item = SnapshotPart> + Send + 'static {
    futures::stream::unfold(sending, |mut sending| async move {
        if sending.ended {
            return None;
        }
        let (file, offset) = (sending.file.clone(), sending.offset);
        let length = PART_BYTES.min(sending.name.size - offset);
        let reading = blocking("raft snapshot", move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut bytes, offset).map(|()| Bytes::from(bytes))
        });
        let bytes = match reading.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a snapshot cannot be read any more and is not sent on");
                return None;
            }
            Err(_) => return None,
        };
        let part = wire::SnapshotPart {
            name: sending.name,
            vote: codec::vote_to_wire(&sending.vote),
            offset,
            bytes,
        };
        sending.offset += length;
        sending.ended = sending.offset == sending.name.size;
        sending.handed_over.store(sending.offset, Ordering::Relaxed);
        Some((wire::snapshot_part_to_wire(&sending.head, &part), sending))
    })
}

fn stalled() -> RPCError<Types> {
    Unreachable::from_string(format!("the snapshot did not move on within {} s", STALL.as_secs())).into()
}
