//! The world: machines, a network between them, a queue of what is to happen, and one stream of chance.

use crate::Counted;
use crate::chance::Chance;
use crate::checks::Checks;
use crate::disk::{Disk, Log, Machine, Write};
use crate::group::Group;
use crate::message::{Caller, Event, Message};
use crate::mutants::Mutant;
use crate::plot::{Kind, Plot};
use crate::process::{Process, time};
use dkron_core::bootstrap::{Hello, Promise, Refusal, Relation, Stage, Step, Verdict, Wait};
use dkron_core::command::Founding;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use dkron_core::voters::Settings;
use std::collections::BTreeMap;

/// Everything.
pub(crate) struct World {
    pub(crate) mutant: Option<Mutant>,
    pub(crate) print: bool,
    pub(crate) chance: Chance,
    pub(crate) now: i64,
    pub(crate) queue: BTreeMap<(i64, u64), Event>,
    pub(crate) sequence: u64,
    pub(crate) machines: Vec<Machine>,
    pub(crate) groups: BTreeMap<ClusterId, Group>,
    /// Whether nothing passes from one machine to another.
    pub(crate) cut: Vec<Vec<bool>>,
    pub(crate) faulty: bool,
    pub(crate) kind: Kind,
    pub(crate) settings: Settings,
    pub(crate) losses: usize,
    pub(crate) speed: u64,
    /// How often of a thousand times an initialiser is gone once it has initialised.
    pub(crate) vanishing: u64,
    pub(crate) heal_at: i64,
    pub(crate) checks: Checks,
    pub(crate) counted: Counted,
    pub(crate) ended: bool,
    /// When a person has seen to it that it can go on.
    pub(crate) mended: Option<i64>,
    /// Where and when disks were lost, by the id that was on them.
    pub(crate) lost: BTreeMap<NodeId, (usize, i64)>,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, print: bool) -> World {
        let mut chance = Chance::new(seed);
        let plot = Plot::new(&mut chance);
        let count = plot.machines.len();
        let mut world = World {
            mutant,
            print,
            chance,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            groups: BTreeMap::new(),
            cut: vec![vec![false; count]; count],
            faulty: true,
            kind: plot.kind,
            settings: plot.settings,
            losses: plot.losses,
            speed: plot.speed,
            vanishing: plot.vanishing,
            heal_at: plot.heal,
            machines: plot.machines,
            checks: Checks::default(),
            counted: Counted::default(),
            ended: false,
            mended: None,
            lost: BTreeMap::new(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for machine in 0..self.machines.len() {
            let late = if self.chance.per_mille(200) { 40_000 } else { 2_000 };
            let at = self.chance.between(0, late);
            self.at(at, Event::Start(machine));
            let disk = &self.machines[machine].disk;
            if let Some(log) = disk.log {
                let group = Group::new(log.stamp, [(disk.id, &self.machines[machine])], true);
                self.groups.insert(log.stamp.cluster, group);
            }
        }
        for event in [Event::Gossip, Event::Round, Event::Fault] {
            self.at(0, event);
        }
        self.at(self.heal_at, Event::Heal);
    }

    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.print {
            println!("{:>8} {}", self.now, text());
        }
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at;
            self.counted.events += 1;
            self.happen(event);
            if let Some(problem) = self.checks.problem() {
                return Err(problem.clone());
            }
            if self.ended {
                return Ok(());
            }
        }
        Err("the queue ran dry".to_owned())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(machine) => self.start(machine),
            Event::Wake(caller) => self.wake(caller),
            Event::Written(caller) => self.written(caller),
            Event::Deliver(message) => self.deliver(*message),
            Event::Gossip => self.gossip(),
            Event::Round => self.round(),
            Event::Fault => self.fault(),
            Event::Strike(place) => self.strike(place),
            Event::Heal => self.heal(),
            Event::Judge => self.judge(),
        }
    }

    pub(crate) fn caller(&self, machine: usize) -> Caller {
        Caller { machine, epoch: self.machines[machine].epoch }
    }

    pub(crate) fn is_current(&self, caller: Caller) -> bool {
        let machine = &self.machines[caller.machine];
        machine.is_up() && machine.epoch == caller.epoch
    }

    /// The machine that a living server of this id runs on.
    pub(crate) fn up(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|machine| machine.disk.id == id && machine.is_up())
    }

    pub(crate) fn start(&mut self, place: usize) {
        if self.machines[place].is_up() || self.machines[place].agent {
            return;
        }
        if self.chance.per_mille(100) {
            self.machines[place].address = format!("10.0.{}.{place}:6868", self.chance.below(250));
        }
        let blind = self.has(Mutant::AbortAfterInitialise);
        let (now, machine) = (self.now, &mut self.machines[place]);
        machine.epoch += 1;
        machine.since = now;
        let stage = match machine.disk.stage() {
            Stage::Initialised(_) if blind => Stage::Empty,
            stage => stage,
        };
        machine.process = Some(Process::new(machine, stage, now));
        let caller = self.caller(place);
        self.say(|| format!("{place} starts as {} {:?}", self.machines[place].disk.id, stage));
        self.at(self.now, Event::Wake(caller));
    }

    /// The process ends here and now. What it was writing is on disk, or some of it, or nothing.
    pub(crate) fn kill(&mut self, place: usize) {
        while let Some(write) = self.machines[place].writes.pop_front() {
            if self.chance.per_mille(500) {
                self.machines[place].writes.clear();
                break;
            }
            self.put(place, &write);
        }
        self.say(|| format!("{place} is killed"));
        self.machines[place].process = None;
        self.machines[place].since = self.now;
    }

    fn wake(&mut self, caller: Caller) {
        if !self.is_current(caller) {
            return;
        }
        self.at(self.now + 100, Event::Wake(caller));
        let place = caller.machine;
        if !self.machines[place].writes.is_empty() {
            return;
        }
        let draft = Founding {
            cluster: ClusterId(self.chance.wide()),
            incarnation: Incarnation(1),
            default_zone: "UTC".into(),
            zone_data: "2026a".into(),
        };
        let now = time(self.now);
        let Some(process) = &mut self.machines[place].process else { return };
        let plan = process.forming.step(&process.roster, &draft, now);
        if plan.wait == Wait::Person && plan.warnings.is_empty() {
            self.checks.report(format!("silent: {place} waits for a person and says nothing"));
        }
        plan.steps.into_iter().for_each(|step| self.carry_out(place, step));
    }

    fn carry_out(&mut self, place: usize, step: Step) {
        let (from, id) = (self.caller(place), self.machines[place].disk.id);
        match step {
            Step::Store(promise) => {
                self.say(|| format!("{place} stores {promise:?}"));
                self.counted.attempts += u64::from(promise.as_ref().is_some_and(|own| own.initialiser == id));
                self.counted.withdrawn += u64::from(promise.as_ref().is_some_and(|own| own.withdrawn));
                self.write(place, Write::Promise(promise, None));
                self.strike_at_times(place);
            }
            Step::Forswear(cluster) => self.write(place, Write::Forswear(cluster)),
            Step::Hello(to, hello) => self.send(place, to, Message::Hello { from, to, hello }),
            Step::Ask(to, promise) => {
                self.checks.asks(&promise);
                self.send(place, to, Message::Ask { from, to, promise });
            }
            Step::Abort(to, cluster) => self.send(place, to, Message::Abort { from: id, to, cluster }),
            Step::Found(promise) => self.write(place, Write::Initialise(promise)),
            Step::Join { .. } => {}
            Step::SetAside(cluster) => {
                self.say(|| format!("{place} sets {cluster} aside"));
                self.counted.set_aside += 1;
                self.checks.sets_aside(self.groups.get(&cluster));
                self.kill(place);
                self.wipe(place);
                self.at(self.now + 100, Event::Start(place));
            }
        }
    }

    pub(crate) fn wipe(&mut self, place: usize) {
        self.lost.insert(self.machines[place].disk.id, (place, self.now));
        self.machines[place].disk = Disk { id: NodeId(self.chance.wide()), ..Disk::default() };
    }

    pub(crate) fn write(&mut self, place: usize, write: Write) {
        let most = if self.chance.per_mille(100) { 800 } else { 30 };
        let at = self.now + self.chance.between(1, most);
        self.machines[place].writes.push_back(write);
        let caller = self.caller(place);
        self.at(at, Event::Written(caller));
    }

    fn written(&mut self, caller: Caller) {
        if !self.is_current(caller) {
            return;
        }
        let place = caller.machine;
        let Some(write) = self.machines[place].writes.pop_front() else { return };
        self.put(place, &write);
        let now = time(self.now);
        let Some(process) = &mut self.machines[place].process else { return };
        match &write {
            Write::Initialise(_) => process.forming.on_initialised(),
            Write::Forswear(cluster) => process.forming.on_forsworn(*cluster),
            Write::Promise(..) => process.forming.on_stored(now),
        }
        if let Write::Initialise(promise) = &write
            && promise.initialiser == self.machines[place].disk.id
        {
            self.vanish_at_times(place);
        }
        if let Write::Promise(Some(promise), Some(to)) = write {
            self.checks.gives(&self.machines, place, &promise);
            let from = self.machines[place].disk.id;
            self.answer(place, to, Message::Verdict { to, from, cluster: promise.cluster, verdict: Ok(()) });
        }
    }

    /// A write reaches the disk.
    fn put(&mut self, place: usize, write: &Write) {
        match write {
            Write::Promise(promise, reply) => {
                let own = self.machines[place].disk.id;
                let own_attempt = |held: &Promise| held.initialiser == own;
                let aborts =
                    promise.is_none() && self.machines[place].disk.promise.as_ref().is_some_and(own_attempt);
                self.checks.stores(&self.machines, place, promise.as_ref());
                let forgets = (self.has(Mutant::PromiseIsNotDurable) && reply.is_some())
                    || (self.has(Mutant::AbortIsNotDurable) && aborts);
                if !forgets {
                    self.machines[place].disk.promise.clone_from(promise);
                }
            }
            Write::Forswear(cluster) if self.has(Mutant::OathIsForgotten) => {
                self.checks.forswears(self.machines[place].disk.id, *cluster);
            }
            Write::Forswear(cluster) => {
                self.machines[place].disk.forsworn.insert(*cluster);
                self.checks.forswears(self.machines[place].disk.id, *cluster);
            }
            Write::Initialise(promise) => {
                let stamp = promise.stamp();
                let mut set = promise.set.clone();
                if self.has(Mutant::SetIsNotExact) && set.len() > 2 {
                    set.pop_last();
                }
                self.say(|| format!("{place} initialises {stamp}"));
                self.checks.initialises(promise, &set);
                self.checks.serves(self.machines[place].disk.id, stamp.cluster);
                self.machines[place].disk.log = Some(Log { stamp, index: 1, founded: false });
                let machines = &self.machines;
                let members = set.into_iter().filter_map(|id| {
                    let place = machines.iter().position(|machine| machine.disk.id == id);
                    let place = place.or(self.lost.get(&id).map(|(place, _)| *place))?;
                    Some((id, &machines[place]))
                });
                let group = || Group::new(stamp, members, false);
                self.groups.entry(stamp.cluster).or_insert_with(group);
            }
        }
    }

    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut[from][to]
    }

    fn send(&mut self, place: usize, to: NodeId, message: Message) {
        let Some(target) = self.machines.iter().position(|machine| machine.disk.id == to) else { return };
        self.transmit(place, target, message);
    }

    fn answer(&mut self, place: usize, to: Caller, message: Message) {
        self.transmit(place, to.machine, message);
    }

    fn transmit(&mut self, from: usize, to: usize, message: Message) {
        let copies = if self.faulty && self.chance.per_mille(50) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.passes(from, to) || (self.faulty && self.chance.per_mille(100)) {
                continue;
            }
            let most = if self.faulty && self.chance.per_mille(50) { 4_000 } else { 20 };
            let at = self.now + self.chance.between(1, most);
            self.at(at, Event::Deliver(Box::new(message.clone())));
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Hello { from, to, hello } => {
                let Some(place) = self.up(to) else { return };
                let Some(process) = &mut self.machines[place].process else { return };
                let (mut answer, forsworn) = process.forming.on_hello(&hello);
                if let Some(cluster) = forsworn {
                    self.write(place, Write::Forswear(cluster));
                }
                self.distort(to, &hello, &mut answer.relation);
                self.answer(place, from, Message::Answer { to: from, from: to, hello, answer });
            }
            Message::Answer { to, from, hello, answer } if self.is_current(to) => {
                let now = time(self.now);
                if let Some(process) = &mut self.machines[to.machine].process {
                    process.forming.on_answer(from, &hello, answer, now);
                }
            }
            Message::Ask { from, to, promise } => self.asked(from, to, &promise),
            Message::Verdict { to, from, cluster, verdict } if self.is_current(to) => {
                let enough = self.has(Mutant::SomePromisesAreEnough) && verdict.is_ok();
                let Some(process) = &mut self.machines[to.machine].process else { return };
                process.forming.on_verdict(from, cluster, verdict);
                let set = process.forming.promise().filter(|_| enough).map(|promise| promise.set.clone());
                set.into_iter().flatten().for_each(|id| process.forming.on_verdict(id, cluster, Ok(())));
            }
            Message::Abort { from, to, cluster } => {
                let Some(place) = self.up(to) else { return };
                let Some(process) = &mut self.machines[place].process else { return };
                if process.forming.on_abort(from, cluster) {
                    self.write(place, Write::Promise(None, None));
                }
            }
            _ => {}
        }
    }

    fn distort(&self, own: NodeId, hello: &Hello, relation: &mut Relation) {
        let asked = hello.about.as_ref().map(|promise| promise.initialiser);
        if self.has(Mutant::InitialiserDeniesItsAttempt) && asked == Some(own) && *relation == Relation::Holds
        {
            *relation = Relation::None;
        }
        if self.has(Mutant::OneWithdrawalIsEnough) && *relation < Relation::Withdrawn && asked != Some(own) {
            *relation = Relation::Withdrawn;
        }
    }

    fn asked(&mut self, from: Caller, to: NodeId, promise: &Promise) {
        let Some(place) = self.up(to) else { return };
        let Some(process) = &mut self.machines[place].process else { return };
        let verdict = process.forming.on_promise_request(promise, &process.roster);
        let early = self.has(Mutant::PromiseIsGivenBeforeItIsStored);
        let verdict = match verdict {
            Verdict::Store(promise) => {
                self.write(place, Write::Promise(Some(promise), (!early).then_some(from)));
                if !early {
                    return;
                }
                Ok(())
            }
            Verdict::Granted => Ok(()),
            Verdict::Refused(Refusal::Promised { .. }) if self.has(Mutant::SecondPromiseIsGiven) => Ok(()),
            Verdict::Refused(refusal) => Err(refusal),
        };
        if verdict.is_ok() {
            self.checks.gives(&self.machines, place, promise);
        }
        let verdict = Message::Verdict { to: from, from: to, cluster: promise.cluster, verdict };
        self.answer(place, from, verdict);
    }
}
