//! What the other servers ask of this one's history.

use super::Copies;
use super::calls::MESSAGE_BYTES_MAX;
use crate::history::{Applied, History};
use crate::task;
use dkron_core::limits::OUTPUT_BYTES_MAX;
use dkron_wire::copies::service::{
    Copies as Service, CopiesServer, OutputReply, OutputRequest, PutReply, PutRequest, RowsReply, RowsRequest,
};
use dkron_wire::copies::{self as wire, Output, Rows};
use dkron_wire::submit::Head;
use tonic::{Request, Response, Status};

/// Bytes of rows that one answer holds at most.
const ROWS_BYTES_MAX: usize = 1024 * 1024;

/// Serves the peers.
pub struct CopiesService {
    copies: Copies,
}

impl Copies {
    /// The service for the peers.
    pub fn service(&self) -> CopiesServer<CopiesService> {
        CopiesServer::new(CopiesService { copies: self.clone() }).max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

impl CopiesService {
    /// Refuses what is not for this server.
    fn meant(&self, head: Result<Head, dkron_wire::WireError>) -> Result<(), Status> {
        let identity = self.copies.raft.identity();
        let stamp = identity.stamp.ok_or_else(|| Status::unavailable("no cluster yet"))?;
        let own = Head { stamp, target: identity.server };
        head.map_err(unreadable)?.is_for(own).map_err(|error| Status::failed_precondition(error.to_string()))
    }

    /// Rows are made from the state: a wrong one's are not given away.
    fn in_quarantine(&self) -> Result<(), Status> {
        match self.copies.raft.quarantine().borrow().is_some() {
            true => Err(Status::failed_precondition("this server is in quarantine")),
            false => Ok(()),
        }
    }

    /// Runs what reads files where it may.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&History) -> crate::history::Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        let history = self.copies.history.clone();
        let done = task::blocking("history for a peer", move || work(&history)).await;
        let done = done.map_err(|_| Status::unavailable("this server stops"))?;
        done.map_err(|error| Status::internal(error.to_string()))
    }
}

#[tonic::async_trait]
impl Service for CopiesService {
    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        let message = request.into_inner();
        self.meant(wire::head(message.head))?;
        let Output { id, bytes, cut } = wire::put_from_wire(message.output).map_err(unreadable)?;
        if bytes.len() > OUTPUT_BYTES_MAX {
            let said = format!("an output of {} bytes, at most {OUTPUT_BYTES_MAX} are allowed", bytes.len());
            return Err(Status::invalid_argument(said));
        }
        let kept = self.copies.history.put_output(id, bytes.to_vec(), cut).await;
        kept.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(PutReply {}))
    }

    async fn output(&self, request: Request<OutputRequest>) -> Result<Response<OutputReply>, Status> {
        let message = request.into_inner();
        self.meant(wire::head(message.head))?;
        let id = wire::execution(&message.id).map_err(unreadable)?;
        let found = self.read(move |history| history.output(id)).await?;
        let found = found.map(|found| Output { id, bytes: found.bytes.into(), cut: found.cut });
        Ok(Response::new(wire::found_to_wire(found.as_ref())))
    }

    async fn rows(&self, request: Request<RowsRequest>) -> Result<Response<RowsReply>, Status> {
        let message = request.into_inner();
        self.meant(wire::head(message.head))?;
        self.in_quarantine()?;
        let bytes = usize::try_from(message.bytes).unwrap_or(ROWS_BYTES_MAX).clamp(1, ROWS_BYTES_MAX);
        let rows = self.read(move |history| {
            let (entries, complete_to) = history.after(message.after, bytes)?;
            let entries = entries.into_iter().map(|Applied { index, rows }| (index, rows)).collect();
            Ok(Rows { entries, complete_to, lost_up_to: history.certain_after() })
        });
        Ok(Response::new(wire::rows_to_wire(&rows.await?)))
    }
}

fn unreadable(error: dkron_wire::WireError) -> Status {
    Status::invalid_argument(error.to_string())
}
