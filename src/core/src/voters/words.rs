//! The texts of membership: a change in the log of the program says why it was made.

use super::{Change, Complaint, Proposal, Reason, Wish};
use std::fmt;

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Reason::Came => "it came and was no member",
            Reason::Stable => "it was well for long enough",
            Reason::Wished => "a person asked for it",
            Reason::AgentNow => "it runs as an agent now",
            Reason::NewId => "another server came under its name",
            Reason::Dead => "it was silent for too long",
            Reason::Gone => "its machine is gone",
            Reason::Surplus => "there are more voters than allowed",
            Reason::Moved => "its address changed",
            Reason::Begun => "whoever began it did not finish it",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::AddLearner { id, name, address } => {
                write!(formatter, "take in server {name:?} ({id}, {address}) without a vote")
            }
            Change::Promote(id) => write!(formatter, "let server {id} vote"),
            Change::Demote(id) => write!(formatter, "let server {id} vote no more"),
            Change::Remove(id) => write!(formatter, "remove server {id}"),
            Change::Replace { old, new } => write!(formatter, "let server {new} vote in the place of {old}"),
            Change::UpdateAddress { id, address } => {
                write!(formatter, "note address {address} of server {id}")
            }
            Change::Finish => formatter.write_str("finish the change of the voters that was begun"),
            Change::HandOver { to } => write!(formatter, "hand the leadership over to server {to}"),
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.change, self.reason)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Complaint::NotAlive => "gossip does not see it live",
            Complaint::Unheard => "it does not answer the leader",
            Complaint::Lagging => "it lags behind the leader",
        })
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Wish::Promote => "promote",
            Wish::Demote => "demote",
            Wish::Remove => "remove",
        })
    }
}

impl Complaint {
    /// All complaints in the order of their stable numbers.
    pub const ALL: [Complaint; 3] = [Complaint::NotAlive, Complaint::Unheard, Complaint::Lagging];

    /// The stable number of the wire.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The complaint with this number.
    pub fn from_number(number: u8) -> Option<Complaint> {
        Complaint::ALL.get(usize::from(number)).copied()
    }
}

impl Wish {
    /// All wishes in the order of their stable numbers.
    pub const ALL: [Wish; 3] = [Wish::Promote, Wish::Demote, Wish::Remove];

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The wish with this number.
    pub fn from_number(number: u8) -> Option<Wish> {
        Wish::ALL.get(usize::from(number)).copied()
    }
}
