//! What goes wrong until it does not any more, what gossip carries, and when a run has come to its end.

use crate::disk::Machine;
use crate::group::Group;
use crate::message::Event;
use crate::plot::Kind;
use crate::process::time;
use crate::world::World;
use dkron_core::ids::NodeId;
use dkron_core::roster::Liveness;
use dkron_core::voters::{Wish, Wished, quorum};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long after the last fault all must be one cluster, in milliseconds.
const PATIENCE: i64 = 180_000;
/// How long it must stay so.
const CALM: i64 = 15_000;

impl World {
    /// Every living server tells every other one of itself, if it gets through.
    pub(crate) fn gossip(&mut self) {
        self.at(self.now + 200, Event::Gossip);
        let now = self.now;
        for from in 0..self.machines.len() {
            let Some(process) = &self.machines[from].process else { continue };
            let told = Arc::new(process.announcement(&self.machines[from]));
            for to in 0..self.machines.len() {
                let lost = from != to && (!self.passes(from, to) || self.chance.per_mille(300));
                if let Some(process) = self.machines[to].process.as_mut().filter(|_| !lost) {
                    process.hear(told.clone(), Liveness::Alive, now);
                }
            }
        }
        self.machines.iter_mut().filter_map(|machine| machine.process.as_mut()).for_each(|p| p.age(now));
    }

    pub(crate) fn fault(&mut self) {
        if !self.faulty {
            return;
        }
        let next = self.now + self.chance.between(100, 4_000);
        self.at(next, Event::Fault);
        let place = self.chance.below(self.machines.len() as u64) as usize;
        match self.chance.below(100) {
            0..30 if self.machines[place].is_up() => self.kill_for_a_while(place),
            30..38 if self.machines[place].is_up() => self.stop(place),
            38..55 => {
                self.machines[place].agent = false;
                self.start(place);
            }
            55..67 => self.split(),
            67..75 => {
                let other = self.chance.below(self.machines.len() as u64) as usize;
                self.cut[place][other] = place != other;
            }
            75..88 => self.mend(),
            88..93 => self.lose_disk(place),
            93..97 => self.wish(place),
            _ if self.machines[place].is_up() && self.machines[place].disk.stage().stamp().is_some() => {
                self.say(|| format!("{place} is an agent now"));
                self.kill(place);
                self.machines[place].agent = true;
            }
            _ => {}
        }
    }

    fn kill_for_a_while(&mut self, place: usize) {
        self.kill(place);
        if self.chance.per_mille(800) {
            let at = self.now + self.chance.between(50, 10_000);
            self.at(at, Event::Start(place));
        }
    }

    pub(crate) fn strike_at_times(&mut self, place: usize) {
        if self.faulty && self.chance.per_mille(120) {
            let at = self.now + self.chance.between(0, 200);
            self.at(at, Event::Strike(place));
        }
    }

    /// The initialiser is gone as soon as its log is initialised, for so long that the others withdraw.
    pub(crate) fn vanish_at_times(&mut self, place: usize) {
        if self.faulty && self.chance.per_mille(self.vanishing) {
            self.kill(place);
            let at = self.now + self.chance.between(25_000, 60_000);
            self.at(at, Event::Start(place));
        }
    }

    pub(crate) fn strike(&mut self, place: usize) {
        if !self.faulty || !self.machines[place].is_up() {
            return;
        }
        self.kill(place);
        if self.chance.per_mille(400) {
            self.lose_disk(place);
        }
        let at = self.now + self.chance.between(100, 50_000);
        self.at(at, Event::Start(place));
    }

    fn stop(&mut self, place: usize) {
        let Some(process) = &self.machines[place].process else { return };
        let told = Arc::new(process.announcement(&self.machines[place]));
        self.kill(place);
        for to in 0..self.machines.len() {
            let lost = !self.passes(place, to);
            if let Some(process) = self.machines[to].process.as_mut().filter(|_| !lost) {
                process.hear(told.clone(), Liveness::Left, self.now);
            }
        }
    }

    fn split(&mut self) {
        let sides: Vec<bool> = self.machines.iter().map(|_| self.chance.per_mille(500)).collect();
        self.say(|| format!("the network splits {sides:?}"));
        for (from, side) in sides.iter().enumerate() {
            for (to, other) in sides.iter().enumerate() {
                self.cut[from][to] = side != other;
            }
        }
    }

    fn mend(&mut self) {
        self.say(|| "the network is mended".to_owned());
        self.cut.iter_mut().for_each(|row| row.fill(false));
    }

    /// A disk is lost, unless that would leave a founded cluster without a quorum for ever.
    fn lose_disk(&mut self, place: usize) {
        let id = self.machines[place].disk.id;
        let intact =
            |voter: &&NodeId| **voter != id && self.machines.iter().any(|machine| machine.disk.id == **voter);
        let stays = |voters: &BTreeSet<NodeId>| {
            !voters.contains(&id) || voters.iter().filter(intact).count() >= quorum(voters.len())
        };
        let founded = |group: &&Group| group.founded;
        let survives = self
            .groups
            .values()
            .filter(founded)
            .all(|group| stays(&group.voters) && group.old.as_ref().is_none_or(stays));
        if self.losses == 0 || !survives {
            return;
        }
        self.losses -= 1;
        self.say(|| format!("{place} loses its disk"));
        if self.machines[place].is_up() {
            self.kill(place);
        }
        self.wipe(place);
    }

    fn wish(&mut self, place: usize) {
        let id = self.machines[place].disk.id;
        let wish = *self.chance.pick(&[Wish::Demote, Wish::Remove, Wish::Promote]);
        let wished = Wished { wish, process: self.machines[place].epoch, at: time(self.now) };
        for group in self.groups.values_mut().filter(|group| group.founded) {
            // Of a server that is no member nothing else can be wished.
            if wish != Wish::Promote && !group.members().any(|member| *member == id) {
                continue;
            }
            group.wishes.insert(id, wished);
            if wish == Wish::Promote {
                group.removed.remove(&id);
            }
        }
    }

    /// From here on nothing goes wrong, and persons have mended what they had to.
    pub(crate) fn heal(&mut self) {
        self.say(|| "nothing goes wrong any more".to_owned());
        self.faulty = false;
        self.mend();
        self.groups.values_mut().for_each(|group| {
            group.wishes.clear();
            group.removed.clear();
        });
        for place in 0..self.machines.len() {
            let machine = &mut self.machines[place];
            machine.agent = false;
            if machine.expect != machine.meant && self.kind == Kind::Differing {
                machine.expect = machine.meant;
                self.kill(place);
            }
            let at = self.now + self.chance.between(0, 3_000);
            self.at(at, Event::Start(place));
        }
        self.at(self.now + 5_000, Event::Judge);
    }

    pub(crate) fn judge(&mut self) {
        let late = self.now - self.mended.unwrap_or(self.heal_at) > PATIENCE;
        let problem = self.unsettled();
        let calm = self.groups.values().all(|group| self.now - group.changed >= CALM);
        match problem {
            None if calm => self.ended = true,
            Some(_) if late && self.mended.is_none() && self.is_mended_by_a_person() => {
                self.counted.left_to_a_person += 1;
                self.mended = Some(self.now);
            }
            Some(problem) if late => {
                self.checks.report(format!("liveness: {problem}"));
            }
            None if late => {
                self.checks.report("flapping: the membership does not come to rest".to_owned());
            }
            _ => {}
        }
        self.at(self.now + 2_500, Event::Judge);
    }

    /// What is still to be waited for.
    fn unsettled(&self) -> Option<String> {
        let Some(group) = self.groups.values().find(|group| group.founded) else {
            return Some(format!("no cluster is founded: {}", self.stages()));
        };
        let members: BTreeSet<NodeId> = group.members().copied().collect();
        let all: BTreeSet<NodeId> = self.machines.iter().map(|machine| machine.disk.id).collect();
        let outside = self.machines.iter().find(|machine| {
            !machine.is_up() || !machine.disk.log.is_some_and(|log| log.stamp == group.stamp && log.founded)
        });
        let moved = self.machines.iter().find(|machine| group.address(machine.disk.id) != machine.address);
        let votes = all.len().min(self.settings.voters_max);
        if let Some(machine) = outside {
            Some(format!("{} is not in the cluster: {}", machine.name, self.stages()))
        } else if group.old.is_some() {
            Some("a change of the voters is not finished".to_owned())
        } else if members != all {
            Some(format!("the members {members:?} are not the living {all:?}"))
        } else if group.voters.len() != votes {
            Some(format!("{} of {votes} vote", group.voters.len()))
        } else {
            moved.map(|machine| format!("{} has moved to {}", machine.name, machine.address))
        }
    }

    /// Disks of a majority of a promised set are lost: what is left of it cannot know, and says so. A person does.
    fn is_mended_by_a_person(&mut self) -> bool {
        let ids: BTreeSet<NodeId> = self.machines.iter().map(|machine| machine.disk.id).collect();
        let stuck: Vec<usize> =
            (0..self.machines.len()).filter(|place| self.is_stuck(*place, &ids)).collect();
        for place in &stuck {
            self.say(|| format!("a person resets {place}"));
            self.kill(*place);
            if let Some(promise) = self.machines[*place].disk.promise.take() {
                self.machines[*place].disk.forsworn.insert(promise.cluster);
            }
            if self.machines[*place].disk.log.is_some() {
                self.wipe(*place);
            }
            self.at(self.now, Event::Start(*place));
        }
        !stuck.is_empty()
    }

    /// Whether a promise binds a server, and neither can a quorum of its set ever found its cluster, nor enough of
    /// it withdraw.
    fn is_stuck(&self, place: usize, ids: &BTreeSet<NodeId>) -> bool {
        let disk = &self.machines[place].disk;
        let Some(promise) = disk.promise.as_ref().filter(|_| !disk.log.is_some_and(|log| log.founded)) else {
            return false;
        };
        let left = self.machines.iter().filter(|machine| promise.set.contains(&machine.disk.id));
        let holds = |machine: &&Machine| machine.disk.is_of(promise.cluster);
        let (serving, bound): (Vec<&Machine>, Vec<&Machine>) = left.partition(holds);
        let lost = promise.set.difference(ids).count();
        lost > 0 && serving.len() < quorum(promise.set.len()) && bound.len() < promise.deadly()
    }

    fn stages(&self) -> String {
        let of = |machine: &Machine| {
            let disk = &machine.disk;
            let held = disk.promise.as_ref().map(|held| (held.cluster.0 % 1_000, held.withdrawn));
            format!(
                "{} {:?} {held:?}",
                machine.name,
                disk.log.map(|log| (log.stamp.cluster.0 % 1_000, log.founded))
            )
        };
        self.machines.iter().map(of).collect::<Vec<_>>().join("; ")
    }
}
