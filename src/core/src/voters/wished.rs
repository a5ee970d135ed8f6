//! What persons wish of servers: when a wish is refused, and when it is over.
//!
//! A wish stands in the log, so that the next leader carries it out. It is over once it is done, or once what it
//! is about is no more: a server that was removed stays away as long as its process runs, and may come back by
//! being started anew, or by another wish.

use super::watch::{is_alive, is_live};
use super::{Situation, Wish, quorum};
use crate::ids::NodeId;
use crate::time::{Span, Time};

/// How long the removal of a server that nobody sees is remembered.
pub const WISH_MEMORY: Span = Span::from_seconds(3_600);

/// A wish as it stands in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wished {
    /// What.
    pub wish: Wish,
    /// The server's process at the time, as gossip named it; 0 if nobody saw it.
    pub process: u64,
    /// Since when.
    pub at: Time,
}

/// Why a wish cannot be granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Without it nobody decides.
    #[error("it is the only voter, and without one there is no cluster")]
    LastVoter,
    /// Too few of the others live.
    #[error(
        "that would leave {voters} voters of which {live} live, and {needed} must live to decide anything"
    )]
    TooFew {
        /// How many would vote.
        voters: usize,
        /// How many of these live.
        live: usize,
        /// How many must.
        needed: usize,
    },
    /// It is no member, and gossip does not see it live.
    #[error("it is no member and does not live")]
    Gone,
}

/// Whether a wish about a server can be granted now, beside all that stand already.
pub fn admit(situation: &Situation, id: NodeId, wish: Wish, now: Time) -> Result<(), Unfit> {
    let member = situation.membership.members.get(&id);
    if wish == Wish::Promote {
        let here = member.is_some() || is_alive(situation, id);
        return here.then_some(()).ok_or(Unfit::Gone);
    }
    if !member.is_some_and(|member| member.voter) {
        return Ok(());
    }
    let goes = |voter: &NodeId| {
        *voter == id || matches!(situation.wishes.get(voter), Some(Wish::Demote | Wish::Remove))
    };
    let left: Vec<NodeId> = situation.membership.voters().into_iter().filter(|voter| !goes(voter)).collect();
    let (voters, needed) = (left.len(), quorum(left.len()));
    let live = left.iter().filter(|voter| is_live(situation, **voter, now)).count();
    match voters {
        0 => Err(Unfit::LastVoter),
        _ if live < needed => Err(Unfit::TooFew { voters, live, needed }),
        _ => Ok(()),
    }
}

/// Whether a wish is over; `clock` is the wall clock that wishes are stamped by.
pub fn is_done(situation: &Situation, id: NodeId, wished: Wished, clock: Time) -> bool {
    let member = situation.membership.members.get(&id);
    let seen = situation.roster.server(id);
    match wished.wish {
        Wish::Promote => member.map_or(!is_alive(situation, id), |member| member.voter),
        Wish::Demote => member.is_none(),
        Wish::Remove => match seen {
            Some(server) => is_alive(situation, id) && server.process != wished.process,
            None => member.is_none() && clock - wished.at > WISH_MEMORY,
        },
    }
}
