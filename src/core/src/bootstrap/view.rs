//! What the roster says to a server that waits, because forming, joining and warning must read it in one way.

use super::{Own, Warning};
use crate::ids::{NodeId, Stamp};
use crate::roster::{Announcement, Roster};
use std::collections::{BTreeMap, BTreeSet};

/// The living servers of the own region, sorted out.
pub(super) struct View<'a> {
    own: &'a Own,
    others: Vec<&'a Announcement>,
    own_name: Option<&'a str>,
}

impl<'a> View<'a> {
    pub(super) fn new(own: &'a Own, roster: &'a Roster) -> View<'a> {
        let is_other = |server: &&Announcement| server.id != own.id && server.region == own.region;
        let own_name = roster.server(own.id).map(|server| &*server.name);
        View { own, others: roster.alive().filter(is_other).collect(), own_name }
    }

    /// The other servers that say that they belong to a cluster.
    pub(super) fn formed(&self) -> BTreeMap<NodeId, Stamp> {
        self.others.iter().filter_map(|server| Some((server.id, server.stamp?))).collect()
    }

    /// The servers that wait and expect what the own one expects, which is one of them.
    pub(super) fn waiting(&self) -> BTreeSet<NodeId> {
        let waits = |server: &&&Announcement| {
            let same = server.expect == self.own.expect && server.formats.meet(self.own.formats);
            server.stamp.is_none() && same
        };
        self.others.iter().filter(waits).map(|server| server.id).chain([self.own.id]).collect()
    }

    /// What keeps a cluster from being formed until a person has mended it.
    pub(super) fn obstacles(&self) -> Vec<Warning> {
        let own = self.own.expect;
        let differs = |server: &&&Announcement| {
            server.stamp.is_none() && server.expect != 0 && own != 0 && server.expect != own
        };
        let warning = |server: &&Announcement| Warning::Expect {
            name: server.name.clone(),
            theirs: server.expect,
            own,
        };
        let mut warnings: Vec<Warning> = self.others.iter().filter(differs).map(warning).collect();
        warnings.extend(self.doubled_names());
        warnings.extend(self.far_apart());
        warnings.sort();
        warnings.dedup();
        warnings
    }

    fn far_apart(&self) -> impl Iterator<Item = Warning> {
        let own = self.own.formats;
        let far = move |server: &&&Announcement| {
            server.stamp.is_none() && server.expect != 0 && !server.formats.meet(own)
        };
        self.others.iter().filter(far).map(move |server| Warning::Formats {
            name: server.name.clone(),
            theirs: server.formats,
            own,
        })
    }

    fn doubled_names(&self) -> impl Iterator<Item = Warning> {
        let mut seen: BTreeSet<&str> = self.own_name.into_iter().collect();
        self.others
            .iter()
            .filter(move |server| !seen.insert(&server.name))
            .map(|server| Warning::Name(server.name.clone()))
    }
}
