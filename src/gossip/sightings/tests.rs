//! Processes come, fall silent, leave and return; the roster says what that means.

use super::*;
use std::slice;

const SECOND: Duration = Duration::from_secs(1);
const TIMES: Times = Times {
    silence: SECOND.saturating_mul(3),
    stale: SECOND,
    certain: SECOND.saturating_mul(2),
    reap: SECOND.saturating_mul(100),
};
const OWN: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

fn process(id: NodeId, generation: u64) -> Heard {
    let about = Announcement {
        id,
        process: generation,
        name: format!("{generation}").into(),
        ..Announcement::default()
    };
    Heard {
        id,
        generation,
        address: ([127, 0, 0, 1], 1_000 + generation as u16).into(),
        heartbeat: 1,
        live: true,
        state: State::Settled,
        about: about.into(),
    }
}

struct Watched {
    sightings: Sightings,
    now: Instant,
    beats: u64,
}

impl Watched {
    fn new() -> Watched {
        Watched { sightings: Sightings::new(OWN, TIMES), now: crate::clock::runtime(), beats: 1 }
    }

    /// A second later these are heard of; the living ones have moved on.
    fn hear(&mut self, processes: &[Heard]) -> Option<(Liveness, String)> {
        self.now += SECOND;
        self.beats += 1;
        let beat = |process: &Heard| match process.live {
            true => Heard { heartbeat: self.beats, ..process.clone() },
            false => process.clone(),
        };
        let processes: Vec<Heard> = processes.iter().map(beat).collect();
        self.sightings.observe(&processes, self.now);
        let roster = self.sightings.roster(&Arc::default(), State::Settled);
        roster.servers.get(&OTHER).map(|seen| (seen.liveness, seen.server.name.to_string()))
    }
}

fn dead(process: Heard) -> Heard {
    Heard { live: false, ..process }
}

fn left(process: Heard) -> Heard {
    Heard { state: State::Left, ..process }
}

fn alive(name: &str) -> Option<(Liveness, String)> {
    Some((Liveness::Alive, name.to_owned()))
}

fn failed(name: &str) -> Option<(Liveness, String)> {
    Some((Liveness::Failed, name.to_owned()))
}

#[test]
fn a_silent_server_is_failed_and_alive_again_when_it_returns_at_another_address() {
    let mut watched = Watched::new();
    let first = process(OTHER, 1);
    assert_eq!(watched.hear(slice::from_ref(&first)), alive("1"));
    assert_eq!(watched.hear(&[dead(first.clone())]), failed("1"));
    assert_eq!(watched.hear(&[dead(first.clone()), dead(process(OTHER, 2))]), failed("2"));
    assert_eq!(watched.hear(&[dead(first.clone()), process(OTHER, 2)]), alive("2"));
    let at: Vec<SocketAddr> = watched.sightings.addresses(Liveness::Alive).collect();
    assert_eq!(at, [process(OTHER, 2).address]);
    assert_eq!(watched.hear(&[first]), alive("1"));
}

#[test]
fn a_server_that_left_stays_left_when_it_falls_silent_and_returns_alive() {
    let mut watched = Watched::new();
    let gone = Some((Liveness::Left, "1".to_owned()));
    assert_eq!(watched.hear(&[process(OTHER, 1)]), alive("1"));
    assert_eq!(watched.hear(&[left(process(OTHER, 1))]), gone);
    assert_eq!(watched.hear(&[left(dead(process(OTHER, 1)))]), gone);
    for _ in 0..20 {
        assert_eq!(watched.hear(&[]), gone);
    }
    assert_eq!(watched.hear(&[left(dead(process(OTHER, 1))), process(OTHER, 2)]), alive("2"));
    let both = [left(dead(process(OTHER, 1))), dead(process(OTHER, 2))];
    assert_eq!(watched.hear(&both), failed("2"));
}

#[test]
fn a_server_of_which_only_old_news_come_is_not_shown_before_it_had_time_to_speak() {
    let mut watched = Watched::new();
    for _ in 0..3 {
        assert_eq!(watched.hear(&[dead(process(OTHER, 1))]), None);
    }
    assert_eq!(watched.hear(&[dead(process(OTHER, 1))]), failed("1"));
    let mut watched = Watched::new();
    let gone = Some((Liveness::Left, "1".to_owned()));
    assert_eq!(watched.hear(&[left(dead(process(OTHER, 1)))]), gone);
}

#[test]
fn a_server_that_restarts_in_a_loop_without_ever_speaking_is_failed() {
    let mut watched = Watched::new();
    assert_eq!(watched.hear(&[process(OTHER, 1)]), alive("1"));
    let mut starts = vec![dead(process(OTHER, 1))];
    let mut last = None;
    for start in 2..6 {
        starts.push(dead(process(OTHER, start)));
        last = watched.hear(&starts);
    }
    assert_eq!(last, failed("5"));
}

#[test]
fn of_two_processes_the_moving_one_counts_then_the_settled_one() {
    let mut watched = Watched::new();
    let (old, new) = (process(OTHER, 1), Heard { state: State::Starting, ..process(OTHER, 2) });
    watched.hear(&[old.clone(), new.clone()]);
    assert_eq!(watched.hear(&[old.clone(), new.clone()]), alive("1"));
    // The detector still trusts the old one, whose heartbeat stands.
    watched.now += SECOND;
    let standing = Heard { heartbeat: 1, ..old };
    let moving = Heard { heartbeat: 99, ..new };
    watched.sightings.observe(&[standing, moving], watched.now);
    let roster = watched.sightings.roster(&Arc::default(), State::Settled);
    assert_eq!(roster.server(OTHER).map(|server| &*server.name), Some("2"));
}

#[test]
fn the_dead_are_reaped_and_the_living_are_not_lost_when_the_library_starts_anew() {
    let mut watched = Watched::new();
    assert_eq!(watched.hear(&[process(OTHER, 1)]), alive("1"));
    for _ in 0..5 {
        assert_eq!(watched.hear(&[]), alive("1"));
    }
    assert_eq!(watched.hear(&[]), failed("1"));
    for _ in 0..99 {
        assert_eq!(watched.hear(&[]), failed("1"));
    }
    assert_eq!(watched.hear(&[]), None);
}

#[test]
fn the_own_id_is_never_taken_from_others_and_a_twin_is_told_apart_by_its_process() {
    let mut watched = Watched::new();
    let twins = [process(OWN, 7), process(OWN, 8), left(process(OWN, 9))];
    watched.hear(&twins);
    let roster = watched.sightings.roster(&process(OWN, 8).about, State::Settled);
    assert_eq!(roster.server(OWN).map(|server| server.process), Some(8));
    let found = watched.sightings.twins(&twins, 8);
    assert_eq!(found.iter().map(|twin| twin.rank.1).collect::<Vec<_>>(), [7]);
}

#[test]
fn the_memory_is_bounded() {
    let mut watched = Watched::new();
    let many: Vec<Heard> = (10..10 + KNOWN_MAX as u128 + 5).map(|id| process(NodeId(id), 1)).collect();
    watched.hear(&many);
    assert_eq!(watched.sightings.known.len(), KNOWN_MAX);
}
