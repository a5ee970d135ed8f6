//! What an execution writes, while it runs, read through any server.
//!
//! Who reads asks for the next piece when it has room for it, and nothing waits for it: the leader keeps the end of each
//! output, and a reader that is slower than the job sees where it missed something. A server that does not lead asks
//! the one that does; when the leadership moves, it goes on with the next leader.

use super::executions::Run;
use super::{App, Error, Kind};
use crate::raft::Server;
use dkron_core::ids::ExecutionId;
use dkron_wire::copies as wire;
use dkron_wire::submit::service::LeaderClient;
use futures::stream::{self, BoxStream, StreamExt};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// How many clients may follow outputs through one server at a time.
pub(super) const FOLLOWERS_MAX: usize = 512;
/// The largest piece.
const PIECE_BYTES: usize = 64 * 1024;
/// The pause before another look at an execution whose leader had no more to say.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a leader looks whether the execution is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A piece of an output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Where it stands in the whole.
    pub offset: u64,
    /// How many bytes between the piece before and this one are lost.
    pub missed: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// An output that is being read.
struct Reading {
    app: App,
    job: String,
    id: ExecutionId,
    /// Where the next piece is expected.
    offset: u64,
    from: From,
    _place: OwnedSemaphorePermit,
}

/// Where the next piece comes from.
enum From {
    /// It is to be looked at how the execution stands.
    Look,
    /// Its leader.
    Leader(BoxStream<'static, (u64, Vec<u8>)>),
    /// Nowhere.
    End,
}

impl App {
    /// An execution's output from this place on, piece by piece, to its end.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such execution, [`Kind::Unavailable`] if too many read already.
    pub async fn follow(
        &self,
        job: &str,
        execution: &str,
        offset: u64,
    ) -> Result<BoxStream<'static, Piece>, Error> {
        let place = self.followers.clone().try_acquire_owned();
        let place = place.map_err(|_| {
            let message =
                format!("{FOLLOWERS_MAX} clients follow outputs here, which is the most: try another server");
            Error::new(Kind::Unavailable, message)
        })?;
        let run = self.execution(job, execution).await?;
        let reading = Reading {
            app: self.clone(),
            job: job.to_owned(),
            id: run.id,
            offset,
            from: From::Look,
            _place: place,
        };
        let pieces = stream::unfold(reading, |mut reading| async move {
            let piece = reading.next().await?;
            Some((piece, reading))
        });
        Ok(pieces.take_until(self.raft.hung_up().cancelled_owned()).boxed())
    }

    /// The same of what there is now.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such execution.
    pub async fn output_now(&self, job: &str, execution: &str, offset: u64) -> Result<Vec<Piece>, Error> {
        let run = self.execution(job, execution).await?;
        let mut known = offset;
        Ok(next_piece(&mut known, run.cut, run.output).into_iter().collect())
    }

    /// What an execution writes as long as it runs and this server leads: where each piece stands, and its bytes.
    pub fn live_pieces(&self, id: ExecutionId, offset: u64) -> BoxStream<'static, (u64, Vec<u8>)> {
        let (app, news) = (self.clone(), self.live.news(id));
        let pieces = stream::unfold((app, news, offset), move |(app, news, offset)| async move {
            let (at, bytes) = app.next_live(&news, id, offset).await?;
            let end = at + bytes.len() as u64;
            Some(((at, bytes), (app, news, end)))
        });
        pieces.take_until(self.raft.hung_up().cancelled_owned()).boxed()
    }

    async fn next_live(&self, news: &Notify, id: ExecutionId, offset: u64) -> Option<(u64, Vec<u8>)> {
        loop {
            let mut told = std::pin::pin!(news.notified());
            told.as_mut().enable();
            if let Some(piece) = self.live.piece(id, offset, PIECE_BYTES) {
                return Some(piece);
            }
            if self.leadership().leading.is_none() || !self.runs(id).await {
                return None;
            }
            // Mostly the news comes first; the end of a leadership is no news of an output.
            drop(tokio::time::timeout(LOOK_EVERY, told).await);
        }
    }

    async fn runs(&self, id: ExecutionId) -> bool {
        let Ok(view) = self.view().await else { return false };
        let mut open = view.state.occurrences();
        open.any(|(reference, found)| {
            let mut executions = found.named_executions(reference);
            executions.any(|(name, execution)| {
                execution.is_live() && found.execution_id(name.ordinal, execution.attempt) == id
            })
        })
    }

    async fn pieces_of(&self, leader: &Server, id: ExecutionId, offset: u64) -> From {
        if leader.id == self.server() {
            return From::Leader(self.live_pieces(id, offset));
        }
        let (Ok(head), Ok(channel)) = (self.head(leader.id), self.way.channel(leader)) else {
            return From::Look;
        };
        let call = async move {
            let mut client = LeaderClient::new(channel);
            client.follow(wire::follow_to_wire(head, id, offset)).await
        };
        match tokio::time::timeout(LOOK_EVERY, call).await {
            Ok(Ok(answer)) => {
                let pieces = answer.into_inner().take_while(|piece| std::future::ready(piece.is_ok()));
                let pieces = pieces.filter_map(async |piece| piece.ok());
                From::Leader(pieces.map(|piece| (piece.offset, piece.bytes.to_vec())).boxed())
            }
            Ok(Err(status)) => {
                tracing::debug!(%leader, error = status.message(), "an output is not told of");
                From::Look
            }
            Err(_) => From::Look,
        }
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Piece> {
        loop {
            match std::mem::replace(&mut self.from, From::Look) {
                From::End => return None,
                From::Leader(mut pieces) => match pieces.next().await {
                    Some((at, bytes)) => {
                        self.from = From::Leader(pieces);
                        if let Some(piece) = self.piece(at, bytes) {
                            return Some(piece);
                        }
                    }
                    None => tokio::time::sleep(PAUSE).await,
                },
                From::Look => {
                    if let Some(rest) = self.look().await {
                        return Some(rest);
                    }
                }
            }
        }
    }

    /// How the execution stands: the rest of its output if it is over, else its leader is asked.
    async fn look(&mut self) -> Option<Piece> {
        let run = match self.app.execution(&self.job, &self.id.to_string()).await {
            Ok(run) if run.finished_at.is_none() => {
                match self.app.led_by() {
                    Some(leader) => self.from = self.app.pieces_of(&leader, self.id, self.offset).await,
                    None => tokio::time::sleep(PAUSE).await,
                }
                if matches!(self.from, From::Look) {
                    tokio::time::sleep(PAUSE).await;
                }
                return None;
            }
            Ok(run) => run,
            Err(error) => {
                tracing::debug!(execution = %self.id, %error, "nothing more is told of an output");
                self.from = From::End;
                return None;
            }
        };
        self.from = From::End;
        let Run { cut, output, .. } = run;
        self.piece(cut, output)
    }

    fn piece(&mut self, at: u64, bytes: Vec<u8>) -> Option<Piece> {
        next_piece(&mut self.offset, at, bytes)
    }
}

/// What is new in these bytes, which stand at `at`, to who knows all before `next`.
fn next_piece(next: &mut u64, at: u64, mut bytes: Vec<u8>) -> Option<Piece> {
    let known = usize::try_from(next.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
    bytes.drain(..known);
    let offset = at + known as u64;
    if bytes.is_empty() || offset < *next {
        return None;
    }
    let missed = offset - *next;
    *next = offset + bytes.len() as u64;
    Some(Piece { offset, missed, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_each_byte_once_and_hears_of_those_that_are_gone() {
        let mut next = 0;
        let mut take = |at: u64, bytes: &[u8]| {
            next_piece(&mut next, at, bytes.to_vec()).map(|piece| (piece.offset, piece.missed, piece.bytes))
        };
        assert_eq!(take(0, b"abc"), Some((0, 0, b"abc".to_vec())));
        assert_eq!(take(0, b"abc"), None);
        assert_eq!(take(1, b"bcde"), Some((3, 0, b"de".to_vec())));
        assert_eq!(take(9, b"x"), Some((9, 4, b"x".to_vec())));
        assert_eq!(take(2, b"old"), None);
    }
}
