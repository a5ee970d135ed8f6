//! What the leader does for servers that do not lead: they pass on what their clients want.

use crate::app::App;
use crate::clock;
use dkron_wire::operator::{done_to_wire, task_from_wire};
use dkron_wire::submit::service::{Leader, OperateReply, OperateRequest, SubmitReply, SubmitRequest};
use dkron_wire::submit::{from_wire, outcome_to_wire};
use tonic::{Request, Response, Status};

/// The service over the use cases.
pub struct Peers {
    /// Where the work is done.
    pub app: App,
}

#[tonic::async_trait]
impl Leader for Peers {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitReply>, Status> {
        let submitted = from_wire(request.into_inner());
        let submitted = submitted.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let own = self.app.own_head().map_err(|error| Status::unavailable(error.to_string()))?;
        submitted.head.is_for(own).map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(outcome_to_wire(&self.app.submitted(submitted).await)))
    }

    async fn operate(&self, request: Request<OperateRequest>) -> Result<Response<OperateReply>, Status> {
        let asked = task_from_wire(request.into_inner());
        let (head, task) = asked.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let own = self.app.own_head().map_err(|error| Status::unavailable(error.to_string()))?;
        head.is_for(own).map_err(|error| Status::failed_precondition(error.to_string()))?;
        let done = self.app.operated(task).await;
        Ok(Response::new(done_to_wire(&done, clock::steady())))
    }
}
