//! The operators' service, as a client sees it.

use super::Error;
use crate::app::Kind;
use crate::clock;
use crate::net::Dialer;
use dkron_core::node::{NodeView, Work};
use dkron_core::voters::{Health, Peer, Wish};
use dkron_wire::operator::service::{
    ChangePeerRequest, HealthRequest, LeaveRequest, Member, MembersRequest, NodesRequest, OperatorClient,
    PeersRequest, SetWorkRequest, TransferRequest,
};
use dkron_wire::operator::{
    KIND, health_from_wire, nodes_from_wire, peers_from_wire, some_node_from_wire, some_peer_from_wire,
};
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// Longer than any server works on a call: it looks for a leader, and waits for a change of the members.
const ANSWER_WAIT: Duration = Duration::from_secs(40);

/// A connection to one server's operators' service.
#[derive(Clone, Debug)]
pub struct Operator {
    client: OperatorClient<Channel>,
    address: String,
}

impl Operator {
    /// Connects to `host:port`.
    pub async fn dial(address: String, dialer: &Dialer) -> Result<Operator, Error> {
        match dialer.dial(&address).await {
            Ok(channel) => Ok(Operator { client: OperatorClient::new(channel), address }),
            Err(source) => Err(Error::Unreached { address, source }),
        }
    }

    /// Where it is connected to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The members of the log's group.
    pub async fn peers(&mut self) -> Result<Vec<Peer>, Error> {
        let call = self.client.peers(PeersRequest {});
        let reply = answered(&self.address, call).await?;
        self.read(peers_from_wire(reply.peers))
    }

    /// How well they do.
    pub async fn health(&mut self) -> Result<Health, Error> {
        let call = self.client.health(HealthRequest {});
        let reply = answered(&self.address, call).await?;
        self.read(health_from_wire(reply, clock::steady()))
    }

    /// Removes a member, takes its vote or gives it one; who it is.
    pub async fn change_peer(&mut self, peer: &str, wish: Wish) -> Result<Peer, Error> {
        let request = ChangePeerRequest { peer: peer.to_owned(), wish: wish.number().into() };
        let call = self.client.change_peer(request);
        let reply = answered(&self.address, call).await?;
        self.read(some_peer_from_wire(reply.peer))
    }

    /// Hands the leadership over; who leads then.
    pub async fn transfer(&mut self, to: Option<String>) -> Result<Peer, Error> {
        let call = self.client.transfer(TransferRequest { to: to.unwrap_or_default() });
        let reply = answered(&self.address, call).await?;
        self.read(some_peer_from_wire(reply.leader))
    }

    /// Has the server leave and stop; who is left.
    pub async fn leave(&mut self) -> Result<Vec<Peer>, Error> {
        let call = self.client.leave(LeaveRequest {});
        let reply = answered(&self.address, call).await?;
        self.read(peers_from_wire(reply.peers))
    }

    /// All nodes that are known.
    pub async fn members(&mut self) -> Result<Vec<Member>, Error> {
        let call = self.client.members(MembersRequest {});
        Ok(answered(&self.address, call).await?.members)
    }

    /// All nodes that registered for work.
    pub async fn nodes(&mut self) -> Result<Vec<NodeView>, Error> {
        let call = self.client.nodes(NodesRequest {});
        let reply = answered(&self.address, call).await?;
        self.read(nodes_from_wire(reply.nodes))
    }

    /// Says what a node may do.
    pub async fn set_work(&mut self, node: &str, work: Work) -> Result<NodeView, Error> {
        let request = SetWorkRequest { node: node.to_owned(), work: work.number().into() };
        let call = self.client.set_work(request);
        let reply = answered(&self.address, call).await?;
        self.read(some_node_from_wire(reply.node))
    }

    fn read<T>(&self, read: Result<T, dkron_wire::WireError>) -> Result<T, Error> {
        read.map_err(|source| Error::Unread { address: self.address.clone(), source })
    }
}

async fn answered<T>(
    address: &str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WAIT, call).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(refused(address, &status)),
        Err(_) => Err(Error::Late { address: address.to_owned(), seconds: ANSWER_WAIT.as_secs() }),
    }
}

fn refused(address: &str, status: &Status) -> Error {
    let told = status.metadata().get(KIND).and_then(|kind| kind.to_str().ok()?.parse().ok());
    if let Some(kind) = told.and_then(Kind::from_number) {
        return Error::Refused { kind, message: status.message().to_owned() };
    }
    // Not from a use case: from the connection, from somebody else at this address, or from whoever guards it.
    let kind = match status.code() {
        Code::Unavailable | Code::Unimplemented => Kind::Unavailable,
        Code::InvalidArgument => Kind::Invalid,
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::PermissionDenied => Kind::Forbidden,
        _ => Kind::Internal,
    };
    let message = match status.code() {
        Code::Unimplemented => {
            format!("the server at {address} belongs to no cluster yet, or does not know this command")
        }
        // What a listener of TLS answers to who speaks in clear is no frame of calls.
        _ if status.message().contains("h2 protocol error") => format!(
            "{address} does not speak the protocol of calls in clear: if its cluster has TLS, give --tls-ca-file, \
             --tls-cert-file and --tls-key-file"
        ),
        _ => format!("{address}: {}", status.message()),
    };
    Error::Refused { kind, message }
}
