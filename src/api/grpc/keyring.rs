//! The keys of gossip, for operators and between servers.

use crate::api::status::{grpc_status, unreadable};
use crate::app::keyring::Keyring;
use dkron_wire::WireError;
use dkron_wire::keyring::service::{self, ChangeRequest, EverywhereReply, HereReply, HereRequest};
use dkron_wire::keyring::{change_from_wire, here_from_wire, rings_to_wire};
use tonic::{Request, Response, Status};

/// The service over the use cases.
pub struct Keys {
    /// Where the work is done.
    pub(super) keyring: Keyring,
}

#[tonic::async_trait]
impl service::Keyring for Keys {
    async fn everywhere(&self, request: Request<ChangeRequest>) -> Result<Response<EverywhereReply>, Status> {
        let change = change_from_wire(request.into_inner()).map_err(unreadable)?;
        tracing::info!(?change, "the keys of gossip, on all servers");
        let rings = self.keyring.everywhere(&change).await.map_err(|error| grpc_status(&error))?;
        Ok(Response::new(rings_to_wire(rings)))
    }

    async fn here(&self, request: Request<HereRequest>) -> Result<Response<HereReply>, Status> {
        let (found, change) = here_from_wire(request.into_inner()).map_err(unreadable)?;
        let own = self.keyring.server();
        if found != own {
            return Err(Status::failed_precondition(WireError::ForeignTarget { found, own }.to_string()));
        }
        Ok(Response::new(self.keyring.answer(&change).await))
    }
}
