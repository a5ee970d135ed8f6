//! Liveness of servers: which there are, what each says of itself, and whether it lives.
//!
//! - Does: talks with the other servers over UDP, encrypted if there are keys; publishes a `Roster` when it
//!   changes; tells the others when this server goes; finds a second living server with the same id.
//! - Owns: the UDP socket of gossip, the keyring and its file, the task of the gossip library (chitchat).
//! - Never: decides anything; acts on a death; sees an agent; opens a connection; lets two clusters mix.
//! - Fails: at the start, naming what is wrong. Later what cannot be read is dropped and counted; a library that
//!   ends is started anew.
//!
//! Reading order: `entries` (what is said), `sealed` (how it travels), `allegiance` (with whom), `sightings`
//! (what it means), `standing` (whether the own process may stay), `pool` (the task), `profile` (how fast).

mod allegiance;
mod entries;
mod error;
mod pool;
mod profile;
mod sealed;
mod seeds;
mod sightings;
mod standing;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use profile::Profile;
pub use sealed::{Counts, Key, KeyId, Refusal};
pub use standing::Standing;

use crate::net;
use crate::task::{CancellationToken, blocking, spawn};
use allegiance::Allegiance;
use dkron_core::roster::{Announcement, Roster};
use pool::{Command, Pool, Setup};
use sealed::{Keyring, Link, Shared};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Announcements and farewells that may wait.
const COMMANDS: usize = 16;
/// How long a server that is gone stays in the roster, unless told otherwise.
pub const REAP: Duration = Duration::from_secs(24 * 3_600);

type Announce = Box<dyn FnOnce(&mut Announcement) + Send>;

/// What the room is started with.
pub struct Options {
    /// What this server says of itself; the room fills in where its gossip is reached.
    pub own: Announcement,
    /// Where to take datagrams.
    pub bind: SocketAddr,
    /// Where the others reach it, `host:port`; empty for the address bound, port 0 for its port.
    pub advertise: String,
    /// The keys, the first of which encrypts; none for plain gossip.
    pub keys: Vec<Key>,
    /// Where the keyring is kept; one that is there wins over `keys`.
    pub keyring: Option<PathBuf>,
    /// The network's kind.
    pub profile: Profile,
    /// How long a server that is gone stays in the roster.
    pub reap: Duration,
    /// Where other servers may be, `host:port` each; names are resolved again and again.
    pub seeds: watch::Receiver<Arc<[String]>>,
    /// Ends the room, without a farewell.
    pub cancel: CancellationToken,
}

/// The room's handle.
#[derive(Clone)]
pub struct Gossip {
    inner: Arc<Inner>,
}

struct Inner {
    commands: mpsc::Sender<Command>,
    roster: watch::Receiver<Arc<Roster>>,
    standing: watch::Receiver<Standing>,
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Held while the keys change, so that file and memory change in one order.
    keyring: Arc<tokio::sync::Mutex<Option<PathBuf>>>,
    cancel: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Starts the room.
pub async fn start(options: Options) -> Result<Gossip, Error> {
    let socket = net::bind_datagrams(options.bind, "gossip").await?;
    let bound = socket.local_addr().map_err(|source| net::Error::Listen {
        address: options.bind,
        purpose: "gossip",
        source,
    })?;
    start_on(Link::Udp(socket), bound, options).await
}

async fn start_on(link: Link, bound: SocketAddr, mut options: Options) -> Result<Gossip, Error> {
    let (text, address) = advertised(&options.advertise, bound).await?;
    options.own.gossip = text.into();
    let (keys, path) = (options.keys, options.keyring.clone());
    let opening = blocking("gossip keyring", move || open_keyring(keys, path));
    let keyring = opening.await.map_err(|_| Error::Stopped)??;
    let shared = Arc::new(Shared::new(keyring, Allegiance::new(options.profile.lapse())));
    let (addresses_sender, addresses) = watch::channel(None);
    let setup = Setup {
        own: options.own,
        address,
        profile: options.profile,
        reap: options.reap,
        shared: shared.clone(),
        link: Arc::new(link),
        addresses,
    };
    let pool = Pool::start(setup).await?;
    let (roster, standing) = (pool.roster(), pool.standing());
    let (commands, queue) = mpsc::channel(COMMANDS);
    let cancel = options.cancel.child_token();
    let tasks = vec![
        spawn("gossip", pool.run(queue, cancel.clone())),
        spawn("gossip seeds", seeds::resolve(options.seeds, addresses_sender, cancel.clone())),
    ];
    let keyring = Arc::new(tokio::sync::Mutex::new(options.keyring));
    let tasks = Mutex::new(tasks);
    let inner = Inner { commands, roster, standing, shared, address, keyring, cancel, tasks };
    Ok(Gossip { inner: Arc::new(inner) })
}

/// The advertised address as the others see it, and resolved.
async fn advertised(advertise: &str, bound: SocketAddr) -> Result<(String, SocketAddr), Error> {
    let wrong = |problem| Error::Advertise { address: advertise.to_owned(), problem };
    let text = match advertise.strip_suffix(":0") {
        _ if advertise.is_empty() => bound.to_string(),
        Some(host) => format!("{host}:{}", bound.port()),
        None => advertise.to_owned(),
    };
    let found = net::resolve(&text).await?;
    let fitting = found.iter().find(|address| address.is_ipv4() == bound.is_ipv4());
    let address = *fitting.or(found.first()).ok_or(wrong("it has no address"))?;
    if address.ip().is_unspecified() {
        return Err(wrong("nobody can reach it: set `advertise-addr` to an address of this machine"));
    }
    Ok((text, address))
}

/// The ring on disk, else the given keys, which are then put there.
fn open_keyring(keys: Vec<Key>, path: Option<PathBuf>) -> Result<Keyring, Error> {
    let given = Keyring::new(keys)?;
    let Some(path) = path else { return Ok(given) };
    match sealed::load(&path)? {
        Some(ring) => {
            for id in given.ids().into_iter().filter(|id| !ring.ids().contains(id)) {
                tracing::warn!(key = %id, path = %path.display(), "a given key is not in the keyring, which counts");
            }
            Ok(ring)
        }
        None if given.is_empty() => Ok(given),
        None => {
            sealed::store(&path, &given)?;
            Ok(given)
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Gossip {
    /// All servers of all regions, the own one included; a new value for each change.
    pub fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.inner.roster.clone()
    }

    /// Whether this process may be the one of its id.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.inner.standing.clone()
    }

    /// Waits until it is known that no other living process has this server's id; an error if one has, and
    /// came first. Takes two seconds at most on a LAN, none if no seed is given.
    pub async fn settled(&self) -> Result<(), Error> {
        let mut standing = self.standing();
        let known = standing.wait_for(|standing| *standing != Standing::Unknown).await;
        match &*known.map_err(|_| Error::Stopped)? {
            Standing::Second(other) => Err(Error::SecondOfOneId {
                id: other.id,
                name: other.name.clone(),
                address: other.gossip.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Where the others reach this server's gossip.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// What was taken in and what was dropped.
    pub fn counts(&self) -> Arc<Counts> {
        self.inner.shared.counts.clone()
    }

    /// Changes what this server says of itself. Id, process, region and gossip address stay as they are.
    pub async fn announce(
        &self,
        change: impl FnOnce(&mut Announcement) + Send + 'static,
    ) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Announce(Box::new(change), answer)).await?;
        answered.await.map_err(|_| Error::Stopped)?
    }

    /// Tells the others that this server goes for good; they know when this is back.
    pub async fn leave(&self) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Leave(answer)).await?;
        answered.await.map_err(|_| Error::Stopped)
    }

    async fn ask(&self, command: Command) -> Result<(), Error> {
        self.inner.commands.send(command).await.map_err(|_| Error::Stopped)
    }

    /// The ids of the keys, the one that encrypts first; none if gossip is plain.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.inner.shared.keyring.read().unwrap_or_else(PoisonError::into_inner).ids()
    }

    /// Takes in a key that decrypts from now on; one that is there already is no error.
    pub async fn install_key(&self, key: Key) -> Result<(), Error> {
        self.change_keys(move |ring| ring.install(key)).await
    }

    /// Encrypts with this key from now on. Install it on every server before it is used on one.
    pub async fn use_key(&self, id: KeyId) -> Result<(), Error> {
        self.change_keys(move |ring| ring.choose(id)).await
    }

    /// Forgets a key. Use another one on every server before it is removed on one.
    pub async fn remove_key(&self, id: KeyId) -> Result<(), Error> {
        self.change_keys(move |ring| ring.remove(id)).await
    }

    /// The disk has the change before the server acts on it. Goes to its end even if nobody waits for it.
    async fn change_keys(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let path = self.inner.keyring.clone().lock_owned().await;
        let shared = self.inner.shared.clone();
        let changing = blocking("gossip keyring", move || {
            let mut ring = shared.keyring.read().unwrap_or_else(PoisonError::into_inner).clone();
            change(&mut ring)?;
            path.as_ref().map_or(Ok(()), |path| sealed::store(path, &ring))?;
            *shared.keyring.write().unwrap_or_else(PoisonError::into_inner) = ring;
            drop(path);
            Ok(())
        });
        changing.await.map_err(|_| Error::Stopped)?
    }

    /// Ends the room. Without a farewell: to the others this server falls silent.
    pub async fn stop(&self) {
        self.inner.cancel.cancel();
        let tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of gossip did not end well");
            }
        }
    }
}
