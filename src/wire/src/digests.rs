//! How servers compare their states: what is asked, what is answered, and what is said to one that differs.

use crate::consensus::service::{DigestsReply, DigestsRequest, QuarantineRequest};
use crate::consensus::{Head, head_to_wire};
use crate::error::WireError;
use crate::generated::consensus::v1 as proto;
use crate::wide;

/// The digest of a state after an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seal {
    /// The entry.
    pub index: u64,
    /// The digest.
    pub value: u128,
    /// The version of the rule that it was computed by.
    pub format: u32,
}

/// What a server says of its own state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Account {
    /// Its digests, as far as it has those that were asked for.
    pub seals: Vec<Seal>,
    /// Whether it is in quarantine.
    pub quarantined: bool,
}

/// What most voters have, told to a server that has something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The digest that most have.
    pub seal: Seal,
    /// How many voters have it.
    pub agree: u32,
    /// Of how many.
    pub voters: u32,
}

/// Asks for the digests after these entries.
pub fn asked_to_wire(from: &Head, indexes: &[u64]) -> DigestsRequest {
    DigestsRequest { head: Some(head_to_wire(from)), indexes: indexes.to_vec() }
}

/// The message for an account.
pub fn account_to_wire(account: &Account) -> DigestsReply {
    DigestsReply {
        digests: account.seals.iter().map(seal_to_proto).collect(),
        quarantined: account.quarantined,
    }
}

/// The account in this message.
pub fn account_from_wire(reply: DigestsReply) -> Result<Account, WireError> {
    let seals = reply.digests.into_iter().map(seal_from_proto).collect::<Result<_, _>>()?;
    Ok(Account { seals, quarantined: reply.quarantined })
}

/// The message for a verdict.
pub fn verdict_to_wire(from: &Head, verdict: &Verdict) -> QuarantineRequest {
    QuarantineRequest {
        head: Some(head_to_wire(from)),
        digest: Some(seal_to_proto(&verdict.seal)),
        agree: verdict.agree,
        voters: verdict.voters,
    }
}

/// The verdict in this message.
pub fn verdict_from_wire(request: QuarantineRequest) -> Result<Verdict, WireError> {
    let digest = request.digest.ok_or(WireError::Missing { field: "quarantine.digest" })?;
    Ok(Verdict { seal: seal_from_proto(digest)?, agree: request.agree, voters: request.voters })
}

fn seal_to_proto(seal: &Seal) -> proto::Digest {
    proto::Digest { index: seal.index, value: wide::bytes(seal.value), format: seal.format }
}

fn seal_from_proto(digest: proto::Digest) -> Result<Seal, WireError> {
    Ok(Seal { index: digest.index, value: wide::read(&digest.value, "digest.value")?, format: digest.format })
}
