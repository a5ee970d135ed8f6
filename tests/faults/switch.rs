//! The wires of all hosts end here: every packet, of UDP as of TCP, goes through this switch, which may lose it,
//! hold it back or let it through in one direction only. The kernels on both sides do what they do in such weather.

use super::chance::Chance;
use dkron::clock;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tun_rs::{InterruptEvent, SyncDevice};

/// The longest packet.
const PACKET: usize = 2_048;
/// Packets held back at a time: what a slow wire holds; more are lost, as on a real one.
const HELD_MAX: usize = 10_000;

/// What a wire does to packets in one direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Weather {
    pub(super) cut: bool,
    pub(super) loss_percent: u8,
    pub(super) delay: Duration,
}

/// All wires.
pub(super) struct Switch {
    shared: Arc<Shared>,
    stop: Arc<InterruptEvent>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    ports: Vec<Arc<SyncDevice>>,
}

/// When it is due, its number, to which port it goes, and the packet.
type Held = (Instant, u64, usize, Vec<u8>);

struct State {
    /// The port of each address.
    places: BTreeMap<u8, usize>,
    /// From port to port; fine where there is no entry.
    weather: BTreeMap<(usize, usize), Weather>,
    held: BinaryHeap<Reverse<Held>>,
    count: u64,
    chance: Chance,
    stopped: bool,
}

impl Switch {
    /// Joins these wires; each address is the last part of a host's.
    pub(super) fn new(wires: Vec<(u8, Arc<SyncDevice>)>, seed: u64) -> io::Result<Switch> {
        let places = wires.iter().enumerate().map(|(port, (last, _))| (*last, port)).collect();
        let state = State {
            places,
            weather: BTreeMap::new(),
            held: BinaryHeap::new(),
            count: 0,
            chance: Chance::new(seed),
            stopped: false,
        };
        let ports: Vec<_> = wires.into_iter().map(|(_, wire)| wire).collect();
        let shared = Arc::new(Shared { state: Mutex::new(state), news: Condvar::new(), ports });
        let stop = Arc::new(InterruptEvent::new()?);
        let mut threads = Vec::new();
        for port in 0..shared.ports.len() {
            let (shared, stop) = (shared.clone(), stop.clone());
            threads.push(thread::spawn(move || shared.listen(port, &stop)));
        }
        let postman = shared.clone();
        threads.push(thread::spawn(move || postman.deliver()));
        Ok(Switch { shared, stop, threads })
    }

    /// From now on packets from one port to another meet this.
    pub(super) fn set(&self, from: usize, to: usize, weather: Weather) {
        self.shared.state().weather.insert((from, to), weather);
    }

    /// A host's address is another one now.
    pub(super) fn readdress(&self, old: u8, new: u8) {
        let mut state = self.shared.state();
        if let Some(port) = state.places.remove(&old) {
            state.places.insert(new, port);
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.news.notify_all();
        drop(self.stop.trigger());
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, port: usize, stop: &InterruptEvent) {
        let mut packet = [0; PACKET];
        while !self.state().stopped {
            match self.ports[port].recv_intr(&mut packet, stop) {
                Ok(length) => self.forward(port, &packet[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
                Err(error) => return eprintln!("the wire of port {port} broke: {error}"),
            }
        }
    }

    fn forward(&self, from: usize, packet: &[u8]) {
        // Version 4 only, where the receiver's address is the fifth word.
        if packet.len() < 20 || packet[0] >> 4 != 4 {
            return;
        }
        let mut state = self.state();
        let Some(to) = state.places.get(&packet[19]).copied() else { return };
        let weather = state.weather.get(&(from, to)).copied().unwrap_or_default();
        if weather.cut || state.chance.is_one_of_hundred(weather.loss_percent) {
            return;
        }
        if weather.delay.is_zero() {
            drop(state);
            // A full queue over there loses it, as on a real wire.
            drop(self.ports[to].send(packet));
        } else if state.held.len() < HELD_MAX {
            state.count += 1;
            let due = (clock::monotonic() + weather.delay, state.count, to, packet.to_vec());
            state.held.push(Reverse(due));
            self.news.notify_one();
        }
    }

    /// Lets go of what was held back, at its time.
    fn deliver(&self) {
        let mut state = self.state();
        while !state.stopped {
            let now = clock::monotonic();
            let wait = match state.held.peek() {
                Some(Reverse((due, ..))) if *due <= now => {
                    let Some(Reverse((_, _, to, packet))) = state.held.pop() else { continue };
                    drop(state);
                    drop(self.ports[to].send(&packet));
                    state = self.state();
                    continue;
                }
                Some(Reverse((due, ..))) => due.saturating_duration_since(now),
                None => Duration::from_secs(1),
            };
            state = self.news.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
