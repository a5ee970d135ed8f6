//! What the servers are to be told: in order, in batches, again until it is settled.
//!
//! Nothing here must be kept: the journal knows what is owed, and a scan of it fills a queue that overflowed or a
//! connection that is new. What a scan finds is in memory and perhaps not yet on the disk: it joins the queue like
//! every report, when it is durable. Before an outcome goes its output, as far as that has not gone on this connection.

use super::folder::Folder;
use crate::clock;
use dkron_core::command::{Event, Report};
use dkron_core::delivery::{FromAgent, Told};
use dkron_core::ids::ExecutionId;
use dkron_core::journal::Journal;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a report waits for company.
const LINGER: Duration = Duration::from_millis(1);
/// Most reports in one message.
const BATCH_MAX: usize = 256;
/// Beyond this many the queue is dropped and the journal scanned instead.
const QUEUE_MAX: usize = 8_192;
/// A piece of output in one message.
const PIECE_BYTES: usize = 64 * 1024;
/// How often what is unsettled is told again.
const AGAIN: Duration = Duration::from_secs(10);

/// The queue of what is to be told.
pub(super) struct Offer {
    folder: Folder,
    connected: bool,
    queue: VecDeque<(ExecutionId, Report)>,
    /// Pieces of output that go before the queue.
    pieces: VecDeque<FromAgent>,
    /// Where the scan of the journal has come to; none if there is none.
    scan: Option<Option<ExecutionId>>,
    /// The journal's step at the scan's last piece: it goes on when that is durable.
    scanned_at: u64,
    linger_until: Option<Instant>,
    again_at: Instant,
    /// What of an execution's output has gone, without a gap, on this connection.
    sent: BTreeMap<ExecutionId, Sent>,
}

/// A stretch of an output: from the first byte unless the connection is newer than that.
#[derive(Clone, Copy, Default)]
struct Sent {
    from: u64,
    to: u64,
}

impl Offer {
    pub(super) fn new(folder: Folder) -> Offer {
        Offer {
            folder,
            connected: false,
            queue: VecDeque::new(),
            pieces: VecDeque::new(),
            scan: None,
            scanned_at: 0,
            linger_until: None,
            again_at: clock::monotonic(),
            sent: BTreeMap::new(),
        }
    }

    /// A leader is there that knows nothing of what was told before.
    pub(super) fn connect(&mut self) {
        self.connected = true;
        self.queue.clear();
        self.pieces.clear();
        self.sent.clear();
        self.scan = Some(None);
        self.again_at = clock::monotonic() + AGAIN;
    }

    /// No server is there to be told anything.
    pub(super) fn disconnect(&mut self) {
        self.connected = false;
        self.queue.clear();
        self.pieces.clear();
        self.scan = None;
    }

    /// Queues a report.
    pub(super) fn push(&mut self, id: ExecutionId, report: Report) {
        if !self.connected {
            return;
        }
        if self.queue.len() >= QUEUE_MAX {
            self.queue.clear();
            self.scan = Some(None);
        }
        if self.queue.is_empty() {
            self.linger_until = Some(clock::monotonic() + LINGER);
        }
        self.queue.push_back((id, report));
    }

    /// A piece of output as it comes: what to send if there is room, noted as sent.
    pub(super) fn stream(&mut self, id: ExecutionId, offset: u64, bytes: &[u8]) -> Option<FromAgent> {
        if !self.connected {
            return None;
        }
        // A leader that is new sees the output go on; what came before it gets at the end.
        let sent = self.sent.entry(id).or_insert(Sent { from: offset, to: offset });
        if offset != sent.to {
            return None;
        }
        sent.to = offset + bytes.len() as u64;
        Some(FromAgent::Output { id, offset, bytes: bytes.into() })
    }

    /// The piece could not be sent after all: from here on the kept output serves.
    pub(super) fn unsent(&mut self, id: ExecutionId, offset: u64) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.to = offset;
        }
    }

    /// Nothing more will be told of it.
    pub(super) fn forget(&mut self, id: ExecutionId) {
        self.sent.remove(&id);
    }

    /// When there is something to send or to scan; none if there is nothing.
    pub(super) fn ready_at(&self, now: Instant, durable: u64) -> Option<Instant> {
        if !self.connected {
            return None;
        }
        let scans = self.scan.is_some() && self.scanned_at <= durable;
        if !self.pieces.is_empty() || scans || self.queue.len() >= BATCH_MAX {
            return Some(now);
        }
        Some(if self.queue.is_empty() { self.again_at } else { self.linger_until.unwrap_or(now) })
    }

    /// The next message, if there is one.
    pub(super) async fn next(&mut self) -> Option<FromAgent> {
        if self.pieces.is_empty() {
            self.stage_output().await;
        }
        if let Some(piece) = self.pieces.pop_front() {
            return Some(piece);
        }
        let ready = self.queue.iter().enumerate().take(BATCH_MAX);
        let count = ready
            .take_while(|(place, (id, report))| *place == 0 || self.unsent_output(*id, report).is_none());
        let count = count.count();
        let told: Vec<Told> = self.queue.drain(..count).map(|(id, report)| Told { id, report }).collect();
        (!told.is_empty()).then_some(FromAgent::Reports(told))
    }

    /// Goes on with a scan, or begins one when it is time to tell again what is unsettled: what is to be queued
    /// once the journal's present step is durable.
    pub(super) fn scan(&mut self, journal: &Journal, step: u64, durable: u64) -> Vec<(ExecutionId, Report)> {
        let now = clock::monotonic();
        if now >= self.again_at {
            self.again_at = now + AGAIN;
            if self.scan.is_none() && journal.unsettled() > 0 {
                self.scan = Some(None);
            }
        }
        let goes_on = self.scanned_at <= durable && self.queue.len() < BATCH_MAX;
        let Some(cursor) = self.scan.filter(|_| goes_on) else { return Vec::new() };
        let standing = journal.standing(cursor, BATCH_MAX);
        self.scan = (standing.len() == BATCH_MAX).then(|| standing.last().map(|(id, _)| *id));
        self.scanned_at = step;
        standing
    }

    /// How many bytes of output the report's execution kept, if they have not all gone.
    fn unsent_output(&self, id: ExecutionId, report: &Report) -> Option<u64> {
        let Event::Finished(outcome) = &report.event else { return None };
        let sent = self.sent.get(&id).copied().unwrap_or_default();
        let partly = sent.from > 0 || sent.to < outcome.output_bytes;
        let missing = outcome.output_bytes > outcome.tail.len() as u64 && partly;
        missing.then_some(outcome.output_bytes)
    }

    /// Stages the output of the first report, if it has one that has not gone.
    async fn stage_output(&mut self) {
        let Some((id, report)) = self.queue.front() else { return };
        let Some(total) = self.unsent_output(*id, report) else { return };
        let id = *id;
        let kept = match tokio::fs::read(self.folder.output(id)).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%id, %error, "an output is cut to its tail");
                Vec::new()
            }
        };
        let before = self.sent.insert(id, Sent { from: 0, to: total }).unwrap_or_default();
        let gone = if before.from > 0 { 0 } else { before.to };
        let first = total.saturating_sub(kept.len() as u64);
        let skip = usize::try_from(gone.saturating_sub(first)).unwrap_or(usize::MAX).min(kept.len());
        let mut offset = first + skip as u64;
        for piece in kept[skip..].chunks(PIECE_BYTES) {
            self.pieces.push_back(FromAgent::Output { id, offset, bytes: Arc::from(piece) });
            offset += piece.len() as u64;
        }
    }
}
