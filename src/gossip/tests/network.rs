//! A network in memory that loses datagrams as a seed says, without a clock of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Datagrams that may wait at a port, as a socket's buffer is bounded.
const WAITING: usize = 1_024;

type Datagram = (Vec<u8>, SocketAddr);

struct Wires {
    ports: BTreeMap<SocketAddr, mpsc::Sender<Datagram>>,
    random: u64,
    lost_in_hundred: u64,
}

/// All wires.
#[derive(Clone)]
pub(in crate::gossip) struct Network(Arc<Mutex<Wires>>);

/// One server's end.
pub(in crate::gossip) struct Port {
    own: SocketAddr,
    network: Network,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Datagram>>,
}

impl Network {
    pub(in crate::gossip) fn new(seed: u64, lost_in_hundred: u64) -> Network {
        Network(Arc::new(Mutex::new(Wires { ports: BTreeMap::new(), random: seed, lost_in_hundred })))
    }

    /// From now on it loses so many.
    pub(in crate::gossip) fn lose(&self, lost_in_hundred: u64) {
        self.0.lock().expect("no test panics in here").lost_in_hundred = lost_in_hundred;
    }

    /// A port at this address; an earlier one there is cut off.
    pub(in crate::gossip) fn port(&self, own: SocketAddr) -> Port {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.0.lock().expect("no test panics in here").ports.insert(own, sender);
        Port { own, network: self.clone(), waiting: tokio::sync::Mutex::new(receiver) }
    }
}

impl Port {
    pub(in crate::gossip) fn send(&self, bytes: &[u8], to: SocketAddr) {
        let mut wires = self.network.0.lock().expect("no test panics in here");
        // Knuth's linear congruential generator.
        wires.random =
            wires.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if (wires.random >> 33) % 100 < wires.lost_in_hundred {
            return;
        }
        if let Some(port) = wires.ports.get(&to) {
            let _ = port.try_send((bytes.to_vec(), self.own));
        }
    }

    pub(in crate::gossip) async fn receive(&self, buffer: &mut [u8]) -> (usize, SocketAddr) {
        match self.waiting.lock().await.recv().await {
            None => std::future::pending().await,
            Some((bytes, from)) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                (bytes.len(), from)
            }
        }
    }
}
