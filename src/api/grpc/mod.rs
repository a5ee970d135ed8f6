//! How programs other than HTTP clients see a server: the operators' service, on the port of calls between nodes.
//!
//! Whether a call may be made at all is asked in one place, [`may_call`], before any of it is read.

mod operator;

use crate::app::App;
use dkron_wire::operator::service::OperatorServer;
use operator::Operators;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

/// Looks at a call's metadata and connection.
type Check = fn(Request<()>) -> Result<Request<()>, Status>;

/// The operators' service over the use cases.
pub fn operator(app: App) -> InterceptedService<OperatorServer<Operators>, Check> {
    OperatorServer::with_interceptor(Operators { app }, may_call)
}

/// Whoever reaches the port may: the network is the border, as for all calls between nodes.
fn may_call(call: Request<()>) -> Result<Request<()>, Status> {
    Ok(call)
}
