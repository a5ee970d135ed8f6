//! The formats of the log: which there are, which a program reads, which one a command needs.
//!
//! A format is what servers of one cluster write: entries, snapshots, the digest's rule. The state says which is in
//! force. It is raised, by a command, only once every member reads the next one, so a server that was not upgraded
//! yet reads whatever it is sent, and comes to the same state.

use crate::command::{Action, Batch};
use std::fmt;
use std::str::FromStr;

/// The formats, both ends included, of which one must be in force for a server to be a member.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Formats {
    /// The oldest one.
    pub first: u8,
    /// The newest one.
    pub last: u8,
}

impl Formats {
    /// What a cluster begins with.
    pub const FIRST: u8 = 1;
    /// Tokens of the API, deletions bound to an edit, the end of one execution of several, and the format itself in
    /// the state.
    pub const SECOND: u8 = 2;
    /// What this build reads and writes.
    pub const OWN: Formats = Formats { first: Formats::FIRST, last: Formats::SECOND };

    /// Whether this one is among them.
    pub fn contains(self, format: u8) -> bool {
        (self.first..=self.last).contains(&format)
    }

    /// Whether what was written in this one is understood. What is older than all of them still is: it stands in logs
    /// and snapshots from before, and only nobody may write it any more.
    pub fn understand(self, format: u8) -> bool {
        (Formats::FIRST..=self.last).contains(&format)
    }

    /// Whether there is a format that both have.
    pub fn meet(self, other: Formats) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether all of these are among the others.
    pub fn are_within(self, other: Formats) -> bool {
        self.first <= self.last && other.first <= self.first && self.last <= other.last
    }
}

impl Default for Formats {
    fn default() -> Formats {
        Formats { first: Formats::FIRST, last: Formats::FIRST }
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {}", self.first, self.last)
    }
}

impl FromStr for Formats {
    type Err = String;

    /// `N` is what a build with the newest format N reads, `N-M` one that reads these and no older ones.
    fn from_str(text: &str) -> Result<Formats, String> {
        let number = |text: &str| text.parse::<u8>().ok();
        let read = match text.split_once('-') {
            Some((first, last)) => number(first).zip(number(last)),
            None => number(text).map(|last| (Formats::OWN.first, last)),
        };
        let known = read.map(|(first, last)| Formats { first, last });
        known.filter(|known| known.are_within(Formats::OWN)).ok_or_else(|| {
            let Formats { first, last } = Formats::OWN;
            format!("is no range of log formats, allowed are N and N-M with numbers from {first} to {last}")
        })
    }
}

impl Action {
    /// The oldest format that has words for it.
    pub fn format(&self) -> u8 {
        match self {
            Action::CreateToken { .. } | Action::RevokeToken { .. } => Formats::SECOND,
            Action::DeleteAt { .. } | Action::Cancel { ordinal: Some(_), .. } => Formats::SECOND,
            Action::RaiseFormat { format } => *format,
            _ => Formats::FIRST,
        }
    }

    /// Whether it may be written while this format is in force. The command that raises the format brings its own.
    pub fn fits(&self, format: u8) -> bool {
        matches!(self, Action::RaiseFormat { .. }) || self.format() <= format
    }
}

impl Batch {
    /// The oldest format that has words for all of it.
    pub fn format(&self) -> u8 {
        self.commands.iter().map(|command| command.action.format()).max().unwrap_or(Formats::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_meant_and_others_are_refused_with_what_is_allowed() {
        let read = |text: &str| text.parse::<Formats>().map(|formats| (formats.first, formats.last));
        assert_eq!((read("1"), read("2"), read("2-2")), (Ok((1, 1)), Ok((1, 2)), Ok((2, 2))));
        for wrong in ["", "0", "3", "2-1", "1-3", "x", "1-", "-1"] {
            let said = read(wrong).expect_err(wrong);
            assert!(said.ends_with("allowed are N and N-M with numbers from 1 to 2"), "{said}");
        }
    }

    #[test]
    fn ranges_meet_where_they_share_a_format() {
        let range = |first, last| Formats { first, last };
        assert!(range(1, 2).meet(range(2, 3)) && range(2, 3).meet(range(1, 2)));
        assert!(!range(1, 1).meet(range(2, 3)) && !range(2, 3).meet(range(1, 1)));
    }
}
