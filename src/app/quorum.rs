//! Which voters are missing when nothing can be decided: what whoever is refused, or pages somebody, has to know.

use super::App;
use crate::clock;
use dkron_core::ids::NodeId;
use dkron_core::node::Liveness;
use dkron_core::roster::Roster;
use dkron_core::time::Span;
use dkron_core::voters::{Membership, quorum};

/// A voter that did not answer the leader for so long is silent.
const SILENCE: Span = Span::from_seconds(2);

impl App {
    /// What is missing, as a sentence without its end.
    pub(super) fn missing(&self) -> String {
        let membership = self.raft.members().borrow().clone();
        let roster = self.way.roster.borrow().clone();
        let now = clock::steady();
        let leads = membership.leader == self.server();
        let unheard = |id: &NodeId| {
            let heard = membership.members.get(id).and_then(|member| member.heard);
            leads && heard.is_none_or(|heard| now - heard > SILENCE)
        };
        sentence(&membership, &roster, |id| *id != self.server() && unheard(id))
    }
}

/// Silent is whom gossip does not see alive, and whom the caller knows to be.
fn sentence(membership: &Membership, roster: &Roster, unheard: impl Fn(&NodeId) -> bool) -> String {
    let voters = membership.voters();
    if voters.is_empty() {
        return "this server does not know the voters yet".to_owned();
    }
    let alive = |id: &NodeId| {
        *id == roster.own || roster.servers.get(id).is_some_and(|seen| seen.liveness == Liveness::Alive)
    };
    let name = |id: &NodeId| {
        let seen = roster.servers.get(id).map(|seen| seen.server.name.to_string());
        let known = || membership.members.get(id).map(|member| member.name.to_string());
        seen.or_else(known).filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string())
    };
    let mut silent: Vec<String> = voters.iter().filter(|id| !alive(id) || unheard(id)).map(name).collect();
    silent.sort_unstable();
    let (needed, all) = (quorum(voters.len()), voters.len());
    let who = match silent.as_slice() {
        [] => "all are seen, they may be electing".to_owned(),
        [one] => format!("{one} is silent"),
        [most @ .., last] => format!("{} and {last} are silent", most.join(", ")),
    };
    format!("a quorum is {needed} of {all} voters: {who}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::roster::{Announcement, Sighting};
    use dkron_core::voters::Member;

    fn told(liveness: [Liveness; 3], unheard: &[u128]) -> String {
        let member = Member { voter: true, ..Member::default() };
        let ids = [1, 2, 3].map(NodeId);
        let members = ids.map(|id| (id, member.clone())).into();
        let seen = |(id, liveness): (NodeId, Liveness)| {
            let server = Announcement { id, name: format!("node{}", id.0).into(), ..Announcement::default() };
            (id, Sighting { server: server.into(), liveness })
        };
        let roster = Roster { own: NodeId(1), servers: ids.into_iter().zip(liveness).map(seen).collect() };
        let membership = Membership { members, ..Membership::default() };
        sentence(&membership, &roster, |id| unheard.contains(&id.0))
    }

    #[test]
    fn the_silent_voters_are_named_whoever_noticed() {
        let (alive, failed) = (Liveness::Alive, Liveness::Failed);
        let both = "a quorum is 2 of 3 voters: node2 and node3 are silent";
        assert_eq!(told([alive, failed, failed], &[]), both);
        assert_eq!(told([alive, alive, failed], &[2]), both);
        assert_eq!(told([alive, alive, alive], &[3]), "a quorum is 2 of 3 voters: node3 is silent");
        let none = "a quorum is 2 of 3 voters: all are seen, they may be electing";
        assert_eq!(told([failed, alive, alive], &[]), none, "a server speaks, whatever gossip says of it");
        let nobody = sentence(&Membership::default(), &Roster::default(), |_| false);
        assert_eq!(nobody, "this server does not know the voters yet");
    }
}
