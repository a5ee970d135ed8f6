//! One process of a server: the rules, and the roster that gossip gives it.

use crate::disk::Machine;
use dkron_core::bootstrap::{Forming, Own};
use dkron_core::format::Formats;
use dkron_core::ids::NodeId;
use dkron_core::roster::{Announcement, Liveness, Roster, Sighting};
use dkron_core::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a server is unheard until gossip calls it failed, in milliseconds.
pub(crate) const FAILED_AFTER: i64 = 3_000;
const FORGOTTEN_AFTER: i64 = 60_000;

/// What ends with the process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) epoch: u64,
    pub(crate) forming: Forming,
    pub(crate) roster: Roster,
    heard: BTreeMap<NodeId, i64>,
}

pub(crate) fn time(millis: i64) -> Time {
    Time::EPOCH + Span::from_millis(millis)
}

impl Process {
    pub(crate) fn new(machine: &Machine, stage: dkron_core::bootstrap::Stage, now: i64) -> Process {
        let id = machine.disk.id;
        let formats = Formats::default();
        let own = Own { id, expect: machine.expect, region: "".into(), has_seeds: true, formats };
        let roster = Roster { own: id, ..Roster::default() };
        let forming = Forming::new(own, stage, machine.disk.promise.clone(), time(now));
        let forming = forming.with_forsworn(machine.disk.forsworn.clone());
        Process { epoch: machine.epoch, forming, roster, heard: BTreeMap::new() }
    }

    /// What the process says of itself.
    pub(crate) fn announcement(&self, machine: &Machine) -> Announcement {
        Announcement {
            id: machine.disk.id,
            name: machine.name.as_str().into(),
            process: self.epoch,
            stamp: self.forming.stage().stamp(),
            expect: machine.expect,
            calls: machine.address.as_str().into(),
            ..Announcement::default()
        }
    }

    pub(crate) fn hear(&mut self, server: Arc<Announcement>, liveness: Liveness, now: i64) {
        self.heard.insert(server.id, now);
        self.roster.servers.insert(server.id, Sighting { server, liveness });
    }

    /// Calls those failed that were not heard for long.
    pub(crate) fn age(&mut self, now: i64) {
        let heard = &self.heard;
        let silence = |id: &NodeId| now - heard.get(id).copied().unwrap_or(now);
        for (id, sighting) in &mut self.roster.servers {
            if sighting.liveness == Liveness::Alive && silence(id) > FAILED_AFTER {
                sighting.liveness = Liveness::Failed;
            }
        }
        let own = self.roster.own;
        self.roster.servers.retain(|id, _| *id == own || silence(id) < FORGOTTEN_AFTER);
    }
}
