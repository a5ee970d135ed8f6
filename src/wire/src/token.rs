//! Tokens of the API as messages, in the log and in snapshots.

use crate::commands::numbered;
use crate::error::WireError;
use crate::generated::log::v1 as proto;
use bytes::Bytes;
use dkron_core::access::{Capability, Policy, Token};
use dkron_core::time::Time;

pub(crate) fn to_proto(token: &Token) -> proto::Token {
    proto::Token {
        name: token.name.to_string(),
        hash: Bytes::copy_from_slice(&token.hash),
        capabilities: token.policy.capabilities.iter().map(|one| one.number().into()).collect(),
        jobs: token.policy.jobs.iter().map(|prefix| prefix.to_string()).collect(),
        created_at: token.created_at.nanos(),
        expires_at: token.expires_at.map(Time::nanos),
    }
}

pub(crate) fn from_proto(token: Option<proto::Token>) -> Result<Token, WireError> {
    let token = token.ok_or(WireError::Missing { field: "token" })?;
    let hash = <[u8; 32]>::try_from(&token.hash[..])
        .map_err(|_| WireError::Length { field: "token.hash", found: token.hash.len() as u64 })?;
    let capability = |number| numbered(number, Capability::from_number, "token.capabilities");
    let policy = Policy {
        capabilities: token.capabilities.into_iter().map(capability).collect::<Result<_, _>>()?,
        jobs: token.jobs.into_iter().map(Into::into).collect(),
    };
    Ok(Token {
        name: token.name.into(),
        hash,
        policy,
        created_at: Time::from_nanos(token.created_at),
        expires_at: token.expires_at.map(Time::from_nanos),
    })
}
