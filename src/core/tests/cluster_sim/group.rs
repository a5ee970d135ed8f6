//! The log's group, without its log: who can lead, what a quorum takes, and the membership that the leader plans.
//!
//! A change is taken in one step if quorums of the voters before and after it are in reach, as a joint change is.

use crate::disk::{Log, Machine, Write};
use crate::message::{Caller, Event};
use crate::mutants::Mutant;
use crate::process::{FAILED_AFTER, time};
use crate::world::World;
use dkron_core::bootstrap::Service;
use dkron_core::ids::{ClusterId, NodeId, Stamp};
use dkron_core::roster::{Liveness, Roster};
use dkron_core::time::Span;
use dkron_core::voters::{
    Change, Member, Membership, Proposal, Reason, Settings, Situation, Watch, Wish, Wished, is_done, plan,
    quorum,
};
use std::collections::{BTreeMap, BTreeSet};

/// One cluster.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) stamp: Stamp,
    pub(crate) voters: BTreeSet<NodeId>,
    learners: BTreeSet<NodeId>,
    /// Names and addresses in the membership.
    known: BTreeMap<NodeId, (String, String)>,
    pub(crate) founded: bool,
    leader: Option<Caller>,
    watch: Watch,
    heard: BTreeMap<NodeId, i64>,
    lag: BTreeMap<NodeId, u64>,
    pub(crate) wishes: BTreeMap<NodeId, Wished>,
    /// The servers that were removed by a wish, and the process of each at the time.
    pub(crate) removed: BTreeMap<NodeId, u64>,
    /// The voters before a change that was begun and not finished: they decide too.
    pub(crate) old: Option<BTreeSet<NodeId>>,
    /// When the membership last changed.
    pub(crate) changed: i64,
}

impl Group {
    pub(crate) fn new<'a>(
        stamp: Stamp,
        set: impl IntoIterator<Item = (NodeId, &'a Machine)>,
        founded: bool,
    ) -> Group {
        let known = |(id, machine): (NodeId, &Machine)| (id, (machine.name.clone(), machine.address.clone()));
        let known: BTreeMap<NodeId, (String, String)> = set.into_iter().map(known).collect();
        Group {
            stamp,
            voters: known.keys().copied().collect(),
            learners: BTreeSet::new(),
            known,
            founded,
            leader: None,
            watch: Watch::default(),
            heard: BTreeMap::new(),
            lag: BTreeMap::new(),
            wishes: BTreeMap::new(),
            removed: BTreeMap::new(),
            old: None,
            changed: 0,
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &NodeId> {
        self.voters.iter().chain(&self.learners).chain(self.old.iter().flatten())
    }

    pub(crate) fn address(&self, id: NodeId) -> &str {
        self.known.get(&id).map_or("", |(_, address)| address)
    }

    /// Whether it votes, by the old voters or the new ones.
    fn votes(&self, id: NodeId) -> bool {
        self.voters.contains(&id) || self.old.as_ref().is_some_and(|old| old.contains(&id))
    }

    /// The voters after a change.
    fn after(&self, change: &Change) -> BTreeSet<NodeId> {
        let mut voters = self.voters.clone();
        match change {
            Change::Promote(id) => drop(voters.insert(*id)),
            Change::Demote(id) | Change::Remove(id) => drop(voters.remove(id)),
            Change::Replace { old, new } => {
                voters.remove(old);
                voters.insert(*new);
            }
            _ => {}
        }
        voters
    }

    fn take(&mut self, change: Change, now: i64) {
        self.voters = self.after(&change);
        self.changed = now;
        match change {
            Change::AddLearner { id, name, address } => {
                self.learners.insert(id);
                self.known.insert(id, (name.to_string(), address.to_string()));
            }
            Change::Promote(id) => drop(self.learners.remove(&id)),
            Change::Demote(id) => drop(self.learners.insert(id)),
            Change::Remove(id) => drop((self.learners.remove(&id), self.known.remove(&id))),
            Change::Replace { old, new } => drop((self.learners.remove(&new), self.known.remove(&old))),
            Change::UpdateAddress { id, address } => {
                self.known.entry(id).and_modify(|known| known.1 = address.to_string());
            }
            Change::Finish => self.old = None,
            Change::HandOver { .. } => {}
        }
    }
}

impl World {
    /// A tenth of a second of every group.
    pub(crate) fn round(&mut self) {
        self.at(self.now + 100, Event::Round);
        for cluster in self.groups.keys().copied().collect::<Vec<_>>() {
            let Some(leader) = self.leader(cluster) else { continue };
            let followers = self.followers(cluster, leader, u64::MAX);
            if !self.is_quorum(cluster, leader, &followers) {
                self.depose(cluster);
                continue;
            }
            self.replicate(cluster, leader, &followers);
            self.plan(cluster, leader, &followers);
        }
    }

    fn depose(&mut self, cluster: ClusterId) {
        if let Some(group) = self.groups.get_mut(&cluster) {
            group.leader = None;
        }
    }

    /// The leader, elected if there is none.
    fn leader(&mut self, cluster: ClusterId) -> Option<usize> {
        let group = &self.groups[&cluster];
        let votes = |place: &usize| group.votes(self.machines[*place].disk.id);
        let present = group.leader.filter(|caller| self.is_current(*caller)).map(|caller| caller.machine);
        if let Some(place) = present.filter(votes) {
            return Some(place);
        }
        let able = |place: &usize| {
            let machine = &self.machines[*place];
            machine.is_up() && machine.disk.is_of(cluster)
        };
        let mut able: Vec<usize> = (0..self.machines.len()).filter(able).filter(votes).collect();
        let first = self.chance.below(8) as usize;
        let count = able.len().max(1);
        able.rotate_left(first % count);
        self.depose(cluster);
        let elected = able.into_iter().find(|place| {
            let index = self.index(*place);
            let followers = self.followers(cluster, *place, index);
            self.is_quorum(cluster, *place, &followers)
        })?;
        let caller = self.caller(elected);
        self.say(|| format!("{elected} leads {cluster}"));
        let group = self.groups.get_mut(&cluster)?;
        (group.leader, group.watch) = (Some(caller), Watch::default());
        Some(elected)
    }

    fn index(&self, place: usize) -> u64 {
        self.machines[place].disk.log.map_or(0, |log| log.index)
    }

    /// The members in reach that serve the cluster and are no further than this.
    fn followers(&mut self, cluster: ClusterId, leader: usize, index: u64) -> BTreeSet<usize> {
        let group = &self.groups[&cluster];
        let (stamp, members) = (group.stamp, group.members().copied().collect::<Vec<_>>());
        let places: Vec<usize> = members.into_iter().filter_map(|id| self.up(id)).collect();
        let near =
            |place: &usize| *place != leader && self.passes(leader, *place) && self.passes(*place, leader);
        let near: Vec<usize> = places.into_iter().filter(near).collect();
        near.into_iter().filter(|place| self.serves(*place, stamp) && self.index(*place) <= index).collect()
    }

    fn serves(&mut self, place: usize, stamp: Stamp) -> bool {
        let withdrawn_serves = self.has(Mutant::WithdrawnServerServes);
        let machine = &mut self.machines[place];
        let Some(process) = &mut machine.process else { return false };
        let serves = match process.forming.on_message(stamp) {
            Service::Serve => true,
            Service::FoundFirst(promise) => {
                self.write(place, Write::Initialise(promise));
                return false;
            }
            Service::Refuse => {
                let held = machine.disk.promise.as_ref();
                withdrawn_serves
                    && machine.disk.log.is_none()
                    && held.is_some_and(|held| held.withdrawn && held.stamp() == stamp)
            }
        };
        if serves && machine.disk.log.is_none() {
            machine.disk.log = Some(Log { stamp, index: 0, founded: false });
            let (id, founded) = (machine.disk.id, self.groups[&stamp.cluster].founded);
            if !founded {
                self.checks.serves(id, stamp.cluster);
            }
        }
        serves
    }

    fn is_quorum(&self, cluster: ClusterId, leader: usize, followers: &BTreeSet<usize>) -> bool {
        self.decides_in(&self.groups[&cluster], leader, followers)
    }

    fn decides_in(&self, group: &Group, leader: usize, followers: &BTreeSet<usize>) -> bool {
        let old = group.old.as_ref().is_none_or(|old| self.decides(old, leader, followers));
        old && self.decides(&group.voters, leader, followers)
    }

    fn decides(&self, voters: &BTreeSet<NodeId>, leader: usize, followers: &BTreeSet<usize>) -> bool {
        let votes = |place: &&usize| voters.contains(&self.machines[**place].disk.id);
        followers.iter().chain([&leader]).filter(votes).count() >= quorum(voters.len())
    }

    /// Followers come nearer; if a quorum is level, ten more entries are committed, the founding first.
    fn replicate(&mut self, cluster: ClusterId, leader: usize, followers: &BTreeSet<usize>) {
        let last = self.index(leader);
        let level = |place: &&usize| self.index(**place) == last;
        let level: BTreeSet<usize> = followers.iter().filter(level).copied().collect();
        let commits = self.is_quorum(cluster, leader, &level);
        let grown = if commits { last + 10 } else { last };
        for place in followers.iter().chain([&leader]) {
            let near = *place == leader || level.contains(place);
            let index = if near { grown } else { last.min(self.index(*place) + self.speed) };
            let machine = &mut self.machines[*place];
            let Some(log) = &mut machine.disk.log else { continue };
            (log.index, log.founded) = (index, index > 1);
            let stamp = log.stamp;
            if let Some(process) = machine.process.as_mut().filter(|_| index > 1) {
                process.forming.on_formed(stamp);
            }
        }
        let known: Vec<(NodeId, u64)> = followers
            .iter()
            .map(|place| (self.machines[*place].disk.id, grown - self.index(*place)))
            .collect();
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        group.founded |= commits;
        group.heard.extend(known.iter().map(|(id, _)| (*id, self.now)));
        group.lag.extend(known);
        self.checks.founds(&self.groups);
    }

    fn plan(&mut self, cluster: ClusterId, leader: usize, followers: &BTreeSet<usize>) {
        let Some(mut group) = self.groups.remove(&cluster) else { return };
        if let Some(proposal) = self.proposal(&mut group, leader) {
            self.say(|| format!("{leader} proposes: {proposal}"));
            self.check(&group, leader, &proposal);
            let after = group.after(&proposal.change);
            if self.decides_in(&group, leader, followers) && self.decides(&after, leader, followers) {
                self.counted.changes += 1;
                if let Change::HandOver { to } = proposal.change {
                    let heir = self.up(to).filter(|place| self.index(*place) == self.index(leader));
                    group.leader = heir.map(|place| self.caller(place)).or(group.leader);
                    group.watch = Watch::default();
                }
                self.take(&mut group, proposal, after);
            }
        }
        self.groups.insert(cluster, group);
    }

    /// A change of the voters takes two steps; at times its leader dies between them.
    fn take(&mut self, group: &mut Group, proposal: Proposal, after: BTreeSet<NodeId>) {
        let Proposal { change, reason } = proposal;
        if let (Change::Remove(id), Reason::Wished) = (&change, reason)
            && let Some(wished) = group.wishes.get(id)
        {
            group.removed.insert(*id, wished.process);
        }
        if self.faulty && after != group.voters && self.chance.per_mille(100) {
            (group.old, group.leader) = (Some(group.voters.clone()), None);
            self.counted.unfinished += 1;
        }
        group.take(change, self.now);
    }

    fn proposal(&self, group: &mut Group, leader: usize) -> Option<Proposal> {
        let machine = &self.machines[leader];
        let mut roster = machine.process.as_ref()?.roster.clone();
        let mut members: BTreeMap<NodeId, Member> =
            group.members().map(|id| (*id, self.member(group, *id))).collect();
        let mut settings = self.settings.clone();
        self.distort_plan(!group.wishes.is_empty(), &mut roster, &mut members, &mut settings);
        let blind = self.mutant == Some(Mutant::BegunChangesStayOpen);
        let unfinished = group.old.is_some();
        let membership =
            Membership { leader: machine.disk.id, changing: blind && unfinished, unfinished, members };
        let agents: BTreeSet<NodeId> =
            self.machines.iter().filter(|machine| machine.agent).map(|machine| machine.disk.id).collect();
        let wishes = group.wishes.iter().map(|(id, wished)| (*id, wished.wish)).collect();
        let everything = Situation {
            stamp: group.stamp,
            region: "",
            format: 1,
            roster: &roster,
            membership: &membership,
            wishes: &wishes,
            agents: &agents,
            gone: &BTreeSet::new(),
            settings: &settings,
        };
        let forgets = self.mutant == Some(Mutant::RemovalIsForgotten);
        group.wishes.retain(|id, wished| {
            let forgotten = forgets && wished.wish == Wish::Remove && !membership.members.contains_key(id);
            !forgotten && !is_done(&everything, *id, *wished, time(self.now))
        });
        let wishes = group.wishes.iter().map(|(id, wished)| (*id, wished.wish)).collect();
        let situation = Situation { wishes: &wishes, ..everything };
        group.watch.look(&situation, time(self.now));
        plan(&situation, &group.watch, time(self.now))
    }

    fn member(&self, group: &Group, id: NodeId) -> Member {
        let (name, address) = group.known.get(&id).cloned().unwrap_or_default();
        Member {
            name: name.into(),
            address: address.into(),
            voter: group.votes(id),
            lag: group.lag.get(&id).copied(),
            heard: group.heard.get(&id).map(|at| time(*at)),
        }
    }

    fn distort_plan(
        &self,
        wished: bool,
        roster: &mut Roster,
        members: &mut BTreeMap<NodeId, Member>,
        settings: &mut Settings,
    ) {
        match self.mutant {
            Some(Mutant::RemovalBelowQuorum) if wished => {
                for member in members.values_mut() {
                    let heard = member.heard.is_some_and(|at| time(self.now) - at <= settings.silence_max);
                    member.lag = member.lag.filter(|_| heard);
                    member.heard = Some(time(self.now));
                }
                roster.servers.values_mut().for_each(|sighting| sighting.liveness = Liveness::Alive);
            }
            Some(Mutant::LaggingLearnerIsPromoted) => {
                members.values_mut().for_each(|member| member.lag = Some(0));
            }
            Some(Mutant::MomentarySilenceIsDeath) => settings.dead_after = Span::from_seconds(1),
            Some(Mutant::SmallestQuorumIsIgnored) => settings.min_quorum = 1,
            Some(Mutant::DeadVotersStay) => {
                settings.clean_up = false;
                let mut names = 0;
                members.values_mut().for_each(|member| {
                    names += 1;
                    member.name = format!("unknown {names}").into();
                });
            }
            _ => {}
        }
    }

    /// What is true of a change that the leader may propose.
    fn check(&mut self, group: &Group, leader: usize, proposal: &Proposal) {
        if proposal.change == Change::Finish {
            return;
        }
        if let Change::AddLearner { id, .. } | Change::Promote(id) = &proposal.change {
            let runs =
                self.machines.iter().find(|machine| machine.disk.id == *id).map(|machine| machine.epoch);
            if runs.is_some() && group.removed.get(id).copied() == runs {
                self.checks.report(format!("removed: {proposal}, and its process is the same"));
            }
        }
        let after = group.after(&proposal.change);
        let slack = self.settings.silence_max.millis() + FAILED_AFTER + 1_000;
        let lives = |id: &&NodeId| {
            let found = self.machines.iter().find(|machine| machine.disk.id == **id);
            let lost = self.lost.get(id).is_some_and(|(_, at)| self.now - at < slack);
            lost || found.is_some_and(|machine| machine.is_up() || self.now - machine.since < slack)
        };
        let live = after.iter().filter(lives).count();
        let text = proposal.to_string();
        if live < quorum(after.len()) {
            self.checks.report(format!("invariant 10: {text}, and {live} of {} live", after.len()));
        }
        let buried = matches!(proposal.reason, Reason::Dead);
        if buried && after.len() < group.voters.len() && after.len() < self.settings.min_quorum {
            self.checks.report(format!("smallest quorum: {text}"));
        }
        if let Change::Promote(id) | Change::Replace { new: id, .. } = &proposal.change {
            let place = self.machines.iter().position(|machine| machine.disk.id == *id);
            let index = place.map_or(u64::MAX / 2, |place| self.index(place));
            if index + self.settings.lag_max + 300 < self.index(leader) {
                self.checks.report(format!("lag: {text} at {index} of {}", self.index(leader)));
            }
        }
        if let Change::Remove(id) | Change::Replace { old: id, .. } = &proposal.change {
            let heard = group.heard.get(id).copied().unwrap_or(0);
            if buried && self.now - heard < self.settings.dead_after.millis() {
                self.checks.report(format!("flapping: {text}, heard {} ms ago", self.now - heard));
            }
        }
    }
}
