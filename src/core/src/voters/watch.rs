//! Since when each server is well or silent: the memory that keeps a plan from acting on a moment's weather.

use super::{Settings, Situation};
use crate::ids::NodeId;
use crate::roster::Liveness;
use crate::time::Time;
use std::collections::BTreeMap;

/// The leader's memory, empty when it begins to lead.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Watch {
    since: BTreeMap<NodeId, Since>,
}

/// What is remembered of one member.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Since {
    /// Well without a break.
    well: Option<Time>,
    /// Dead to gossip and unheard by the log, without a break.
    silent: Option<Time>,
}

impl Watch {
    /// Looks at all members. To be called at least once a second while leading, and before each plan.
    pub fn look(&mut self, situation: &Situation, now: Time) {
        let members = &situation.membership.members;
        self.since.retain(|id, _| members.contains_key(id));
        for id in members.keys() {
            let since = self.since.entry(*id).or_default();
            since.well = is_well(situation, *id, now).then(|| since.well.unwrap_or(now));
            since.silent = is_silent(situation, *id, now).then(|| since.silent.unwrap_or(now));
        }
    }

    /// Since when a member is well.
    pub fn well_since(&self, id: NodeId) -> Option<Time> {
        self.since.get(&id)?.well
    }

    /// Since when a member is silent.
    pub fn silent_since(&self, id: NodeId) -> Option<Time> {
        self.since.get(&id)?.silent
    }

    pub(super) fn is_stable(&self, id: NodeId, settings: &Settings, now: Time) -> bool {
        self.well_since(id).is_some_and(|since| now - since >= settings.stable_for)
    }

    pub(super) fn is_dead(&self, id: NodeId, settings: &Settings, now: Time) -> bool {
        self.silent_since(id).is_some_and(|since| now - since >= settings.dead_after)
    }
}

pub(super) fn is_alive(situation: &Situation, id: NodeId) -> bool {
    situation.roster.servers.get(&id).is_some_and(|sighting| sighting.liveness == Liveness::Alive)
}

/// Whether the leader heard a member of late. It always hears itself.
pub(super) fn is_heard(situation: &Situation, id: NodeId, now: Time) -> bool {
    let heard = situation.membership.members.get(&id).and_then(|member| member.heard);
    id == situation.membership.leader || heard.is_some_and(|at| now - at <= situation.settings.silence_max)
}

/// Whether a member counts for a live quorum: gossip and the log agree that it lives.
pub(super) fn is_live(situation: &Situation, id: NodeId, now: Time) -> bool {
    id == situation.membership.leader || (is_alive(situation, id) && is_heard(situation, id, now))
}

pub(super) fn is_well(situation: &Situation, id: NodeId, now: Time) -> bool {
    let lag = situation.membership.members.get(&id).and_then(|member| member.lag);
    let near = id == situation.membership.leader || lag.is_some_and(|lag| lag <= situation.settings.lag_max);
    is_alive(situation, id) && is_heard(situation, id, now) && near
}

fn is_silent(situation: &Situation, id: NodeId, now: Time) -> bool {
    !is_alive(situation, id) && !is_heard(situation, id, now)
}
