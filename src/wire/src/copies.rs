//! What servers give one another of their histories, and what followers ask of the leader for their readers.

use crate::error::WireError;
use crate::generated::server::v1 as proto;
use crate::history::{decode_row, encode_row};
use crate::submit::{Head, head_from_proto, head_to_proto};
use crate::wide;
use bytes::Bytes;
use dkron_core::execution::HistoryRow;
use dkron_core::ids::ExecutionId;

/// The services, made from `server.proto`.
pub mod service {
    pub use crate::generated::server::v1::confirm_reply::Outcome as ConfirmOutcome;
    pub use crate::generated::server::v1::copies_client::CopiesClient;
    pub use crate::generated::server::v1::copies_server::{Copies, CopiesServer};
    pub use crate::generated::server::v1::{
        ConfirmReply, ConfirmRequest, Failed, FollowPiece, FollowRequest, OutputReply, OutputRequest,
        PutReply, PutRequest, RowsReply, RowsRequest,
    };
}

/// An execution's output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// The execution.
    pub id: ExecutionId,
    /// The bytes.
    pub bytes: Bytes,
    /// Whether there was more than these.
    pub cut: bool,
}

/// The rows of some entries, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rows {
    /// The index of each entry, and its rows.
    pub entries: Vec<(u64, Vec<HistoryRow>)>,
    /// Up to here nothing is missing that the sender has.
    pub complete_to: u64,
    /// Of the entries up to this one the sender may have lost rows.
    pub lost_up_to: u64,
}

/// What a request begins with; one without is refused.
pub fn head(head: Option<proto::Head>) -> Result<Head, WireError> {
    head_from_proto(head.ok_or(WireError::Missing { field: "head" })?)
}

/// An execution's id in a request.
pub fn execution(id: &[u8]) -> Result<ExecutionId, WireError> {
    wide::read(id, "execution").map(ExecutionId)
}

/// Asks the leader to be confirmed by a quorum.
pub fn confirm_to_wire(to: Head) -> proto::ConfirmRequest {
    proto::ConfirmRequest { head: Some(head_to_proto(to)) }
}

/// Asks for what an execution writes from this place on.
pub fn follow_to_wire(to: Head, id: ExecutionId, offset: u64) -> proto::FollowRequest {
    proto::FollowRequest { head: Some(head_to_proto(to)), id: wide::bytes(id.0), offset }
}

/// The message that has an output kept.
pub fn put_to_wire(to: Head, output: &Output) -> proto::PutRequest {
    proto::PutRequest { head: Some(head_to_proto(to)), output: Some(output_to_proto(output)) }
}

/// The output that is to be kept.
pub fn put_from_wire(output: Option<proto::Output>) -> Result<Output, WireError> {
    output_from_proto(output.ok_or(WireError::Missing { field: "put.output" })?)
}

/// Asks for an output.
pub fn wanted_to_wire(to: Head, id: ExecutionId) -> proto::OutputRequest {
    proto::OutputRequest { head: Some(head_to_proto(to)), id: wide::bytes(id.0) }
}

/// The answer to it.
pub fn found_to_wire(output: Option<&Output>) -> proto::OutputReply {
    proto::OutputReply { output: output.map(output_to_proto) }
}

/// The output in this answer, if it was there.
pub fn found_from_wire(reply: proto::OutputReply) -> Result<Option<Output>, WireError> {
    reply.output.map(output_from_proto).transpose()
}

/// Asks for the rows of the entries after this one.
pub fn after_to_wire(to: Head, after: u64, bytes: u32) -> proto::RowsRequest {
    proto::RowsRequest { head: Some(head_to_proto(to)), after, bytes }
}

/// The message for these rows.
pub fn rows_to_wire(rows: &Rows) -> proto::RowsReply {
    let entry = |(index, rows): &(u64, Vec<HistoryRow>)| proto::RowsOfEntry {
        index: *index,
        rows: rows.iter().map(|row| encode_row(row).into()).collect(),
    };
    proto::RowsReply {
        entries: rows.entries.iter().map(entry).collect(),
        complete_to: rows.complete_to,
        lost_up_to: rows.lost_up_to,
    }
}

/// The rows in this message.
pub fn rows_from_wire(reply: proto::RowsReply) -> Result<Rows, WireError> {
    let mut last = None;
    let mut entries = Vec::with_capacity(reply.entries.len());
    for entry in reply.entries {
        if last >= Some(entry.index) || entry.index > reply.complete_to {
            return Err(WireError::NotAllowed { field: "rows.index" });
        }
        last = Some(entry.index);
        let rows = entry.rows.iter().map(|row| decode_row(row)).collect::<Result<_, _>>()?;
        entries.push((entry.index, rows));
    }
    Ok(Rows { entries, complete_to: reply.complete_to, lost_up_to: reply.lost_up_to })
}

fn output_to_proto(output: &Output) -> proto::Output {
    proto::Output { id: wide::bytes(output.id.0), bytes: output.bytes.clone(), cut: output.cut }
}

fn output_from_proto(output: proto::Output) -> Result<Output, WireError> {
    Ok(Output { id: execution(&output.id)?, bytes: output.bytes, cut: output.cut })
}
