//! The log format during a rolling upgrade: what every member reads, never more, and never less than is in use.

use super::{Membership, Situation};
use crate::format::Formats;
use crate::roster::{Announcement, Roster};
use std::fmt;
use std::sync::Arc;

/// A server cannot read the format that the others write.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "server {name:?} (version {version}) reads log formats {formats}, the cluster writes {format}: upgrade one \
     release at a time"
)]
pub struct TooFarApart {
    /// The server's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it reads.
    pub formats: Formats,
    /// What is written.
    pub format: u8,
}

/// The highest format that all members read: what the leader may write from now on. It never goes back, since
/// entries of the present one are in the log; a member of whom nothing is known keeps it where it is.
pub fn log_format<'a>(present: u8, members: impl IntoIterator<Item = Option<&'a Announcement>>) -> u8 {
    let last = |member: Option<&Announcement>| member.map_or(present, |server| server.formats.last);
    members.into_iter().map(last).min().unwrap_or(present).max(present)
}

/// Whether a server can be a member of a cluster that writes this format.
pub fn admits(format: u8, server: &Announcement) -> Result<(), TooFarApart> {
    if server.formats.contains(format) {
        return Ok(());
    }
    Err(TooFarApart {
        name: server.name.to_string(),
        version: server.version.to_string(),
        formats: server.formats,
        format,
    })
}

/// The format to raise to, if every member reads a newer one than is in force, those included that do not vote yet
/// and those that are down: they come back and read what was written. While the members change nobody is asked.
pub fn raise(situation: &Situation) -> Option<u8> {
    let membership = situation.membership;
    if membership.changing || membership.unfinished || !membership.members.contains_key(&membership.leader) {
        return None;
    }
    let known = membership.members.keys().map(|id| situation.roster.server(*id));
    Some(log_format(situation.format, known)).filter(|format| *format > situation.format)
}

/// The living servers of this region that would be members if they could read what is written.
pub fn strangers<'a>(situation: &'a Situation) -> impl Iterator<Item = TooFarApart> + 'a {
    let comes = |server: &&Announcement| {
        *server.region == *situation.region && server.stamp.is_none_or(|stamp| stamp == situation.stamp)
    };
    let servers = situation.roster.alive().filter(comes);
    servers.filter_map(|server| admits(situation.format, server).err())
}

/// A member that does not read a format, so that it cannot be in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    /// The member's name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// What it reads; none if it was not seen since the leader runs.
    pub formats: Option<Formats>,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { name, version, formats } = self;
        match formats {
            Some(formats) => {
                write!(formatter, "server {name:?} (version {version}) reads log formats {formats}")
            }
            None => write!(formatter, "what server {name:?} reads is not known, it was not seen yet"),
        }
    }
}

/// The members that do not read this format.
pub fn holders(format: u8, membership: &Membership, roster: &Roster) -> Vec<Holder> {
    let holder = |(id, member): (&crate::ids::NodeId, &super::Member)| match roster.server(*id) {
        Some(server) if server.formats.last >= format => None,
        Some(server) => Some(Holder {
            name: server.name.clone(),
            version: server.version.clone(),
            formats: Some(server.formats),
        }),
        None => Some(Holder { name: member.name.clone(), version: Arc::default(), formats: None }),
    };
    membership.members.iter().filter_map(holder).collect()
}

/// What the cluster writes, this server does not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the cluster writes log format {format}, as server {name:?} at {address} (version {version}) says, and this server \
     (version {own_version}) reads formats {own}: {}",
    if *format > own.last { "start a newer version of it" } else { "upgrade one release at a time" }
)]
pub struct Gap {
    /// What is written.
    pub format: u8,
    /// Who says so.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Where it is.
    pub address: Arc<str>,
    /// The version of this server.
    pub own_version: Arc<str>,
    /// What it reads.
    pub own: Formats,
}

impl Gap {
    /// Whether waiting is of no use: what is in force never goes back, but it may be raised.
    pub fn is_final(&self) -> bool {
        self.format > self.own.last
    }
}

/// Whether the own server cannot read what its cluster writes, or the one that it is about to join.
pub fn gap(roster: &Roster) -> Option<Gap> {
    let own = roster.server(roster.own)?;
    let is_peer = |server: &&Announcement| {
        let same = own.stamp.is_none_or(|stamp| server.stamp == Some(stamp));
        server.id != own.id && server.region == own.region && server.stamp.is_some() && same
    };
    let gap = |server: &Announcement| Gap {
        format: server.format.max(Formats::FIRST),
        name: server.name.clone(),
        version: server.version.clone(),
        address: server.gossip.clone(),
        own_version: own.version.clone(),
        own: own.formats,
    };
    let gaps = roster.alive().filter(is_peer).map(gap);
    gaps.filter(|gap| !own.formats.contains(gap.format)).max_by_key(|gap| gap.format)
}
