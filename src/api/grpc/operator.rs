//! The operators' service: from messages to use cases and back.

use crate::api::status::{grpc_status, unreadable};
use crate::app::{App, Error};
use crate::clock;
use dkron_core::voters::Peer;
use dkron_wire::operator::service::{
    ChangePeerReply, ChangePeerRequest, HealthReply, HealthRequest, LeaveReply, LeaveRequest, Member,
    MembersReply, MembersRequest, NodesReply, NodesRequest, Operator, PeersReply, PeersRequest, SetWorkReply,
    SetWorkRequest, TransferReply, TransferRequest,
};
use dkron_wire::operator::{
    health_to_wire, id_to_wire, node_to_wire, peer_to_wire, wish_from_wire, work_from_wire,
};
use tonic::{Request, Response, Status};

/// The service over the use cases.
pub struct Operators {
    /// Where the work is done.
    pub(super) app: App,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Operator for Operators {
    async fn peers(&self, _: Request<PeersRequest>) -> Answer<PeersReply> {
        let peers = self.app.peers().await.map_err(failed)?;
        Ok(Response::new(PeersReply { peers: peers.iter().map(peer_to_wire).collect() }))
    }

    async fn health(&self, _: Request<HealthRequest>) -> Answer<HealthReply> {
        let health = self.app.servers_health().await.map_err(failed)?;
        Ok(Response::new(health_to_wire(&health, clock::steady())))
    }

    async fn change_peer(&self, request: Request<ChangePeerRequest>) -> Answer<ChangePeerReply> {
        let ChangePeerRequest { peer, wish } = request.into_inner();
        let wish = wish_from_wire(wish).map_err(unreadable)?;
        let changed = self.app.change_peer(&peer, wish).await.map_err(failed)?;
        Ok(Response::new(ChangePeerReply { peer: Some(peer_to_wire(&changed)) }))
    }

    async fn transfer(&self, request: Request<TransferRequest>) -> Answer<TransferReply> {
        let to = Some(request.into_inner().to).filter(|to| !to.is_empty());
        let leader = self.app.transfer(to).await.map_err(failed)?;
        Ok(Response::new(TransferReply { leader: Some(peer_to_wire(&leader)) }))
    }

    async fn leave(&self, _: Request<LeaveRequest>) -> Answer<LeaveReply> {
        self.app.leave().await.map_err(failed)?;
        let own = self.app.server();
        let stays = |peer: &Peer| peer.id != own;
        let peers = self.app.peers().await.unwrap_or_default();
        Ok(Response::new(LeaveReply {
            peers: peers.iter().filter(|peer| stays(peer)).map(peer_to_wire).collect(),
        }))
    }

    async fn members(&self, _: Request<MembersRequest>) -> Answer<MembersReply> {
        let members = self.app.members().await.map_err(failed)?;
        let leader = self.app.leader().await.map_err(failed)?;
        let format = self.app.format().into();
        let member = |member: crate::app::cluster::Member| Member {
            formats_first: member.formats.map_or(0, |formats| formats.first.into()),
            formats_last: member.formats.map_or(0, |formats| formats.last.into()),
            format,
            id: id_to_wire(member.id),
            name: member.name.to_string(),
            address: member.address.to_string(),
            liveness: member.liveness.number().into(),
            server: member.tags.get("server").is_some_and(|is| is == "true"),
            leader: leader.as_ref().is_some_and(|leader| leader.id == member.id),
            tags: member.tags.into_iter().collect(),
        };
        Ok(Response::new(MembersReply { members: members.into_iter().map(member).collect() }))
    }

    async fn nodes(&self, _: Request<NodesRequest>) -> Answer<NodesReply> {
        let nodes = self.app.nodes().await.map_err(failed)?;
        Ok(Response::new(NodesReply { nodes: nodes.iter().map(node_to_wire).collect() }))
    }

    async fn set_work(&self, request: Request<SetWorkRequest>) -> Answer<SetWorkReply> {
        let SetWorkRequest { node, work } = request.into_inner();
        let work = work_from_wire(work).map_err(unreadable)?;
        let node = self.app.set_work(&node, work).await.map_err(failed)?;
        Ok(Response::new(SetWorkReply { node: Some(node_to_wire(&node)) }))
    }
}

fn failed(error: Error) -> Status {
    grpc_status(&error)
}
