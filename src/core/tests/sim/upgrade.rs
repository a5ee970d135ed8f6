//! A rolling upgrade under way: servers of two builds, each restart of an older one maybe as the newer, and a leader
//! that raises the log format as it does in truth.

use crate::mutants::Mutant;
use crate::server::{Purpose, Server};
use crate::world::World;
use dkron_core::access::{Policy, Token};
use dkron_core::command::{Action, Command};
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp, TokenId};
use dkron_core::roster::{Announcement, Liveness, Roster, Sighting};
use dkron_core::time::Time;
use dkron_core::voters::{self, Member, Membership, Settings, Situation};
use std::collections::{BTreeMap, BTreeSet};

/// What the build before this one reads.
pub(crate) const OLDER: Formats = Formats { first: Formats::FIRST, last: Formats::FIRST };

fn id(server: usize) -> NodeId {
    NodeId(server as u128 + 1)
}

fn announcement(server: usize, formats: Formats) -> Sighting {
    let server = Announcement { id: id(server), formats, ..Announcement::default() };
    Sighting { server: server.into(), liveness: Liveness::Alive }
}

impl World {
    /// A server that starts may have been upgraded meanwhile.
    pub(crate) fn maybe_upgrade(&mut self, server: usize) {
        if self.chance.per_mille(300) {
            self.servers[server].formats = Formats::OWN;
        }
    }

    /// The leader looks whether all servers read a newer format.
    pub(crate) fn raise_format(&mut self, leader: usize) {
        let format = self.servers[leader].ledger.state.format();
        let raised = match self.has(Mutant::FormatIsRaisedForSome) {
            true => self.servers.iter().map(|server| server.formats.last).max().filter(|last| *last > format),
            false => self.raised(leader, format),
        };
        if let Some(format) = raised {
            let command = Command { request: None, action: Action::RaiseFormat { format } };
            self.enqueue(leader, command, Purpose::Nobody);
        }
    }

    fn raised(&self, leader: usize, format: u8) -> Option<u8> {
        let seen = |(server, at): (usize, &Server)| (id(server), announcement(server, at.formats));
        let servers = self.servers.iter().enumerate();
        let members =
            servers.clone().map(|(server, _)| (id(server), Member { voter: true, ..Member::default() }));
        let membership =
            Membership { leader: id(leader), members: members.collect(), ..Membership::default() };
        let roster = Roster { own: id(leader), servers: servers.map(seen).collect() };
        let (wishes, nobody, settings) = (BTreeMap::new(), BTreeSet::new(), Settings::default());
        voters::raise(&Situation {
            stamp: Stamp { cluster: ClusterId(1), incarnation: Incarnation(1) },
            region: "",
            format,
            roster: &roster,
            membership: &membership,
            wishes: &wishes,
            agents: &nobody,
            gone: &nobody,
            settings: &settings,
        })
    }

    /// A token asked for; none while not every server knows what that is.
    pub(crate) fn token(&mut self, server: usize) -> Option<Action> {
        let id = TokenId(self.chance.wide());
        let state = &self.servers[server].ledger.state;
        let (name, hash, policy) = ("any".into(), [7; 32], Policy::all());
        let token = Token { name, hash, policy, created_at: Time::EPOCH, expires_at: None };
        let action = Action::CreateToken { id, token, first: !state.is_closed() };
        action.fits(state.format()).then_some(action)
    }

    /// Nobody is sent what it cannot read, and nobody's state is beyond what it knows.
    pub(crate) fn check_reads(&mut self, server: usize, index: u64, needed: u8) {
        let at = &self.servers[server];
        let (found, formats) = (at.ledger.state.format().max(needed), at.formats);
        if !formats.understand(found) {
            let what =
                format!("server {server} reads log formats {formats}, entry {index} is of format {found}");
            self.checks.fail(7, what);
        }
    }
}
