//! The way to the peers. One server has none: until the cluster's transport is built, every peer is out of
//! reach, which is what consensus has to cope with anyway.

use super::snapshot::SnapshotFile;
use super::type_config::{Peer, ServerId, Types, Vote};
use openraft::error::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{RaftNetworkFactory, alias::SnapshotOf};

/// Makes the connections.
pub(crate) struct Network;

/// A connection to nowhere.
pub(crate) struct NoConnection {
    target: ServerId,
}

impl NoConnection {
    fn unreachable(&self) -> Unreachable<Types> {
        Unreachable::from_string(format!("no way to server {}", self.target))
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = NoConnection;

    async fn new_client(&mut self, target: ServerId, _peer: &Peer) -> NoConnection {
        NoConnection { target }
    }
}

impl RaftNetworkV2<Types> for NoConnection {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    /// Never left to openraft's default, which grants.
    async fn pre_vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: SnapshotOf<Types, SnapshotFile>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }
}
