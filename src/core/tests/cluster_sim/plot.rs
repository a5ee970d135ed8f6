//! What a run is about: how many servers there are, what each expects, and what is rare enough to be chosen.

use crate::chance::Chance;
use crate::disk::{Disk, Log, Machine};
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_core::time::Span;
use dkron_core::voters::Settings;

/// The kinds of runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// As many servers as are expected.
    Exact,
    /// More than that, some of which expect nothing.
    Surplus,
    /// One was formed alone and stopped; then all are started to expect three.
    Manual,
    /// One server expects another number until a person mends it.
    Differing,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) kind: Kind,
    pub(crate) machines: Vec<Machine>,
    pub(crate) settings: Settings,
    /// How many disks may be lost, so that no two whole sets of servers can ever wait.
    pub(crate) losses: usize,
    /// When faults end, in milliseconds.
    pub(crate) heal: i64,
    /// How many entries a server can catch up with in a round.
    pub(crate) speed: u64,
    /// How often of a thousand times an initialiser is gone once it has initialised.
    pub(crate) vanishing: u64,
}

impl Plot {
    pub(crate) fn new(chance: &mut Chance) -> Plot {
        let kind = *chance.pick(&[Kind::Exact, Kind::Exact, Kind::Surplus, Kind::Manual, Kind::Differing]);
        let expect: u32 = match kind {
            Kind::Exact => *chance.pick(&[1, 2, 3, 3, 3, 5]),
            Kind::Surplus => *chance.pick(&[2, 3, 3, 4]),
            Kind::Manual | Kind::Differing => 3,
        };
        let most = 2 * expect as usize - 1;
        let count = match kind {
            Kind::Surplus => chance.between(i64::from(expect) + 1, most as i64) as usize,
            _ => expect as usize,
        };
        let mut machines: Vec<Machine> = (0..count).map(|place| machine(place, expect, chance)).collect();
        match kind {
            Kind::Surplus if chance.per_mille(500) => machines[0].meant = 0,
            Kind::Differing => machines[chance.below(3) as usize].expect = *chance.pick(&[2, 5, 7]),
            Kind::Manual => machines[0].disk.log = Some(formed(chance)),
            _ => {}
        }
        if count as u32 > expect {
            machines.iter_mut().filter(|machine| machine.meant == 0).for_each(|machine| machine.expect = 0);
        }
        let settings = Settings {
            min_quorum: chance.between(1, 3) as usize,
            dead_after: Span::from_seconds(20),
            lag_max: 100,
            voters_max: *chance.pick(&[7, 7, 3, 5]),
            ..Settings::default()
        };
        Plot {
            kind,
            losses: (most - count).min(2),
            heal: chance.between(45_000, 100_000),
            speed: chance.between(20, 400) as u64,
            vanishing: *chance.pick(&[50, 50, 50, 700]),
            machines,
            settings,
        }
    }
}

fn machine(place: usize, expect: u32, chance: &mut Chance) -> Machine {
    Machine {
        name: format!("s{place}"),
        address: format!("10.0.0.{place}:6868"),
        disk: Disk { id: NodeId(chance.wide()), ..Disk::default() },
        expect,
        meant: expect,
        ..Machine::default()
    }
}

fn formed(chance: &mut Chance) -> Log {
    let stamp = Stamp { cluster: ClusterId(chance.wide()), incarnation: Incarnation(1) };
    Log { stamp, index: 50, founded: true }
}
