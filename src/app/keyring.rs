//! The keys of gossip, on all servers: a rotation is three of these calls, and none of them silences a server that
//! answers.

use super::{Error, Kind};
use crate::gossip::{self, Gossip, Key, KeyId};
use crate::net::{Channels, Dialer};
use dkron_core::ids::NodeId;
use dkron_core::node::Liveness;
use dkron_core::roster::{Announcement, Roster};
use dkron_wire::keyring::service::{HereReply, KeyringClient};
use dkron_wire::keyring::{Change, Ring, here_to_wire};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long one server may take: its disk has the change before it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The use cases. Cheap to clone; there from a server's first moment on.
#[derive(Clone)]
pub struct Keyring {
    gossip: Gossip,
    own: NodeId,
    roster: watch::Receiver<Arc<Roster>>,
    channels: Channels,
}

impl Keyring {
    /// The use cases over gossip.
    pub fn new(gossip: Gossip, dialer: Dialer) -> Keyring {
        let roster = gossip.roster();
        let own = roster.borrow().own;
        Keyring { gossip, own, roster, channels: Channels::new(dialer) }
    }

    /// Whose the use cases are.
    pub fn server(&self) -> NodeId {
        self.own
    }

    /// Changes the keys of this server, on its disk; the names of those that it has then. What is done already is
    /// no error, so that a change that reached some servers only can be repeated.
    pub async fn here(&self, change: &Change) -> Result<Vec<KeyId>, gossip::Error> {
        let known = |key: KeyId| self.gossip.key_ids().contains(&key);
        match change {
            Change::List => {}
            Change::Install(key) => self.gossip.install_key(Key::parse(key)?).await?,
            Change::Use(key) => self.gossip.use_key(KeyId(*key)).await?,
            Change::Remove(key) if known(KeyId(*key)) => self.gossip.remove_key(KeyId(*key)).await?,
            Change::Remove(_) if self.gossip.key_ids().is_empty() => return Err(gossip::Error::NotEncrypted),
            Change::Remove(_) => {}
        }
        Ok(self.gossip.key_ids())
    }

    /// The same on all servers that have not left, in order of their names. One that is silent is among them.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if the change would part the servers that answer; then nothing is changed.
    pub async fn everywhere(&self, change: &Change) -> Result<Vec<Ring>, Error> {
        if let Change::Install(key) = change {
            Key::parse(key).map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        }
        if matches!(change, Change::Use(_) | Change::Remove(_)) {
            check(change, &self.ask_all(&Change::List).await)?;
        }
        Ok(self.ask_all(change).await)
    }

    async fn ask_all(&self, change: &Change) -> Vec<Ring> {
        let roster = self.roster.borrow().clone();
        let there = roster.servers.values().filter(|sighting| sighting.liveness != Liveness::Left);
        let mut rings = join_all(there.map(|sighting| self.ask(&sighting.server, change))).await;
        rings.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        rings
    }

    async fn ask(&self, server: &Announcement, change: &Change) -> Ring {
        let (id, name, address) = (server.id, server.name.clone(), server.calls.clone());
        let silent = |problem| Ring {
            id,
            name: name.clone(),
            address: address.clone(),
            keys: Vec::new(),
            problem,
            answered: false,
        };
        let HereReply { keys, problem } = match self.reply(server, change).await {
            Ok(reply) => reply,
            Err(problem) => return silent(Some(problem)),
        };
        let problem = Some(problem).filter(|problem| !problem.is_empty());
        Ring { keys, problem, answered: true, ..silent(None) }
    }

    async fn reply(&self, server: &Announcement, change: &Change) -> Result<HereReply, String> {
        if server.id == self.own {
            return Ok(self.answer(change).await);
        }
        let channel = self.channels.get(&server.calls).map_err(|error| error.to_string())?;
        let mut client = KeyringClient::new(channel);
        let asking = client.here(here_to_wire(server.id, change));
        match tokio::time::timeout(ANSWER_WITHIN, asking).await {
            Ok(Ok(reply)) => Ok(reply.into_inner()),
            Ok(Err(status)) => Err(format!("it did not answer: {}", status.message())),
            Err(_) => Err(format!("it did not answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    /// What this server answers to another one.
    pub async fn answer(&self, change: &Change) -> HereReply {
        let names = |keys: Vec<KeyId>| keys.into_iter().map(|key| key.0).collect();
        match self.here(change).await {
            Ok(keys) => HereReply { keys: names(keys), problem: String::new() },
            Err(error) => HereReply { keys: names(self.gossip.key_ids()), problem: error.to_string() },
        }
    }
}

/// Whether a change leaves all servers that answer able to read one another.
fn check(change: &Change, rings: &[Ring]) -> Result<(), Error> {
    let offends = |ring: &&Ring| match change {
        Change::Use(key) => ring.answered && !ring.keys.contains(key),
        Change::Remove(key) => ring.answered && ring.keys.first() == Some(key),
        Change::List | Change::Install(_) => false,
    };
    let names: Vec<&str> = rings.iter().filter(offends).map(|ring| &*ring.name).collect();
    let names = names.join(", ");
    match change {
        _ if names.is_empty() => Ok(()),
        Change::Use(key) => Err(Error::new(
            Kind::Conflict,
            format!("key {key:08x} is not on {names}: install it first; nothing is changed"),
        )),
        Change::Remove(key) => Err(Error::new(
            Kind::Conflict,
            format!("key {key:08x} encrypts on {names}: use another one first; nothing is changed"),
        )),
        Change::List | Change::Install(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(name: &str, keys: &[u32], answered: bool) -> Ring {
        let (name, keys) = (name.into(), keys.to_vec());
        Ring { id: NodeId(1), name, address: "".into(), keys, problem: None, answered }
    }

    #[test]
    fn no_change_parts_servers_that_answer() {
        let rings = [ring("one", &[1, 2], true), ring("two", &[1], true), ring("three", &[], false)];
        let refused = |change| check(&change, &rings).err().map(|error| error.to_string());
        let missing = refused(Change::Use(2)).expect("two has it not");
        assert!(missing.contains("is not on two:"), "{missing}");
        assert_eq!(refused(Change::Use(1)), None, "who is silent does not hold it up");
        let used = refused(Change::Remove(1)).expect("it encrypts");
        assert!(used.contains("encrypts on one, two:"), "{used}");
        assert_eq!(refused(Change::Remove(2)), None);
    }
}
