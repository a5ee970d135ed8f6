//! The connection to the daemon: whole messages in, bytes queued out, never a wait.

use dkron_wire::supervisor::{self, FromSupervisor, MESSAGE_BYTES_MAX, ToSupervisor};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// Beyond this many queued bytes output is not streamed: the result has it.
const STREAM_BYTES_MAX: usize = 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// A daemon.
pub(super) struct Peer {
    pub(super) stream: UnixStream,
    received: Vec<u8>,
    queued: Vec<u8>,
    written: usize,
}

impl Peer {
    pub(super) fn new(stream: UnixStream) -> Peer {
        Peer { stream, received: Vec::new(), queued: Vec::new(), written: 0 }
    }

    /// All whole messages that are there, and whether the daemon is still there.
    pub(super) fn read(&mut self) -> (Vec<ToSupervisor>, bool) {
        let mut chunk = [0; READ_BYTES];
        let mut messages = Vec::new();
        let open = loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => break false,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() == ErrorKind::WouldBlock,
            }
            if !self.unpack(&mut messages) {
                break false;
            }
        };
        (messages, open)
    }

    /// Takes out the whole messages; false after one that cannot be read.
    fn unpack(&mut self, messages: &mut Vec<ToSupervisor>) -> bool {
        let mut position = 0;
        while let Some(head) = self.received.get(position..position + 4) {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            if length > MESSAGE_BYTES_MAX {
                return false;
            }
            let Some(bytes) = self.received.get(position + 4..position + 4 + length) else { break };
            match supervisor::decode_to_supervisor(bytes) {
                Ok(message) => messages.push(message),
                Err(_) => return false,
            }
            position += 4 + length;
        }
        self.received.drain(..position);
        true
    }

    /// Queues a message.
    pub(super) fn send(&mut self, message: &FromSupervisor) {
        self.queued.extend(supervisor::encode_from_supervisor(message));
    }

    /// Whether there is room for what may be left out, or can be sent later.
    pub(super) fn has_room(&self) -> bool {
        self.queued.len() - self.written < STREAM_BYTES_MAX
    }

    /// Whether bytes wait for the socket.
    pub(super) fn is_waiting(&self) -> bool {
        self.written < self.queued.len()
    }

    /// Writes what the socket takes; false if the daemon is gone.
    pub(super) fn flush(&mut self) -> bool {
        while self.is_waiting() {
            match self.stream.write(&self.queued[self.written..]) {
                Ok(0) => return false,
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.queued.drain(..std::mem::take(&mut self.written));
                    return true;
                }
                Err(_) => return false,
            }
        }
        self.queued.clear();
        self.written = 0;
        true
    }
}
