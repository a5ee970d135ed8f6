//! A node's registration, which the log and the agents' hello share.

use crate::definition::{pairs, words};
use crate::error::WireError;
use crate::generated::node::v1 as proto;
use crate::wide;
use dkron_core::ids::{BootId, JournalId, NodeId};
use dkron_core::node::Registration;

pub(crate) fn to_proto(registration: &Registration) -> proto::Registration {
    proto::Registration {
        node: wide::bytes(registration.node.0),
        name: registration.name.to_string(),
        journal: wide::bytes(registration.journal.0),
        boot: wide::bytes(registration.boot.0),
        tags: pairs(&registration.tags),
        slots: registration.slots,
        server: registration.server,
        address: registration.address.to_string(),
        life: registration.life,
    }
}

pub(crate) fn from_proto(registration: proto::Registration) -> Result<Registration, WireError> {
    Ok(Registration {
        node: NodeId(wide::read(&registration.node, "registration.node")?),
        name: registration.name.into(),
        life: registration.life,
        journal: JournalId(wide::read(&registration.journal, "registration.journal")?),
        boot: BootId(wide::read(&registration.boot, "registration.boot")?),
        tags: words(registration.tags),
        slots: registration.slots,
        server: registration.server,
        address: registration.address.into(),
    })
}
