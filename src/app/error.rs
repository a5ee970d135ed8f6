//! Why a wish was not granted, in a dozen kinds: what the client can do about it.

use crate::{history, raft};
use dkron_core::command::Refusal;
use dkron_core::job::JobError;
use std::fmt;

/// What the client can do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Mend the request: it names a field, a value and what is allowed.
    Invalid,
    /// Look for another name: there is no such thing.
    NotFound,
    /// The parent that the job names is not there.
    ParentNotFound,
    /// Look again: somebody changed it in between.
    Changed,
    /// Wait or cancel: something in progress stands in the way.
    Conflict,
    /// Ask an operator: submissions are paused.
    Paused,
    /// Send less at a time.
    TooLarge,
    /// Try again soon: no leader, no quorum, or this node stops.
    Unavailable,
    /// Look whether it happened: nobody knows.
    Unknown,
    /// Report it: this is a defect or a broken machine.
    Internal,
    /// Send a token that counts.
    Unauthenticated,
    /// Ask who manages tokens: this one does not allow it.
    Forbidden,
}

impl Kind {
    /// All in the order of their stable numbers.
    const ALL: [Kind; 12] = [
        Kind::Invalid,
        Kind::NotFound,
        Kind::ParentNotFound,
        Kind::Changed,
        Kind::Conflict,
        Kind::Paused,
        Kind::TooLarge,
        Kind::Unavailable,
        Kind::Unknown,
        Kind::Internal,
        Kind::Unauthenticated,
        Kind::Forbidden,
    ];

    /// The stable number of messages between servers.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The kind with this number.
    pub fn from_number(number: u32) -> Option<Kind> {
        Kind::ALL.get(number as usize).copied()
    }
}

/// A wish that was not granted.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a message for the client.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), source: None }
    }

    /// What the client can do.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The core's refusal, where that is the reason.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.source.as_deref()?.downcast_ref()
    }

    pub(super) fn caused(kind: Kind, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error { kind, message: source.to_string(), source: Some(Box::new(source)) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().and_then(|source| source.source())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let kind = match &refusal {
            Refusal::UnknownJob(_)
            | Refusal::NotOpen
            | Refusal::UnknownNode
            | Refusal::UnknownToken(_)
            | Refusal::UnknownImport(_) => Kind::NotFound,
            Refusal::UnknownParent(_) => Kind::ParentNotFound,
            Refusal::ParentCycle(_) | Refusal::Invalid(_) | Refusal::NoRequest => Kind::Invalid,
            Refusal::Changed(_) => Kind::Changed,
            Refusal::Paused => Kind::Paused,
            Refusal::HasDependents(_)
            | Refusal::Overlap { .. }
            | Refusal::QueueFull(_)
            | Refusal::Disabled(_)
            | Refusal::NameTaken(_)
            | Refusal::OlderLife { .. }
            | Refusal::BackfillTooLarge { .. }
            | Refusal::TokensExist
            | Refusal::Founded => Kind::Conflict,
        };
        Error::caused(kind, refusal)
    }
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Error {
        Error::caused(Kind::Invalid, error)
    }
}

impl From<raft::Error> for Error {
    fn from(error: raft::Error) -> Error {
        let kind = match &error {
            raft::Error::NotLeader { .. }
            | raft::Error::Stopped
            | raft::Error::NoCluster
            | raft::Error::NoQuorum => Kind::Unavailable,
            raft::Error::NoTransfer { .. } | raft::Error::Membership(_) | raft::Error::NotInForce { .. } => {
                Kind::Conflict
            }
            raft::Error::Unknown => Kind::Unknown,
            raft::Error::TooLarge { .. } => Kind::TooLarge,
            _ => Kind::Internal,
        };
        Error::caused(kind, error)
    }
}

impl From<history::Error> for Error {
    fn from(error: history::Error) -> Error {
        Error::caused(Kind::Internal, error)
    }
}
