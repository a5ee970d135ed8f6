//! Entries on their way to a follower, several messages at once.
//!
//! One task-less pipe: whoever polls the answers also moves the messages, so that dropping it lets go of
//! everything, and nothing of an old attempt is sent beside a new one.

use super::{Line, Link, append_to_wire, failed, unreadable};
use crate::raft::codec;
use crate::raft::type_config::Types;
use dkron_wire::consensus::service::{AppendReply, AppendRequest};
use dkron_wire::consensus::{self as wire, Appended, Head};
use futures::{Stream, StreamExt};
use openraft::base::BoxStream;
use openraft::error::{RPCError, Unreachable};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Messages not answered yet, of about a megabyte at most: what a follower that catches up holds in memory.
const UNANSWERED_MAX: usize = 16;
/// Messages between this pipe and the connection.
const QUEUE: usize = 2;
/// A follower that answers nothing for so long is asked anew: a flush on a sick disk takes seconds.
const STALL: Duration = Duration::from_secs(5);

type Item = Result<StreamAppendResult<Types>, RPCError<Types>>;

struct Pipe<S> {
    input: S,
    head: Head,
    /// None when the input has ended.
    sender: Option<mpsc::Sender<AppendRequest>>,
    replies: Streaming<AppendReply>,
    unanswered: usize,
    /// Runs while something is unanswered.
    patience: Option<Pin<Box<Sleep>>>,
}

/// What happened first.
enum Event {
    Reply(Result<Option<AppendReply>, tonic::Status>),
    Sent(bool),
    Stalled,
}

/// Opens the pipe.
pub(super) async fn stream<'s, S>(
    link: &'s mut Link,
    input: S,
) -> Result<BoxStream<'s, Item>, RPCError<Types>>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    let mut client = link.client(Line::Log)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let opening = tokio::time::timeout(STALL, client.append(ReceiverStream::new(receiver)));
    let replies = match opening.await {
        Ok(Ok(replies)) => replies.into_inner(),
        Ok(Err(status)) => return Err(failed(&status)),
        Err(_) => return Err(silent()),
    };
    let (head, sender) = (link.head(), Some(sender));
    let pipe = Pipe { input, head, sender, replies, unanswered: 0, patience: None };
    Ok(futures::stream::unfold(Some(pipe), |pipe| async { pipe?.next().await }).boxed())
}

impl<S> Pipe<S>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Unpin,
{
    /// The next answer, and the pipe unless it is the last one.
    async fn next(mut self) -> Option<(Item, Option<Self>)> {
        loop {
            match self.event().await {
                Event::Reply(Ok(Some(reply))) => {
                    self.unanswered = self.unanswered.saturating_sub(1);
                    self.patience = (self.unanswered > 0).then(|| Box::pin(tokio::time::sleep(STALL)));
                    return Some(self.answer(reply));
                }
                Event::Reply(Ok(None)) if self.unanswered == 0 => return None,
                Event::Reply(Ok(None)) => {
                    let error = Unreachable::from_string("the peer ended the stream without an answer");
                    return Some((Err(error.into()), None));
                }
                Event::Reply(Err(status)) => return Some((Err(failed(&status)), None)),
                Event::Sent(true) => {
                    self.unanswered += 1;
                    self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL)));
                }
                Event::Sent(false) => self.sender = None,
                Event::Stalled => return Some((Err(silent()), None)),
            }
        }
    }

    fn answer(self, reply: AppendReply) -> (Item, Option<Self>) {
        match wire::appended(reply) {
            Ok(Appended::Matching(last)) => (Ok(Ok(last.map(codec::log_id_from_wire))), Some(self)),
            Ok(Appended::Conflict(id)) => {
                (Ok(Err(StreamAppendError::Conflict(codec::log_id_from_wire(id)))), None)
            }
            Ok(Appended::Higher(vote)) => {
                (Ok(Err(StreamAppendError::HigherVote(codec::vote_from_wire(vote)))), None)
            }
            Err(error) => (Err(unreadable(error)), None),
        }
    }

    async fn event(&mut self) -> Event {
        let sends = self.sender.is_some() && self.unanswered < UNANSWERED_MAX;
        let patience = &mut self.patience;
        let stalled = async {
            match patience {
                Some(patience) => patience.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reply = self.replies.message() => Event::Reply(reply),
            sent = send(&mut self.input, &self.sender, &self.head), if sends => Event::Sent(sent),
            () = stalled => Event::Stalled,
        }
    }
}

/// Moves one message on; false if there is none any more. Nothing is lost if it is dropped before its end.
async fn send<S>(input: &mut S, sender: &Option<mpsc::Sender<AppendRequest>>, head: &Head) -> bool
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Unpin,
{
    let Some(sender) = sender else { return false };
    let Ok(permit) = sender.reserve().await else {
        // The connection has ended, and the replies say why.
        return std::future::pending().await;
    };
    let Some(request) = input.next().await else { return false };
    permit.send(wire::append_to_wire(head, &append_to_wire(&request)));
    true
}

fn silent() -> RPCError<Types> {
    Unreachable::from_string(format!("no answer within {} s", STALL.as_secs())).into()
}
