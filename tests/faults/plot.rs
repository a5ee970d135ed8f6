//! What happens to the cluster, drawn from a seed: faults of all kinds, one or two at a time, each held for a while
//! and taken back. What each is about is in its name; it is printed when it begins.

use super::chance::Chance;
use super::cluster::{Cluster, Number};
use super::switch::Weather;
use dkron::clock;
use rustix::process::Signal;
use std::time::Duration;

/// The longest that a fault is held: beyond it the defaults of jobs would give up ticks, as they should.
const HELD_MS: u64 = 3_500;
/// Of one freezing of a disk; between two it is as fast as ever.
const FROZEN: Duration = Duration::from_millis(400);

/// The kinds of faults. A new kind is drawn as soon as it stands here.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Kill,
    Stop,
    Restart,
    /// No packet in or out.
    CutOff,
    /// One link, both ways.
    CutLink,
    /// Hears nothing, is heard.
    Deaf,
    /// Hears, is not heard.
    Mute,
    Delay,
    Loss,
    DiskFull,
    DiskSlow,
    Move,
    /// A clock that is a little wrong, and still within what is allowed.
    Skew,
    /// A clock that jumps by minutes or hours, either way, while the node runs, and jumps back.
    Jump,
}

/// All kinds.
pub(super) const KINDS: [Kind; 14] = [
    Kind::Kill,
    Kind::Stop,
    Kind::Restart,
    Kind::CutOff,
    Kind::CutLink,
    Kind::Deaf,
    Kind::Mute,
    Kind::Delay,
    Kind::Loss,
    Kind::DiskFull,
    Kind::DiskSlow,
    Kind::Move,
    Kind::Skew,
    Kind::Jump,
];

/// One fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) victim: Number,
    /// The other end of a link.
    other: Number,
    /// How much: percent, milliseconds, as the kind has it.
    measure: i64,
}

/// What happens next: one or two faults at once, and for how long.
pub(super) struct Scene {
    pub(super) faults: Vec<Fault>,
    held: Duration,
}

/// Draws scenes so that every kind comes up about as often as every other, and the leader more often than others.
pub(super) struct Plot {
    chance: Chance,
    /// The kinds of this round that are still to come.
    left: Vec<Kind>,
    kinds: Vec<Kind>,
}

impl Plot {
    pub(super) fn new(seed: u64, kinds: Vec<Kind>) -> Plot {
        Plot { chance: Chance::new(seed), left: Vec::new(), kinds }
    }

    /// The next scene, with at most so many faults.
    pub(super) fn next(&mut self, cluster: &Cluster, most: usize) -> Scene {
        let leader = cluster.leader();
        let first = self.fault(cluster, leader, None);
        let mut faults = vec![first];
        if most > 1 && self.chance.is_one_of_hundred(35) {
            faults.push(self.fault(cluster, leader, Some(first)));
        }
        let held = Duration::from_millis(self.chance.between(300, HELD_MS));
        Scene { faults, held }
    }

    /// A second one hits another node, and only one of both its clock: two wrong clocks of three are a majority.
    fn fault(&mut self, cluster: &Cluster, leader: Option<Number>, first: Option<Fault>) -> Fault {
        let kind = loop {
            if self.left.is_empty() {
                self.left = self.kinds.clone();
            }
            let at = self.chance.between(0, self.left.len() as u64) as usize;
            let kind = self.left.swap_remove(at);
            if !(first.is_some_and(|first| first.kind.is_of_clocks()) && kind.is_of_clocks()) {
                break kind;
            }
        };
        let all: Vec<Number> = cluster.numbers().collect();
        let able: Vec<Number> =
            all.iter().copied().filter(|number| first.is_none_or(|first| first.victim != *number)).collect();
        let victim = match leader.filter(|leader| able.contains(leader)) {
            Some(leader) if self.chance.is_one_of_hundred(35) => leader,
            _ => self.chance.pick(&able),
        };
        let others: Vec<Number> = all.iter().copied().filter(|number| *number != victim).collect();
        let measure = match kind {
            Kind::Loss => self.chance.between(5, 41) as i64,
            Kind::Delay => self.chance.between(20, 400) as i64,
            Kind::Skew => self.chance.pick(&[-200, -100, 100, 200]),
            Kind::Jump => self.chance.pick(&[-3_600_000, -90_000, -5_000, 5_000, 90_000, 3_600_000]),
            _ => 0,
        };
        Fault { kind, victim, other: self.chance.pick(&others), measure }
    }
}

impl Kind {
    fn is_of_clocks(self) -> bool {
        matches!(self, Kind::Skew | Kind::Jump)
    }
}

impl Scene {
    /// Lets it happen, and takes it back.
    pub(super) fn play(&self, cluster: &mut Cluster) {
        self.faults.iter().for_each(|fault| fault.begin(cluster));
        let over = clock::monotonic() + self.held;
        loop {
            cluster.revive();
            let left = over.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                break;
            }
            let slow: Vec<Number> = self
                .faults
                .iter()
                .filter(|fault| fault.kind == Kind::DiskSlow)
                .map(|fault| fault.victim)
                .collect();
            slow.iter().for_each(|number| cluster.host(*number).freeze_disk());
            // The length of a fault is the matter of the test, not a wait for something.
            std::thread::sleep(left.min(FROZEN));
            slow.iter().for_each(|number| cluster.host(*number).thaw_disk());
        }
        self.faults.iter().for_each(|fault| fault.end(cluster));
    }

    /// What happens, in words.
    pub(super) fn words(&self, cluster: &Cluster) -> String {
        let leader = cluster.leader();
        let of = |number: Number| {
            format!("{}{}", cluster.name(number), if leader == Some(number) { " (leads)" } else { "" })
        };
        let faults = self.faults.iter().map(|fault| {
            let to =
                if fault.kind == Kind::CutLink { format!(" to {}", of(fault.other)) } else { String::new() };
            let measure = if fault.measure == 0 { String::new() } else { format!(" {}", fault.measure) };
            format!("{:?}{measure} {}{to}", fault.kind, of(fault.victim))
        });
        let faults: Vec<String> = faults.collect();
        format!("{} for {} ms", faults.join(" and "), self.held.as_millis())
    }
}

impl Fault {
    fn begin(&self, cluster: &mut Cluster) {
        let number = self.victim;
        match self.kind {
            Kind::Kill => cluster.kill(number),
            Kind::Stop => cluster.signal(number, Signal::STOP),
            Kind::Restart => cluster.terminate(number),
            Kind::Move => {
                cluster.kill(number);
                cluster.change_address(number);
                cluster.start(number);
            }
            Kind::DiskFull => cluster.host(number).fill_disk(),
            Kind::DiskSlow => {}
            Kind::Skew | Kind::Jump => cluster.set_clock(number, self.measure),
            _ => self.weather(cluster, self.storm()),
        }
    }

    fn end(&self, cluster: &mut Cluster) {
        let number = self.victim;
        match self.kind {
            Kind::Kill | Kind::Restart => cluster.start(number),
            Kind::Stop => cluster.signal(number, Signal::CONT),
            Kind::Move | Kind::DiskSlow => {}
            Kind::DiskFull => cluster.host(number).free_disk(),
            Kind::Skew | Kind::Jump => cluster.set_clock(number, 0),
            _ => self.weather(cluster, Weather::default()),
        }
    }

    fn storm(&self) -> Weather {
        match self.kind {
            Kind::Loss => Weather { loss_percent: self.measure as u8, ..Weather::default() },
            Kind::Delay => {
                Weather { delay: Duration::from_millis(self.measure.unsigned_abs()), ..Weather::default() }
            }
            _ => Weather { cut: true, ..Weather::default() },
        }
    }

    fn weather(&self, cluster: &Cluster, weather: Weather) {
        let (hears, is_heard) = (self.kind != Kind::Deaf, self.kind != Kind::Mute);
        for other in cluster.numbers().filter(|other| *other != self.victim) {
            if self.kind == Kind::CutLink && other != self.other {
                continue;
            }
            if self.kind == Kind::Deaf || is_heard && hears {
                cluster.set_weather(other, self.victim, weather);
            }
            if self.kind == Kind::Mute || is_heard && hears {
                cluster.set_weather(self.victim, other, weather);
            }
        }
    }
}
