//! What the peers call. A message for another server, cluster or incarnation is refused by name, before
//! consensus sees anything of it.

use super::MESSAGE_BYTES_MAX;
use crate::clock;
use crate::raft::codec;
use crate::raft::error::Error;
use crate::raft::machine::Machine;
use crate::raft::snapshot::{Incoming, Misplaced, SnapshotFile};
use crate::raft::type_config::{LogId, ServerId, Types};
use crate::raft::{Inner, Raft, unison};
use crate::task::blocking;
use dkron_wire::WireError;
use dkron_wire::consensus::service::{
    AppendReply, AppendRequest, Consensus, ConsensusServer, DigestsReply, DigestsRequest, Head,
    QuarantineReply, QuarantineRequest, SnapshotName, SnapshotPart, SnapshotPlace, SnapshotReply,
    TransferReply, TransferRequest, VoteReply, VoteRequest,
};
use dkron_wire::consensus::{self as wire, Appended};
use dkron_wire::digests::{self, Account};
use futures::{Stream, StreamExt};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest,
};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

/// A sender of a snapshot that says nothing for so long is gone.
const PART_WAIT: Duration = Duration::from_secs(30);

/// Answers the other servers; `unavailable` as long as consensus is not started here.
pub struct Calls<M: Machine> {
    raft: Arc<OnceLock<Raft<M>>>,
}

impl<M: Machine> Calls<M> {
    /// The service, for a consensus that is started or will be.
    pub fn service(raft: Arc<OnceLock<Raft<M>>>) -> ConsensusServer<Calls<M>> {
        ConsensusServer::new(Calls { raft })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The consensus, if the message is for it.
    fn meant(&self, head: Option<Head>) -> Result<&Arc<Inner<M>>, Status> {
        let raft = self.raft.get().ok_or_else(|| Status::unavailable("consensus is not started here"))?;
        meant(&raft.inner, &wire::head(head).map_err(unreadable)?)?;
        Ok(&raft.inner)
    }
}

fn meant<M: Machine>(own: &Inner<M>, head: &wire::Head) -> Result<(), Status> {
    let server = own.identity.server;
    if head.target != server {
        let said = format!("this is server {server}, the message is for server {}", head.target);
        return Err(Status::failed_precondition(said));
    }
    if head.stamp != own.stamp {
        let said = format!("this server is of cluster {}, the message of cluster {}", own.stamp, head.stamp);
        return Err(Status::failed_precondition(said));
    }
    if head.sender == server {
        let said = format!("the message comes from a second server with this one's id {server}");
        return Err(Status::failed_precondition(said));
    }
    Ok(())
}

type Answers = Pin<Box<dyn Stream<Item = Result<AppendReply, Status>> + Send>>;

#[tonic::async_trait]
impl<M: Machine> Consensus for Calls<M> {
    type AppendStream = Answers;

    async fn append(&self, request: Request<Streaming<AppendRequest>>) -> Result<Response<Answers>, Status> {
        let raft = self.raft.get().ok_or_else(|| Status::unavailable("consensus is not started here"))?;
        let own = raft.inner.clone();
        let (refusal_sender, refusal) = oneshot::channel();
        let input = Input { own: own.clone(), messages: request.into_inner(), refusal: Some(refusal_sender) };
        let input = futures::stream::unfold(input, |mut input| async move {
            let request = input.next().await?;
            Some((request, input))
        });
        let hang_up = own.hang_up.clone().cancelled_owned();
        let raft = own.clone();
        let answers = own.consensus.stream_append(input).map(move |answer| match answer {
            Ok(answer) => Ok(wire::appended_to_wire(&note(&raft, appended(answer), None))),
            Err(fatal) => Err(Status::unavailable(fatal.to_string())),
        });
        let last = futures::stream::once(refusal).filter_map(async |refusal| refusal.ok().map(Err));
        Ok(Response::new(answers.chain(last).take_until(hang_up).boxed()))
    }

    /// Consensus answers when all that came before is on the disk. Whether it follows this leader is known
    /// before, and that is all that a heartbeat asks.
    async fn heartbeat(&self, request: Request<AppendRequest>) -> Result<Response<AppendReply>, Status> {
        let mut message = request.into_inner();
        let own = self.meant(message.head.take())?;
        let request = entries(own, message)?;
        let (vote, previous) = (request.vote, request.prev_log_id);
        let is_heartbeat = request.entries.is_empty();
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let committed = committed(&request);
        let mut written = std::pin::pin!(own.consensus.append_entries(request));
        // Not `with_raft_state`: it takes an answer that nobody needs any more for an error.
        let (sender, receiver) = oneshot::channel();
        let asked = own.consensus.external_request(move |state| {
            let _ = sender.send(*state.vote_ref() == vote);
        });
        let follows = async { asked.await.is_ok() && matches!(receiver.await, Ok(true)) };
        let answer = tokio::select! {
            biased;
            answer = &mut written => answer,
            true = follows, if is_heartbeat => {
                let matching = note(own, Appended::Matching(previous.map(codec::log_id_to_wire)), committed);
                return Ok(Response::new(with_clock(&matching)));
            }
            else => written.await,
        };
        let answer = answer.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        let answer = match answer {
            AppendEntriesResponse::Success => Ok(last),
            AppendEntriesResponse::PartialSuccess(matching) => Ok(matching),
            AppendEntriesResponse::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote)),
            AppendEntriesResponse::Conflict => match previous {
                Some(previous) => Err(StreamAppendError::Conflict(previous)),
                None => return Err(Status::internal("nothing can contradict the beginning of the log")),
            },
        };
        let answer = note(own, appended(answer), committed);
        Ok(Response::new(with_clock(&answer)))
    }

    async fn vote(&self, request: Request<VoteRequest>) -> Result<Response<VoteReply>, Status> {
        self.ballot(request.into_inner(), false).await
    }

    async fn pre_vote(&self, request: Request<VoteRequest>) -> Result<Response<VoteReply>, Status> {
        self.ballot(request.into_inner(), true).await
    }

    async fn snapshot_offset(
        &self,
        request: Request<SnapshotName>,
    ) -> Result<Response<SnapshotPlace>, Status> {
        let mut message = request.into_inner();
        let own = self.meant(message.head.take())?;
        let name = wire::snapshot_name(message).map_err(unreadable)?;
        let offset = with(&own.incoming, move |incoming| Ok(incoming.offset(&name))).await?;
        Ok(Response::new(SnapshotPlace { offset }))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<SnapshotPart>>,
    ) -> Result<Response<SnapshotReply>, Status> {
        let raft = self.raft.get().ok_or_else(|| Status::unavailable("consensus is not started here"))?;
        let own = raft.inner.clone();
        let receiving = receive(&own, request.into_inner());
        let (vote, file) = tokio::select! {
            received = receiving => received?,
            () = own.hang_up.cancelled() => return Err(Status::unavailable("this server stops")),
        };
        let snapshot = file.clone().into_snapshot();
        let installed = own.consensus.install_full_snapshot(codec::vote_from_wire(vote), snapshot).await;
        with(&own.incoming, move |incoming| {
            incoming.discard(&file);
            Ok(())
        })
        .await?;
        let reply = installed.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(wire::installed_to_wire(&codec::vote_to_wire(&reply.vote))))
    }

    async fn transfer_leader(
        &self,
        request: Request<TransferRequest>,
    ) -> Result<Response<TransferReply>, Status> {
        let mut message = request.into_inner();
        let own = self.meant(message.head.take())?;
        let transfer = wire::transfer(message).map_err(unreadable)?;
        if transfer.to == own.identity.server && own.quarantine.is_set() {
            return Err(Status::failed_precondition("this server is in quarantine and cannot lead"));
        }
        let request = TransferLeaderRequest::<Types>::new(
            codec::vote_from_wire(transfer.from),
            ServerId(transfer.to),
            transfer.last.map(codec::log_id_from_wire),
        );
        let answer = own.consensus.handle_transfer_leader(request).await;
        let answer = answer.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        let refusal = answer.err().map(|refusal| match refusal {
            TransferLeaderError::VoteChanged { actual, .. } => {
                wire::TransferRefusal::Vote(codec::vote_to_wire(&actual))
            }
            TransferLeaderError::LogNotFlushed { actual, .. } => {
                wire::TransferRefusal::Behind(actual.map(codec::log_id_to_wire))
            }
        });
        Ok(Response::new(wire::transferred_to_wire(refusal.as_ref())))
    }

    async fn digests(&self, request: Request<DigestsRequest>) -> Result<Response<DigestsReply>, Status> {
        let mut message = request.into_inner();
        let own = self.meant(message.head.take())?;
        message.indexes.truncate(unison::ASKED_MAX);
        let seals = unison::seals(&own.thread, Some(message.indexes)).await;
        let seals = seals.map_err(|error| Status::unavailable(error.to_string()))?;
        let account = Account { seals, quarantined: own.quarantine.is_set() };
        Ok(Response::new(digests::account_to_wire(&account)))
    }

    async fn quarantine(
        &self,
        request: Request<QuarantineRequest>,
    ) -> Result<Response<QuarantineReply>, Status> {
        let mut message = request.into_inner();
        let own = self.meant(message.head.take())?;
        let verdict = digests::verdict_from_wire(message).map_err(unreadable)?;
        let accepted = unison::take(&own.thread, &own.quarantine, &verdict).await;
        let accepted = accepted.map_err(|error| Status::unavailable(error.to_string()))?;
        if accepted {
            own.consensus.runtime_config().elect(false);
        }
        Ok(Response::new(QuarantineReply { accepted }))
    }
}

impl<M: Machine> Calls<M> {
    async fn ballot(&self, mut message: VoteRequest, before: bool) -> Result<Response<VoteReply>, Status> {
        let own = self.meant(message.head.take())?;
        let ballot = wire::ballot(message).map_err(unreadable)?;
        let request = openraft::raft::VoteRequest::<Types> {
            vote: codec::vote_from_wire(ballot.vote),
            last_log_id: ballot.last.map(codec::log_id_from_wire),
            leadership_transfer: ballot.transfer,
        };
        let answer = match before {
            true => own.consensus.pre_vote(request).await,
            false => own.consensus.vote(request).await,
        };
        let answer = answer.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        Ok(Response::new(wire::balloted_to_wire(&wire::Balloted {
            vote: codec::vote_to_wire(&answer.vote),
            granted: answer.vote_granted,
            last: answer.last_log_id.map(codec::log_id_to_wire),
        })))
    }
}

/// The messages of a stream of entries, until one is not for us.
struct Input<M: Machine> {
    own: Arc<Inner<M>>,
    messages: Streaming<AppendRequest>,
    refusal: Option<oneshot::Sender<Status>>,
}

impl<M: Machine> Input<M> {
    async fn next(&mut self) -> Option<AppendEntriesRequest<Types>> {
        let message = tokio::select! {
            message = self.messages.message() => message,
            () = self.own.hang_up.cancelled() => return None,
        };
        let checked = message.and_then(|message| {
            let Some(mut message) = message else { return Ok(None) };
            meant(&self.own, &wire::head(message.head.take()).map_err(unreadable)?)?;
            entries(&self.own, message).map(Some)
        });
        match checked {
            Ok(request) => request,
            Err(status) => {
                if let Some(refusal) = self.refusal.take() {
                    drop(refusal.send(status));
                }
                None
            }
        }
    }
}

/// The entries as consensus wants them; one of another cluster is refused here.
fn entries<M: Machine>(
    own: &Inner<M>,
    message: AppendRequest,
) -> Result<AppendEntriesRequest<Types>, Status> {
    let append = wire::append(message).map_err(unreadable)?;
    let log = codec::Own { stamp: own.stamp, formats: own.formats };
    let entries = append.entries.into_iter().map(|entry| codec::entry_from_wire(log, entry));
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(unreadable)?;
    let first = append.previous.map_or(0, |id| id.index + 1);
    if let Some((due, entry)) = (first..).zip(&entries).find(|(due, entry)| entry.log_id.index != *due) {
        let said = format!("entry {} comes where entry {due} is due", entry.log_id.index);
        return Err(Status::invalid_argument(said));
    }
    Ok(AppendEntriesRequest {
        vote: codec::vote_from_wire(append.vote),
        prev_log_id: append.previous.map(codec::log_id_from_wire),
        leader_commit: append.committed.map(codec::log_id_from_wire),
        entries,
    })
}

/// The answer, and what the clock shows: the leader compares.
fn with_clock(answer: &Appended) -> AppendReply {
    AppendReply { clock: Some(clock::wall().nanos()), ..wire::appended_to_wire(answer) }
}

/// Up to where the leader knows the log as committed, by an entry of its own term.
fn committed(request: &AppendEntriesRequest<Types>) -> Option<u64> {
    let own_term = |id: &LogId| id.leader_id == request.vote.leader_id;
    request.leader_commit.filter(own_term).map(|id| id.index)
}

/// Remembers when a leader was heard that this server follows, and what it said.
fn note<M: Machine>(own: &Inner<M>, answer: Appended, committed: Option<u64>) -> Appended {
    if matches!(answer, Appended::Matching(_)) {
        own.contact().hear(clock::monotonic(), committed);
    }
    answer
}

fn appended(answer: StreamAppendResult<Types>) -> Appended {
    match answer {
        Ok(matching) => Appended::Matching(matching.map(codec::log_id_to_wire)),
        Err(StreamAppendError::Conflict(id)) => Appended::Conflict(codec::log_id_to_wire(id)),
        Err(StreamAppendError::HigherVote(vote)) => Appended::Higher(codec::vote_to_wire(&vote)),
    }
}

/// Takes a snapshot's parts to their end; the file is whole, checked and loaded then.
async fn receive<M: Machine>(
    own: &Inner<M>,
    mut parts: Streaming<SnapshotPart>,
) -> Result<(dkron_wire::raft::Vote, SnapshotFile), Status> {
    let mut last = None;
    while let Some(part) = tokio::time::timeout(PART_WAIT, parts.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no further part of the snapshot came"))??
    {
        let (head, part) = wire::snapshot_part(part).map_err(|error| Status::data_loss(error.to_string()))?;
        meant(own, &head)?;
        last = Some((part.name, part.vote));
        with(&own.incoming, move |incoming| incoming.write(&part.name, part.offset, &part.bytes)).await?;
    }
    let (name, vote) = last.ok_or_else(|| Status::invalid_argument("a snapshot without a part"))?;
    let file = with(&own.incoming, move |incoming| incoming.finish(&name)).await?;
    Ok((vote, file))
}

/// Runs what blocks where it may.
async fn with<M: Machine, T: Send + 'static>(
    incoming: &Arc<Incoming<M>>,
    work: impl FnOnce(&Incoming<M>) -> Result<T, Misplaced> + Send + 'static,
) -> Result<T, Status> {
    let incoming = incoming.clone();
    let done = blocking("raft incoming", move || work(&incoming)).await;
    let done = done.map_err(|_| Status::unavailable("this server stops"))?;
    done.map_err(|error| match &error {
        Misplaced::Offset { .. } => Status::out_of_range(error.to_string()),
        Misplaced::File(Error::DamagedSnapshot { .. }) => {
            tracing::warn!(%error, "a snapshot came in damaged and is asked for again");
            Status::data_loss(error.to_string())
        }
        Misplaced::File(_) => Status::internal(error.to_string()),
    })
}

fn unreadable(error: WireError) -> Status {
    Status::invalid_argument(error.to_string())
}
