//! What is asked of the other servers.

use super::Copies;
use dkron_core::ids::{ExecutionId, NodeId};
use dkron_wire::copies::service::CopiesClient;
use dkron_wire::copies::{self as wire, Output, Rows};
use dkron_wire::submit::Head;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How long a part of the rows may take.
const ROWS_WAIT: Duration = Duration::from_secs(10);
/// Bytes of rows in one part.
const PART_BYTES: u32 = 1024 * 1024;
/// The largest message: a part, and the rows of one entry beyond it.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Copies {
    /// Whether a server has this output on its disk now.
    pub(super) async fn put(&self, peer: NodeId, output: &Output) -> bool {
        let call = async {
            let (mut client, head) = self.client(peer)?;
            client.put(wire::put_to_wire(head, output)).await
        };
        let kept = within(ANSWER_WAIT, call).await;
        kept.inspect_err(|status| {
            tracing::debug!(%peer, error = status.message(), "a server did not take an output");
        })
        .is_ok()
    }

    /// An output, if a server has it.
    pub(super) async fn find(&self, peer: NodeId, id: ExecutionId) -> Result<Option<Output>, Status> {
        let call = async {
            let (mut client, head) = self.client(peer)?;
            client.output(wire::wanted_to_wire(head, id)).await
        };
        let found = wire::found_from_wire(within(ANSWER_WAIT, call).await?);
        let found = found.map_err(|error| Status::internal(error.to_string()))?;
        Ok(found.filter(|output| output.id == id))
    }

    /// The rows that a server has of the entries after this one.
    pub(super) async fn rows(&self, peer: NodeId, after: u64) -> Result<Rows, Status> {
        let call = async {
            let (mut client, head) = self.client(peer)?;
            client.rows(wire::after_to_wire(head, after, PART_BYTES)).await
        };
        let rows = wire::rows_from_wire(within(ROWS_WAIT, call).await?);
        rows.map_err(|error| Status::internal(error.to_string()))
    }

    fn client(&self, peer: NodeId) -> Result<(CopiesClient<Channel>, Head), Status> {
        let stamp = self.raft.identity().stamp.ok_or_else(|| Status::unavailable("no cluster yet"))?;
        let known = self.roster.borrow().server(peer).map(|server| server.calls.clone());
        let members = self.raft.members().borrow().clone();
        let address: Option<Arc<str>> =
            known.or_else(|| members.members.get(&peer).map(|member| member.address.clone()));
        let address = address.ok_or_else(|| Status::unavailable("its address is not known"))?;
        let channel = self.channels.get(&address).map_err(|error| Status::unavailable(error.to_string()))?;
        let client = CopiesClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok((client, Head { stamp, target: peer }))
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    let answer = tokio::time::timeout(limit, call).await;
    answer.map_err(|_| Status::deadline_exceeded("no answer in time"))?.map(Response::into_inner)
}
