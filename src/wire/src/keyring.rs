//! How the keys of gossip are changed on all servers.
//!
//! The messages hold a key itself only where it is installed; everywhere else its public name stands.

use crate::error::WireError;
use crate::generated::keyring::v1 as proto;
use crate::wide;
use dkron_core::ids::NodeId;
use std::fmt;
use std::sync::Arc;

/// The service, made from `keyring.proto`.
pub mod service {
    pub use crate::generated::keyring::v1::keyring_client::KeyringClient;
    pub use crate::generated::keyring::v1::keyring_server::{Keyring, KeyringServer};
    pub use crate::generated::keyring::v1::{ChangeRequest, EverywhereReply, HereReply, HereRequest};
}

/// What is asked of a keyring.
#[derive(Clone, Eq, PartialEq)]
pub enum Change {
    /// Only which keys there are.
    List,
    /// Take this key in, in base64.
    Install(Arc<str>),
    /// Encrypt with the key of this public name.
    Use(u32),
    /// Forget the key of this public name.
    Remove(u32),
}

impl fmt::Debug for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::List => formatter.write_str("List"),
            Change::Install(_) => formatter.write_str("Install(a key)"),
            Change::Use(key) => write!(formatter, "Use({key:08x})"),
            Change::Remove(key) => write!(formatter, "Remove({key:08x})"),
        }
    }
}

/// What came of it on one server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ring {
    /// The server.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Where it takes calls.
    pub address: Arc<str>,
    /// The public names of its keys, the one that encrypts first.
    pub keys: Vec<u32>,
    /// Why nothing was changed there.
    pub problem: Option<String>,
    /// Whether it answered.
    pub answered: bool,
}

/// The message for a change.
pub fn change_to_wire(change: &Change) -> service::ChangeRequest {
    use proto::change_request::Change as Wire;
    let change = match change {
        Change::List => Wire::List(proto::List {}),
        Change::Install(key) => Wire::Install(key.to_string()),
        Change::Use(key) => Wire::Use(*key),
        Change::Remove(key) => Wire::Remove(*key),
    };
    service::ChangeRequest { change: Some(change) }
}

/// The change in a message.
pub fn change_from_wire(message: service::ChangeRequest) -> Result<Change, WireError> {
    use proto::change_request::Change as Wire;
    Ok(match message.change.ok_or(WireError::Missing { field: "keyring.change" })? {
        Wire::List(_) => Change::List,
        Wire::Install(key) => Change::Install(key.into()),
        Wire::Use(key) => Change::Use(key),
        Wire::Remove(key) => Change::Remove(key),
    })
}

/// The message for a change on `target` alone.
pub fn here_to_wire(target: NodeId, change: &Change) -> service::HereRequest {
    service::HereRequest { target: wide::bytes(target.0), change: Some(change_to_wire(change)) }
}

/// Whom a change is meant for, and the change.
pub fn here_from_wire(message: service::HereRequest) -> Result<(NodeId, Change), WireError> {
    let target = NodeId(wide::read(&message.target, "keyring.target")?);
    let change = message.change.ok_or(WireError::Missing { field: "keyring.change" })?;
    Ok((target, change_from_wire(change)?))
}

/// The answer of all servers.
pub fn rings_to_wire(rings: Vec<Ring>) -> service::EverywhereReply {
    let server = |ring: Ring| proto::Server {
        id: wide::bytes(ring.id.0),
        name: ring.name.to_string(),
        address: ring.address.to_string(),
        keys: ring.keys,
        problem: ring.problem.unwrap_or_default(),
        answered: ring.answered,
    };
    service::EverywhereReply { servers: rings.into_iter().map(server).collect() }
}

/// The servers in an answer.
pub fn rings_from_wire(message: service::EverywhereReply) -> Result<Vec<Ring>, WireError> {
    let ring = |server: proto::Server| {
        Ok(Ring {
            id: NodeId(wide::read(&server.id, "keyring.id")?),
            name: server.name.into(),
            address: server.address.into(),
            keys: server.keys,
            problem: Some(server.problem).filter(|problem| !problem.is_empty()),
            answered: server.answered,
        })
    };
    message.servers.into_iter().map(ring).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_answers_are_read_as_they_were_written_and_no_key_is_shown() {
        for change in [Change::List, Change::Install("c2Vj".into()), Change::Use(7), Change::Remove(u32::MAX)]
        {
            assert_eq!(change_from_wire(change_to_wire(&change)), Ok(change.clone()));
            assert_eq!(here_from_wire(here_to_wire(NodeId(3), &change)), Ok((NodeId(3), change.clone())));
            assert!(!format!("{change:?}").contains("c2Vj"));
        }
        assert!(change_from_wire(service::ChangeRequest::default()).is_err());
        assert!(here_from_wire(service::HereRequest::default()).is_err());
        let ring = |answered, problem: Option<&str>| Ring {
            id: NodeId(1),
            name: "node1".into(),
            address: "10.0.0.1:6868".into(),
            keys: vec![1, 2],
            problem: problem.map(str::to_owned),
            answered,
        };
        let rings = vec![ring(true, None), ring(false, Some("no answer"))];
        assert_eq!(rings_from_wire(rings_to_wire(rings.clone())), Ok(rings));
    }
}
