//! What a write needs that not every server reads yet, and who holds it back: said to whoever is refused.

use super::{App, Error, Kind};
use crate::raft::{self, Server};
use dkron_core::intent::Intent;
use dkron_core::voters::{Holder, holders};

impl App {
    /// A failure of consensus as a client is told of it.
    pub(super) fn explained(&self, error: raft::Error) -> Error {
        match error {
            raft::Error::NotInForce { needed, format } => {
                let membership = self.raft.members().borrow().clone();
                not_in_force(needed, format, &holders(needed, &membership, &self.way.roster.borrow()))
            }
            error => error.into(),
        }
    }

    /// Whether the leader knows what this intent is: an older build could not read it.
    pub(super) fn is_known_to(&self, leader: &Server, intent: &Intent) -> Result<(), Error> {
        let Intent::Change(action) = intent else { return Ok(()) };
        let last = self.way.roster.borrow().server(leader.id).map(|seen| seen.formats.last);
        match last.is_some_and(|last| last < action.format()) {
            true => Err(self
                .explained(raft::Error::NotInForce { needed: action.format(), format: self.raft.format() })),
            false => Ok(()),
        }
    }
}

fn not_in_force(needed: u8, format: u8, holders: &[Holder]) -> Error {
    let why = match holders {
        [] => "it is about to be raised: try again".to_owned(),
        some => some.iter().map(Holder::to_string).collect::<Vec<_>>().join("; "),
    };
    let message = format!(
        "this needs log format {needed}, which all servers must read before one is in force; in force is {format}: {why}"
    );
    Error::new(Kind::Conflict, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::format::Formats;

    #[test]
    fn who_is_refused_hears_who_holds_the_cluster_back() {
        let holder = |name: &str, formats| Holder { name: name.into(), version: "0.1.0".into(), formats };
        let old = [holder("node2", Some(Formats { first: 1, last: 1 })), holder("node3", None)];
        let error = not_in_force(2, 1, &old);
        assert_eq!(error.kind(), Kind::Conflict);
        let expected = "this needs log format 2, which all servers must read before one is in force; in force is 1: \
                        server \"node2\" (version 0.1.0) reads log formats 1 to 1; what server \"node3\" reads is not \
                        known, it was not seen yet";
        assert_eq!(error.to_string(), expected);
        assert!(
            not_in_force(2, 1, &[])
                .to_string()
                .ends_with("in force is 1: it is about to be raised: try again")
        );
    }
}
