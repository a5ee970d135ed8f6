//! The way to the peers, and theirs to us.
//!
//! - Does: carry what consensus says, name in every message whose it is and for whom, refuse what is not for
//!   this server; look a peer's address up at every call.
//! - Owns: three connections to each peer, so that a heartbeat never waits behind entries, nor entries behind
//!   a snapshot.
//! - Never: reads an entry's commands; holds a heartbeat's answer back until a disk has written.
//! - Fails: a peer that cannot be reached is tried again by consensus, at growing distances.

mod append;
mod compare;
mod outgoing;
mod service;

pub use service::Calls;

use super::clocks::PeerClocks;
use super::codec;
use super::snapshot::SnapshotFile;
use super::type_config::{Peer, ServerId, Types, Vote};
use crate::clock;
use crate::net::Dialer;
use dkron_core::ids::{NodeId, Stamp};
use dkron_core::time::Time;
use dkron_wire::WireError;
use dkron_wire::consensus::service::ConsensusClient;
use dkron_wire::consensus::{self as wire, Head};
use futures::Stream;
use openraft::base::{BoxFuture, BoxStream};
use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, stream_append_sequential, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{RaftNetworkFactory, alias::SnapshotOf};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The largest message: about a megabyte of entries, with much room.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where each server takes calls, `host:port`, as known at the moment.
pub type Addresses = watch::Receiver<Arc<BTreeMap<NodeId, Arc<str>>>>;

/// One of the connections to a peer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Line {
    /// Heartbeats and votes: small, and never late.
    Pulse,
    /// Entries.
    Log,
    /// Snapshots.
    Snapshot,
}

/// Makes the connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Network {
    exchange: Arc<Exchange>,
}

/// What all connections of this server share.
struct Exchange {
    own: NodeId,
    stamp: Stamp,
    addresses: Addresses,
    dialer: Dialer,
    /// Where it is kept what the peers' clocks show.
    clocks: PeerClocks,
    /// The open lines, each with the address that it goes to. Three for every server ever met.
    lines: Mutex<Lines>,
}

type Lines = BTreeMap<(NodeId, Line), (Arc<str>, Channel)>;

/// The way to one peer.
pub(crate) struct Link {
    exchange: Arc<Exchange>,
    target: ServerId,
    /// The address in the membership, for when nothing newer is known.
    fallback: Arc<str>,
    /// What consensus appends over it.
    line: Line,
}

type Client = ConsensusClient<Channel>;

impl Network {
    pub(crate) fn new(
        own: NodeId,
        stamp: Stamp,
        (addresses, dialer): (Addresses, Dialer),
        clocks: PeerClocks,
    ) -> Network {
        let lines = Mutex::new(BTreeMap::new());
        Network { exchange: Arc::new(Exchange { own, stamp, addresses, dialer, clocks, lines }) }
    }

    fn link(&self, target: ServerId, peer: &Peer, line: Line) -> Link {
        Link { exchange: self.exchange.clone(), target, fallback: peer.address.clone(), line }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: ServerId, peer: &Peer) -> Link {
        self.link(target, peer, Line::Log)
    }

    async fn new_heartbeat_client(&mut self, target: ServerId, peer: &Peer) -> Link {
        self.link(target, peer, Line::Pulse)
    }

    async fn new_snapshot_client(&mut self, target: ServerId, peer: &Peer) -> Link {
        self.link(target, peer, Line::Snapshot)
    }
}

impl Link {
    /// A client on a line to where the peer is now.
    fn client(&self, line: Line) -> Result<Client, Unreachable<Types>> {
        let known = self.exchange.addresses.borrow().get(&self.target.0).cloned();
        let address = known.unwrap_or_else(|| self.fallback.clone());
        let channel = {
            let mut lines = self.exchange.lines.lock().unwrap_or_else(PoisonError::into_inner);
            match lines.get(&(self.target.0, line)) {
                Some((to, channel)) if *to == address => channel.clone(),
                _ => {
                    let channel =
                        self.exchange.dialer.line(&address).map_err(|error| Unreachable::new(&error))?;
                    lines.insert((self.target.0, line), (address, channel.clone()));
                    channel
                }
            }
        };
        let client = ConsensusClient::new(channel);
        Ok(client.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    fn head(&self) -> Head {
        Head { stamp: self.exchange.stamp, sender: self.exchange.own, target: self.target.0 }
    }

    /// Waits for an answer as long as consensus does.
    async fn call<T>(
        &self,
        action: RPCTypes,
        limit: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, RPCError<Types>> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failed(&status)),
            Err(_) => {
                Err(Timeout { action, id: ServerId(self.exchange.own), target: self.target, timeout: limit }
                    .into())
            }
        }
    }

    async fn ask_for_vote(
        &self,
        request: &VoteRequest<Types>,
        option: &RPCOption,
        before: bool,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let mut client = self.client(Line::Pulse)?;
        let ballot = wire::Ballot {
            vote: codec::vote_to_wire(&request.vote),
            last: request.last_log_id.map(codec::log_id_to_wire),
            transfer: request.leadership_transfer,
        };
        let message = wire::ballot_to_wire(&self.head(), &ballot);
        let call = async {
            match before {
                true => client.pre_vote(message).await,
                false => client.vote(message).await,
            }
        };
        let answer = self.call(RPCTypes::Vote, option.hard_ttl(), call).await?;
        let answer = wire::balloted(answer).map_err(unreadable)?;
        let vote = codec::vote_from_wire(answer.vote);
        Ok(VoteResponse::new(vote, answer.last.map(codec::log_id_from_wire), answer.granted))
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let mut client = self.client(self.line)?;
        let message = wire::append_to_wire(&self.head(), &append_to_wire(&request));
        let call = client.heartbeat(message);
        let asked = clock::boot();
        let answer = self.call(RPCTypes::AppendEntries, option.hard_ttl(), call).await?;
        if let Some(shown) = answer.clock {
            self.exchange.clocks.heard(self.target.0, Time::from_nanos(shown), (asked, clock::boot()));
        }
        Ok(match wire::appended(answer).map_err(unreadable)? {
            wire::Appended::Matching(_) => AppendEntriesResponse::Success,
            wire::Appended::Conflict(_) => AppendEntriesResponse::Conflict,
            wire::Appended::Higher(vote) => AppendEntriesResponse::HigherVote(codec::vote_from_wire(vote)),
        })
    }

    /// Entries go on while earlier ones are still being written over there.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        match self.line {
            Line::Pulse => stream_append_sequential(self, input, option),
            Line::Log | Line::Snapshot => Box::pin(append::stream(self, input)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask_for_vote(&request, &option, false).await
    }

    /// Never left to openraft's default, which grants.
    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask_for_vote(&request, &option, true).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            sent = outgoing::send(self, vote, snapshot.snapshot, option.soft_ttl()) => {
                Ok(sent.map(SnapshotResponse::new)?)
            }
            closed = cancel => Err(closed.into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let mut client = self.client(Line::Pulse)?;
        let transfer = wire::Transfer {
            from: codec::vote_to_wire(request.from_leader()),
            to: request.to_node_id().0,
            last: request.last_log_id().copied().map(codec::log_id_to_wire),
        };
        let call = client.transfer_leader(wire::transfer_to_wire(&self.head(), &transfer));
        let answer = self.call(RPCTypes::TransferLeader, option.hard_ttl(), call).await?;
        Ok(match wire::transferred(answer).map_err(unreadable)? {
            None => Ok(()),
            Some(wire::TransferRefusal::Vote(actual)) => Err(TransferLeaderError::VoteChanged {
                expected: *request.from_leader(),
                actual: codec::vote_from_wire(actual),
            }),
            Some(wire::TransferRefusal::Behind(actual)) => Err(TransferLeaderError::LogNotFlushed {
                expected: request.last_log_id().copied(),
                actual: actual.map(codec::log_id_from_wire),
            }),
        })
    }
}

fn append_to_wire(request: &AppendEntriesRequest<Types>) -> wire::Append {
    wire::Append {
        vote: codec::vote_to_wire(&request.vote),
        previous: request.prev_log_id.map(codec::log_id_to_wire),
        committed: request.leader_commit.map(codec::log_id_to_wire),
        entries: request.entries.iter().map(codec::entry_to_wire).collect(),
    }
}

/// A call that came to nothing. Only a damaged message is worth another try at once.
fn failed(status: &Status) -> RPCError<Types> {
    let said = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::DataLoss | Code::OutOfRange => NetworkError::from_string(said).into(),
        _ => Unreachable::from_string(said).into(),
    }
}

fn unreadable(error: WireError) -> RPCError<Types> {
    Unreachable::new(&error).into()
}
