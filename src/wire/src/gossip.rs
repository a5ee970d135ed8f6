//! What servers say to one another over gossip: each about itself, and the envelope of every datagram.
//!
//! An announcement is one value, so that nobody ever sees half of a changed one.

use crate::definition::{pairs, words};
use crate::error::WireError;
use crate::formats;
use crate::generated::gossip::v1 as proto;
use crate::wide;
use bytes::Bytes;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_core::roster::Announcement;
use prost::Message;

/// More regions than this do not gossip with one another.
pub const CLAIMS_MAX: usize = 16;

/// Which cluster the sender of a datagram takes a region to have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// A hash of the region's name.
    pub region: u64,
    /// Its cluster.
    pub cluster: ClusterId,
    /// How long ago somebody of that cluster was last heard of.
    pub age_ms: u32,
}

/// A datagram between servers, inside its seal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// What the sender takes the regions' clusters to be.
    pub claims: Vec<Claim>,
    /// What the gossip library says.
    pub message: Bytes,
}

/// The announcement's bytes.
pub fn encode_announcement(announcement: &Announcement) -> Vec<u8> {
    let stamp = announcement.stamp;
    let message = proto::Announcement {
        id: wide::bytes(announcement.id.0),
        name: announcement.name.to_string(),
        process: announcement.process,
        cluster: stamp.map_or(Bytes::new(), |stamp| wide::bytes(stamp.cluster.0)),
        incarnation: stamp.map_or(0, |stamp| stamp.incarnation.0),
        expect: announcement.expect,
        region: announcement.region.to_string(),
        datacenter: announcement.datacenter.to_string(),
        version: announcement.version.to_string(),
        formats_first: announcement.formats.first.into(),
        formats_last: announcement.formats.last.into(),
        gossip: announcement.gossip.to_string(),
        calls: announcement.calls.to_string(),
        api: announcement.api.to_string(),
        tags: pairs(&announcement.tags),
        format: formats::told(announcement.format),
    };
    message.encode_to_vec()
}

/// The announcement in these bytes.
pub fn decode_announcement(bytes: &[u8]) -> Result<Announcement, WireError> {
    let read = proto::Announcement::decode(bytes);
    let message = read.map_err(|error| WireError::malformed("announcement", &error))?;
    Ok(Announcement {
        id: NodeId(wide::read(&message.id, "announcement.id")?),
        name: message.name.into(),
        process: message.process,
        stamp: stamp(&message.cluster, message.incarnation)?,
        expect: message.expect,
        region: message.region.into(),
        datacenter: message.datacenter.into(),
        version: message.version.into(),
        formats: Formats {
            first: formats::read(message.formats_first, "announcement.formats_first")?,
            last: formats::read(message.formats_last, "announcement.formats_last")?,
        },
        format: formats::read(message.format, "announcement.format")?,
        gossip: message.gossip.into(),
        calls: message.calls.into(),
        api: message.api.into(),
        tags: words(message.tags),
    })
}

fn stamp(cluster: &[u8], incarnation: u32) -> Result<Option<Stamp>, WireError> {
    if cluster.is_empty() {
        return Ok(None);
    }
    let cluster = ClusterId(wide::read(cluster, "announcement.cluster")?);
    Ok(Some(Stamp { cluster, incarnation: Incarnation(incarnation) }))
}

/// The envelope's bytes.
pub fn encode_envelope(envelope: &Envelope) -> Vec<u8> {
    let claims = envelope.claims.iter().map(|claim| proto::Claim {
        region: claim.region,
        cluster: wide::bytes(claim.cluster.0),
        age_ms: claim.age_ms,
    });
    proto::Envelope { claims: claims.collect(), message: envelope.message.clone() }.encode_to_vec()
}

/// The envelope in these bytes.
pub fn decode_envelope(bytes: &[u8]) -> Result<Envelope, WireError> {
    let read = proto::Envelope::decode(bytes);
    let message = read.map_err(|error| WireError::malformed("gossip envelope", &error))?;
    if message.claims.len() > CLAIMS_MAX {
        return Err(WireError::Length { field: "envelope.claims", found: message.claims.len() as u64 });
    }
    let claims = message.claims.iter().map(|claim| {
        let cluster = ClusterId(wide::read(&claim.cluster, "claim.cluster")?);
        Ok(Claim { region: claim.region, cluster, age_ms: claim.age_ms })
    });
    Ok(Envelope { claims: claims.collect::<Result<_, WireError>>()?, message: message.message })
}
