//! What the leader does for operators: it knows who lives, so it says what can be granted.

use super::{hint, read_id, wishes};
use crate::app::{App, Error, Kind, fresh_request};
use crate::clock;
use crate::raft::{self, Priority};
use dkron_core::command::{Action, Command, Errand};
use dkron_core::ids::{NodeId, Stamp};
use dkron_core::roster::{Announcement, Roster};
use dkron_core::voters::{self, Membership, Peer, Settings, Situation, Wish};
use dkron_wire::operator::{Done, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the leader sees when it is asked.
struct Sight {
    stamp: Stamp,
    format: u8,
    membership: Arc<Membership>,
    roster: Arc<Roster>,
    wishes: BTreeMap<NodeId, Wish>,
}

impl App {
    /// Does a task, if this server leads.
    pub(super) async fn operate_here(&self, task: Task) -> Result<Done, Error> {
        if self.leadership().leading.is_none() {
            return Err(raft::Error::NotLeader { leader: self.leadership().leader }.into());
        }
        match task {
            Task::Health => {
                let health = self.health.borrow().clone();
                let begun = || Error::new(Kind::Unavailable, "the leader has not looked at the servers yet");
                health.map(|health| Done::Health((*health).clone())).ok_or_else(begun)
            }
            Task::ChangePeer(peer, wish) => self.wish(&peer, wish).await.map(Done::Peer),
            Task::Transfer(to) => self.hand_over(to.as_deref()).await.map(Done::Peer),
        }
    }

    async fn sight(&self) -> Result<Sight, Error> {
        let stamp = self.raft.identity().stamp.ok_or(raft::Error::NoCluster)?;
        let view = self.view().await?;
        let (wishes, format) = (wishes(&view.state), view.state.format());
        Ok(Sight {
            stamp,
            format,
            membership: self.raft.members().borrow().clone(),
            roster: self.roster(),
            wishes,
        })
    }

    /// Stores a wish, if it can be granted.
    async fn wish(&self, wanted: &str, wish: Wish) -> Result<Peer, Error> {
        let sight = self.sight().await?;
        let target = sight.find(wanted, wish)?;
        sight.admit(target.id, wish).map_err(|unfit| {
            let Peer { name, id, .. } = &target;
            Error::new(Kind::Conflict, format!("cannot {wish} server {name:?} ({id}): {unfit}"))
        })?;
        if let (Wish::Promote, Some(server)) = (wish, sight.roster.server(target.id)) {
            let unfit = voters::admits(sight.format, server);
            unfit.map_err(|unfit| Error::new(Kind::Conflict, format!("cannot {wish} it: {unfit}")))?;
        }
        let process = sight.roster.server(target.id).map_or(0, |server| server.process);
        let errand = Errand { server: target.id, wish, process };
        tracing::info!(server = %target.id, name = &*target.name, %wish, "an operator wishes");
        let command = Command { request: Some(fresh_request()?), action: Action::Wish(errand) };
        self.raft.commit(Priority::Write, command).await?;
        Ok(target)
    }

    async fn hand_over(&self, to: Option<&str>) -> Result<Peer, Error> {
        let sight = self.sight().await?;
        let heir = match to {
            Some(wanted) => sight.find(wanted, Wish::Demote)?.id,
            None => self.raft.heir(&sight.wishes).ok_or_else(|| {
                Error::new(Kind::Conflict, "there is no other voter that could lead: see `dkron raft health`")
            })?,
        };
        if heir != self.server() {
            self.raft.transfer_leader(heir).await?;
        }
        let peers = voters::peers(&sight.membership, &sight.roster, &sight.wishes);
        let peer = peers.into_iter().find(|peer| peer.id == heir).unwrap_or_default();
        Ok(Peer { leader: true, ..peer })
    }
}

impl Sight {
    /// The member with this id or name; for a promotion also a living server that is none.
    fn find(&self, wanted: &str, wish: Wish) -> Result<Peer, Error> {
        let mut peers = voters::peers(&self.membership, &self.roster, &self.wishes);
        if wish == Wish::Promote {
            let is_new = |server: &&Announcement| !self.membership.members.contains_key(&server.id);
            peers.extend(self.roster.alive().filter(is_new).map(|server| self.outsider(server)));
        }
        let id = read_id(wanted);
        let fits = |peer: &&Peer| id == Some(peer.id) || &*peer.name == wanted;
        match peers.iter().filter(fits).collect::<Vec<_>>()[..] {
            [found] => Ok(found.clone()),
            [] => {
                let hint = hint(wanted, peers.iter().map(|peer| &*peer.name));
                let message = format!("id {wanted:?} was not found in the Raft configuration{hint}");
                Err(Error::new(Kind::NotFound, message))
            }
            ref several => {
                let ids: Vec<String> = several.iter().map(|peer| peer.id.to_string()).collect();
                let message = format!(
                    "{wanted:?} is the name of {} servers: give an id, {}",
                    ids.len(),
                    ids.join(" or ")
                );
                Err(Error::new(Kind::Invalid, message))
            }
        }
    }

    fn outsider(&self, server: &Announcement) -> Peer {
        Peer {
            id: server.id,
            name: server.name.clone(),
            address: server.calls.clone(),
            wish: self.wishes.get(&server.id).copied(),
            ..Peer::default()
        }
    }

    fn admit(&self, id: NodeId, wish: Wish) -> Result<(), voters::Unfit> {
        let (nobody, settings) = (BTreeSet::new(), Settings::default());
        let situation = Situation {
            stamp: self.stamp,
            region: "",
            format: self.format,
            roster: &self.roster,
            membership: &self.membership,
            wishes: &self.wishes,
            agents: &nobody,
            gone: &nobody,
            settings: &settings,
        };
        voters::admit(&situation, id, wish, clock::steady())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::roster::{Liveness, Sighting};
    use dkron_core::voters::Member;

    fn sight(members: &[(u128, &str)], others: &[(u128, &str)]) -> Sight {
        let seen = |(id, name): &(u128, &str)| {
            let server = Announcement { id: NodeId(*id), name: (*name).into(), ..Announcement::default() };
            (NodeId(*id), Sighting { server: server.into(), liveness: Liveness::Alive })
        };
        let member = |(id, _): &(u128, &str)| (NodeId(*id), Member { voter: true, ..Member::default() });
        Sight {
            stamp: Stamp::default(),
            format: 1,
            membership: Membership { members: members.iter().map(member).collect(), ..Membership::default() }
                .into(),
            roster: Roster { own: NodeId(1), servers: members.iter().chain(others).map(seen).collect() }
                .into(),
            wishes: BTreeMap::new(),
        }
    }

    #[test]
    fn a_server_is_found_by_id_and_name_and_an_unknown_one_is_told_in_dkrons_words() {
        let sight = sight(&[(1, "node1"), (2, "node2")], &[(3, "node3")]);
        let found = |wanted: &str, wish| {
            sight.find(wanted, wish).map(|peer| peer.id.0).map_err(|error| (error.kind(), error.to_string()))
        };
        assert_eq!(found("node2", Wish::Remove), Ok(2));
        assert_eq!(found(&NodeId(2).to_string(), Wish::Remove), Ok(2));
        assert_eq!(found("node3", Wish::Promote), Ok(3), "it lives and may be taken in again");
        let unknown = "id \"nod9\" was not found in the Raft configuration; did you mean \"node1\"?";
        assert_eq!(found("nod9", Wish::Remove), Err((Kind::NotFound, unknown.to_owned())));
        assert!(found("node3", Wish::Remove).is_err());
    }

    #[test]
    fn a_name_of_two_servers_is_no_name() {
        let sight = sight(&[(1, "one"), (2, "one")], &[]);
        let error = sight.find("one", Wish::Remove).expect_err("which?");
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains(&NodeId(2).to_string()), "{error}");
    }
}
