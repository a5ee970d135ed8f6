//! The way of a message of the gossip library to the others: envelope, seal, datagram, and back.
//!
//! Below the library, so that it never sees a byte that is not of this pool: what is foreign, damaged,
//! repeated or of another cluster is dropped and counted here.

mod counts;
mod frame;
mod keyring_file;
mod keys;
mod link;
mod replay;

pub use counts::{Counts, Refusal};
pub(super) use keyring_file::{load, store};
pub(super) use keys::Keyring;
pub use keys::{Key, KeyId};
pub(super) use link::Link;

use super::allegiance::{Allegiance, Verdict};
use crate::clock;
use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use dkron_wire::gossip::{Envelope, decode_envelope, encode_envelope};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;

/// How long to wait after the system failed to receive: it may fail at once again, for ever.
const RECEIVE_PAUSE: Duration = Duration::from_millis(100);

/// What the library's task and ours share.
pub(super) struct Shared {
    pub(super) keyring: RwLock<Keyring>,
    allegiance: Mutex<Allegiance>,
    replay: Mutex<replay::Replay>,
    pub(super) counts: Arc<Counts>,
    /// Woken when what is known is of another cluster, and gossip has to start with nothing.
    pub(super) afresh: Notify,
}

impl Shared {
    pub(super) fn new(keyring: Keyring, allegiance: Allegiance) -> Shared {
        Shared {
            keyring: RwLock::new(keyring),
            allegiance: Mutex::new(allegiance),
            replay: Mutex::default(),
            counts: Arc::default(),
            afresh: Notify::new(),
        }
    }

    pub(super) fn allegiance(&self) -> MutexGuard<'_, Allegiance> {
        self.allegiance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the library's sockets, all on one link.
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Arc<Link>,
}

#[async_trait]
impl Transport for Door {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        let (shared, link) = (self.shared.clone(), self.link.clone());
        Ok(Box::new(SealedSocket { shared, link, salt, number: 0, buffer: vec![0; u16::MAX.into()] }))
    }
}

/// The library's socket: a new one has a new salt, so that its numbers may begin at 0.
struct SealedSocket {
    shared: Arc<Shared>,
    link: Arc<Link>,
    salt: [u8; 16],
    number: u64,
    buffer: Vec<u8>,
}

#[async_trait]
impl Socket for SealedSocket {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let now = clock::runtime();
        let claims = self.shared.allegiance().claims(now);
        let envelope = Envelope { claims, message: message.serialize_to_vec().into() };
        self.number += 1;
        let sealed = {
            let ring = self.shared.keyring.read().unwrap_or_else(PoisonError::into_inner);
            frame::seal(ring.first(), &self.salt, self.number, &encode_envelope(&envelope))
        };
        let Some(datagram) = sealed else {
            self.shared.counts.refuse(Refusal::TooLarge, to, now);
            return Ok(());
        };
        // The library would warn of each; a server that is away is what gossip is there to find out.
        if let Err(error) = self.link.send(&datagram, to).await {
            tracing::debug!(%to, %error, "cannot send gossip");
        }
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            let (length, from) = match self.link.receive(&mut self.buffer).await {
                Ok(received) => received,
                Err(error) => {
                    tracing::warn!(%error, "cannot receive gossip");
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                    continue;
                }
            };
            match self.read(length) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    self.shared.counts.take();
                    return Ok((from, message));
                }
                Err(refusal) => self.shared.counts.refuse(refusal, from, clock::runtime()),
            }
        }
    }
}

impl SealedSocket {
    /// The message in the buffer; none if it is an own one.
    fn read(&mut self, length: usize) -> Result<Option<ChitchatMessage>, Refusal> {
        let opened = {
            let ring = self.shared.keyring.read().unwrap_or_else(PoisonError::into_inner);
            frame::open(&ring, &mut self.buffer[..length])?
        };
        if opened.salt == self.salt {
            return Ok(None);
        }
        let mut replay = self.shared.replay.lock().unwrap_or_else(PoisonError::into_inner);
        if !replay.is_new(opened.salt, opened.number) {
            return Err(Refusal::Replayed);
        }
        drop(replay);
        let envelope = decode_envelope(opened.body).map_err(|_| Refusal::Unreadable)?;
        let message =
            ChitchatMessage::deserialize(&mut &envelope.message[..]).map_err(|_| Refusal::Unreadable)?;
        match self.shared.allegiance().hear(&envelope.claims, clock::runtime()) {
            Verdict::Welcome => Ok(Some(message)),
            Verdict::Foreign => Err(Refusal::ForeignCluster),
            Verdict::Afresh => {
                self.shared.afresh.notify_one();
                Ok(None)
            }
        }
    }
}
