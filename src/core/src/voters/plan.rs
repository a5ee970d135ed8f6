//! The one change to propose now: the first in an order that puts truth before wishes, wishes before growth, and
//! growth before clean-up.

use super::eligible::{candidates, is_zone_free, may_join, may_vote, name_of};
use super::watch::{is_alive, is_live};
use super::{Change, Proposal, Reason, Situation, Watch, Wish, quorum};
use crate::ids::NodeId;
use crate::time::Time;
use std::collections::BTreeSet;

/// The next change, if there is one to make. To be asked again once it is committed or has failed.
pub fn plan(situation: &Situation, watch: &Watch, now: Time) -> Option<Proposal> {
    let planner = Planner { situation, watch, now, voters: situation.membership.voters() };
    if situation.membership.changing {
        return None;
    }
    if situation.membership.unfinished {
        // Whoever lives: the voters that it leaves are those that decide already.
        return propose(Some(Change::Finish), Reason::Begun);
    }
    if !planner.is_safe(&planner.voters) {
        return None;
    }
    let autopilot = situation.settings.autopilot;
    let asked = planner.moved().or_else(|| planner.depart()).or_else(|| planner.wished());
    let asked = asked.or_else(|| planner.hand_over()).or_else(|| planner.came());
    let grown =
        asked.or_else(|| autopilot.then(|| planner.succeed().or_else(|| planner.promote())).flatten());
    grown.or_else(|| autopilot.then(|| planner.bury().or_else(|| planner.surplus())).flatten())
}

struct Planner<'a> {
    situation: &'a Situation<'a>,
    watch: &'a Watch,
    now: Time,
    voters: BTreeSet<NodeId>,
}

impl Planner<'_> {
    /// Invariant 10: so many of these live that they decide.
    fn is_safe(&self, voters: &BTreeSet<NodeId>) -> bool {
        let live = voters.iter().filter(|id| is_live(self.situation, **id, self.now)).count();
        live >= quorum(voters.len())
    }

    fn without(&self, id: NodeId) -> BTreeSet<NodeId> {
        self.voters.iter().copied().filter(|voter| *voter != id).collect()
    }

    fn can_spare(&self, id: NodeId) -> bool {
        id != self.situation.membership.leader && self.is_safe(&self.without(id))
    }

    fn members(&self) -> impl Iterator<Item = NodeId> {
        self.situation.membership.members.keys().copied()
    }

    fn moved(&self) -> Option<Proposal> {
        let moved = self.situation.membership.members.iter().find_map(|(id, member)| {
            let address = &self.situation.roster.server(*id)?.calls;
            let differs = is_alive(self.situation, *id) && !address.is_empty() && *address != member.address;
            differs.then(|| Change::UpdateAddress { id: *id, address: address.clone() })
        });
        propose(moved, Reason::Moved)
    }

    /// Those that go: asked to, or an agent now.
    fn depart(&self) -> Option<Proposal> {
        let wishes = |id: &NodeId| self.situation.wishes.get(id) == Some(&Wish::Remove);
        let leaver = self.members().find(|id| wishes(id) && self.can_spare(*id));
        let is_agent = |id: &NodeId| self.situation.agents.contains(id) && !is_alive(self.situation, *id);
        let agent = || self.members().find(|id| is_agent(id) && self.can_spare(*id));
        propose(leaver.map(Change::Remove), Reason::Wished)
            .or_else(|| propose(agent().map(Change::Remove), Reason::AgentNow))
    }

    fn wished(&self) -> Option<Proposal> {
        let change = self.situation.wishes.iter().find_map(|(id, wish)| {
            let votes = self.situation.membership.members.get(id)?.voter;
            match wish {
                Wish::Demote => (votes && self.can_spare(*id)).then_some(Change::Demote(*id)),
                Wish::Promote => {
                    (!votes && may_vote(self.situation, *id, self.now)).then_some(Change::Promote(*id))
                }
                Wish::Remove => None,
            }
        });
        propose(change, Reason::Wished)
    }

    /// What is wished of the leader is done by another.
    fn hand_over(&self) -> Option<Proposal> {
        let own = self.situation.membership.leader;
        let goes = matches!(self.situation.wishes.get(&own), Some(Wish::Demote | Wish::Remove));
        if !goes || !self.voters.contains(&own) || !self.is_safe(&self.without(own)) {
            return None;
        }
        let mut others = self.voters.iter().filter(|id| **id != own);
        let to = others.find(|id| may_vote(self.situation, **id, self.now));
        propose(to.map(|to| Change::HandOver { to: *to }), Reason::Wished)
    }

    fn came(&self) -> Option<Proposal> {
        let came = self.situation.roster.alive().find(|server| may_join(self.situation, server))?;
        let change = Change::AddLearner { id: came.id, name: came.name.clone(), address: came.calls.clone() };
        propose(Some(change), Reason::Came)
    }

    /// A new id under the name of a member that is silent takes its place: a disk was lost.
    fn succeed(&self) -> Option<Proposal> {
        let members = &self.situation.membership.members;
        let change = members.iter().find_map(|(old, lost)| {
            self.watch.silent_since(*old)?;
            let name = name_of(self.situation, *old, lost);
            let (new, heir) = members.iter().find(|(new, member)| {
                let heirs = *new != old && !name.is_empty() && name_of(self.situation, **new, member) == name;
                heirs && may_vote(self.situation, **new, self.now)
            })?;
            match (lost.voter, heir.voter) {
                (true, false) => self.swap(*old, *new),
                _ => self.can_spare(*old).then_some(Change::Remove(*old)),
            }
        });
        propose(change, Reason::NewId)
    }

    fn swap(&self, old: NodeId, new: NodeId) -> Option<Change> {
        let mut voters = self.without(old);
        voters.insert(new);
        self.is_safe(&voters).then_some(Change::Replace { old, new })
    }

    fn promote(&self) -> Option<Proposal> {
        if self.voters.len() >= self.situation.settings.voters_max {
            return None;
        }
        let mut able = candidates(self.situation, self.watch, self.now);
        let id = able.find(|id| is_zone_free(self.situation, *id, None));
        propose(id.map(Change::Promote), Reason::Stable)
    }

    /// Members that are dead, or whose machine is gone.
    fn bury(&self) -> Option<Proposal> {
        let settings = self.situation.settings;
        if !settings.clean_up {
            return None;
        }
        let gone = |id: &NodeId| self.situation.gone.contains(id) && self.watch.silent_since(*id).is_some();
        let dead = |id: &NodeId| self.watch.is_dead(*id, settings, self.now);
        self.members().filter(|id| gone(id) || dead(id)).find_map(|id| {
            let reason = if gone(&id) { Reason::Gone } else { Reason::Dead };
            propose(self.bury_one(id), reason)
        })
    }

    fn bury_one(&self, id: NodeId) -> Option<Change> {
        if !self.voters.contains(&id) {
            return Some(Change::Remove(id));
        }
        let mut heirs = candidates(self.situation, self.watch, self.now);
        let heir = heirs.find(|heir| is_zone_free(self.situation, *heir, Some(id)));
        if let Some(change) = heir.and_then(|heir| self.swap(id, heir)) {
            return Some(change);
        }
        let enough = self.voters.len() > self.situation.settings.min_quorum;
        (enough && self.can_spare(id)).then_some(Change::Remove(id))
    }

    fn surplus(&self) -> Option<Proposal> {
        if self.voters.len() <= self.situation.settings.voters_max {
            return None;
        }
        let spare = |id: &&NodeId| self.can_spare(**id);
        let silent = |id: &&NodeId| self.watch.silent_since(**id).is_some();
        let worst = self.voters.iter().rev().filter(spare).find(silent);
        let id = worst.or_else(|| self.voters.iter().rev().find(spare));
        propose(id.map(|id| Change::Demote(*id)), Reason::Surplus)
    }
}

fn propose(change: Option<Change>, reason: Reason) -> Option<Proposal> {
    change.map(|change| Proposal { change, reason })
}
