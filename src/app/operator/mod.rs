//! What operators ask: who votes and leads, how well the servers do, which nodes get work.
//!
//! Any server takes a request. What only the leader can do goes to it by itself (`passing`), and is done there
//! (`leading`).

mod leading;
mod leave;
mod nodes;
mod passing;

use super::{App, Error, Kind};
use crate::config::nearest;
use dkron_core::ids::NodeId;
use dkron_core::roster::Roster;
use dkron_core::state::State;
use dkron_core::voters::{self, Health, Peer, Wish};
use dkron_wire::operator::{Done, Task};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a change of the members is waited for: several elections, and what a server needs to be stable.
const CHANGE_PATIENCE: Duration = Duration::from_secs(15);
/// How often the leader is asked whether a change is made.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl App {
    /// The members of the log's group as this server knows them, also without a leader.
    pub async fn peers(&self) -> Result<Vec<Peer>, Error> {
        let view = self.view().await?;
        let (membership, roster) = (self.raft.members().borrow().clone(), self.roster());
        Ok(voters::peers(&membership, &roster, &wishes(&view.state)))
    }

    /// How well the servers are, as the leader knows, by this machine's steady clock.
    pub async fn servers_health(&self) -> Result<Health, Error> {
        match self.operate(Task::Health).await? {
            Done::Health(health) => Ok(health),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes a member, by its id or name, takes its vote or gives it one; back when that is done. What is
    /// refused changes nothing.
    pub async fn change_peer(&self, peer: &str, wish: Wish) -> Result<Peer, Error> {
        let target = match self.operate(Task::ChangePeer(peer.to_owned(), wish)).await? {
            Done::Peer(target) => target,
            other => return Err(unexpected(&other)),
        };
        self.fulfilled(&target, wish).await?;
        Ok(target)
    }

    /// Hands the leadership over, to a member by its id or name, or to whoever is nearest; who leads then.
    pub async fn transfer(&self, to: Option<String>) -> Result<Peer, Error> {
        match self.operate(Task::Transfer(to)).await? {
            Done::Peer(leader) => Ok(leader),
            other => Err(unexpected(&other)),
        }
    }

    /// The servers that are seen.
    pub fn roster(&self) -> Arc<Roster> {
        self.way.roster.borrow().clone()
    }

    /// Waits until the leader has made the change.
    async fn fulfilled(&self, target: &Peer, wish: Wish) -> Result<(), Error> {
        let looks = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                let health = self.servers_health().await;
                if health.is_ok_and(|health| is_fulfilled(&health, target.id, wish)) {
                    return;
                }
            }
        };
        tokio::time::timeout(CHANGE_PATIENCE, looks).await.map_err(|_| {
            let message = format!(
                "the wish to {wish} server {:?} is stored, but not carried out within {} s: it stands, and is \
                 carried out as soon as the servers allow it",
                target.name,
                CHANGE_PATIENCE.as_secs()
            );
            Error::new(Kind::Unknown, message)
        })
    }
}

fn is_fulfilled(health: &Health, id: NodeId, wish: Wish) -> bool {
    let found = health.servers.iter().find(|server| server.peer.id == id);
    match wish {
        Wish::Remove => found.is_none(),
        Wish::Demote => found.is_some_and(|server| !server.peer.voter),
        Wish::Promote => found.is_some_and(|server| server.peer.voter),
    }
}

fn wishes(state: &State) -> BTreeMap<NodeId, Wish> {
    state.wishes().map(|(server, wished)| (server, wished.wish)).collect()
}

fn unexpected(done: &Done) -> Error {
    Error::new(Kind::Internal, format!("the leader answered another question: {done:?}"))
}

/// The end of an error about an unknown name.
fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

/// An id as people write it: 32 hexadecimal digits, with or without dashes.
fn read_id(text: &str) -> Option<NodeId> {
    NodeId::parse(&text.replace('-', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_with_and_without_dashes_and_names_are_none() {
        let id = NodeId(0x3c1f_0000_0000_0000_0000_0000_0000_0001);
        assert_eq!(read_id(&id.to_string()), Some(id));
        assert_eq!(read_id("3c1f0000-0000-0000-0000-000000000001"), Some(id));
        assert_eq!(read_id("node1"), None);
        assert_eq!(hint("nod2", ["node1", "node2"].into_iter()), "; did you mean \"node2\"?");
    }
}
