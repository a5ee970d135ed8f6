//! Somebody on the way: passes every byte between nodes on and keeps it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// All that went by. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Relay(Arc<Mutex<Vec<u8>>>);

impl Relay {
    /// Stands at a port of an address and passes on to another one, as long as the test process lives.
    pub(super) fn stand(&self, address: Ipv4Addr, from: u16, to: u16) {
        let listener = TcpListener::bind((address, from)).expect("a free port");
        let relay = self.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let relay = relay.clone();
                thread::spawn(move || relay.pass((address, to).into(), &near));
            }
        });
    }

    fn pass(&self, to: SocketAddr, near: &TcpStream) -> Option<()> {
        let far = TcpStream::connect(to).ok()?;
        far.set_nodelay(true).ok()?;
        near.set_nodelay(true).ok()?;
        let (relay, one, other) = (self.clone(), near.try_clone().ok()?, far.try_clone().ok()?);
        let back = thread::spawn(move || relay.carry(&other, &one));
        self.carry(near, &far);
        back.join().ok()
    }

    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            self.0.lock().expect("nobody panics with it").extend_from_slice(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// How much went by.
    pub(super) fn bytes(&self) -> usize {
        self.0.lock().expect("nobody panics with it").len()
    }

    /// Whether these words went by, as they are.
    pub(super) fn has_seen(&self, words: &str) -> bool {
        let seen = self.0.lock().expect("nobody panics with it");
        seen.windows(words.len()).any(|window| window == words.as_bytes())
    }
}
