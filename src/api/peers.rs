//! What the leader does for servers that do not lead: they pass on what their clients want.

use super::status::unreadable;
use crate::app::App;
use crate::clock;
use dkron_wire::copies as wire;
use dkron_wire::copies::service::{
    ConfirmOutcome, ConfirmReply, ConfirmRequest, Failed, FollowPiece, FollowRequest,
};
use dkron_wire::operator::{done_to_wire, task_from_wire};
use dkron_wire::submit::service::{Leader, OperateReply, OperateRequest, SubmitReply, SubmitRequest};
use dkron_wire::submit::{Head, from_wire, outcome_to_wire};
use futures::stream::{BoxStream, StreamExt};
use tonic::{Request, Response, Status};

/// The service over the use cases.
pub struct Peers {
    /// Where the work is done.
    pub app: App,
}

impl Peers {
    /// Refuses what is not for this server.
    fn meant(&self, head: Head) -> Result<(), Status> {
        let own = self.app.own_head().map_err(|error| Status::unavailable(error.to_string()))?;
        head.is_for(own).map_err(|error| Status::failed_precondition(error.to_string()))
    }
}

#[tonic::async_trait]
impl Leader for Peers {
    type FollowStream = BoxStream<'static, Result<FollowPiece, Status>>;

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitReply>, Status> {
        let submitted = from_wire(request.into_inner()).map_err(unreadable)?;
        self.meant(submitted.head)?;
        Ok(Response::new(outcome_to_wire(&self.app.submitted(submitted).await)))
    }

    async fn operate(&self, request: Request<OperateRequest>) -> Result<Response<OperateReply>, Status> {
        let (head, task) = task_from_wire(request.into_inner()).map_err(unreadable)?;
        self.meant(head)?;
        let done = self.app.operated(task).await;
        Ok(Response::new(done_to_wire(&done, clock::steady())))
    }

    async fn confirm(&self, request: Request<ConfirmRequest>) -> Result<Response<ConfirmReply>, Status> {
        self.meant(wire::head(request.into_inner().head).map_err(unreadable)?)?;
        let outcome = match self.app.confirm().await {
            Ok(index) => ConfirmOutcome::Index(index),
            Err(error) => {
                ConfirmOutcome::Failed(Failed { kind: error.kind().number(), message: error.to_string() })
            }
        };
        Ok(Response::new(ConfirmReply { outcome: Some(outcome) }))
    }

    async fn follow(&self, request: Request<FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        let message = request.into_inner();
        self.meant(wire::head(message.head).map_err(unreadable)?)?;
        let id = wire::execution(&message.id).map_err(unreadable)?;
        let pieces = self.app.live_pieces(id, message.offset);
        let piece = |(offset, bytes): (u64, Vec<u8>)| Ok(FollowPiece { offset, bytes: bytes.into() });
        Ok(Response::new(pieces.map(piece).boxed()))
    }
}
