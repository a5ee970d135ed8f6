//! Why bytes are not understood. Comparable, so that a test or a caller can ask for the very reason.

use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};

/// Why bytes were refused. None of them is worth a retry: the same bytes give the same error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WireError {
    /// They are no message of this kind.
    #[error("{what}: not a readable message: {problem}")]
    Malformed {
        /// The message.
        what: &'static str,
        /// The reader's words.
        problem: String,
    },
    /// A number that this version has no meaning for.
    #[error("{field}: unknown number {number}; was it written by a newer version?")]
    UnknownNumber {
        /// The field.
        field: &'static str,
        /// What stands there.
        number: u64,
    },
    /// A field without which the rest has no meaning.
    #[error("{field}: missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field of a length that it cannot have.
    #[error("{field}: {found} long, which it cannot be")]
    Length {
        /// The field.
        field: &'static str,
        /// Its length.
        found: u64,
    },
    /// A number outside of what its type holds.
    #[error("{field}: the value is out of range")]
    Range {
        /// The field.
        field: &'static str,
    },
    /// A definition that this build cannot follow: its schedule or zone is not known.
    #[error("job '{job}': {problem}")]
    Rules {
        /// The job's name.
        job: String,
        /// What is wrong.
        problem: String,
    },
    /// Written in a format that this version does not read.
    #[error("{what}: format {found} is not known; this version reads formats {known}")]
    UnknownFormat {
        /// What was read.
        what: &'static str,
        /// Its format.
        found: u32,
        /// The formats known here.
        known: Formats,
    },
    /// An agent and a server of builds too far apart.
    #[error(
        "the agent speaks protocols {agent}, this server {own}: upgrade one release at a time, agents first"
    )]
    TooFarApart {
        /// What the agent speaks.
        agent: Formats,
        /// What this server does.
        own: Formats,
    },
    /// Written by another cluster.
    #[error("of cluster {found}, not of cluster {own}")]
    ForeignCluster {
        /// Whose it is.
        found: ClusterId,
        /// Who reads.
        own: ClusterId,
    },
    /// Written before or after a restore that the reader did not take part in.
    #[error("of incarnation {}, not of incarnation {}", found.0, own.0)]
    ForeignIncarnation {
        /// Whose it is.
        found: Incarnation,
        /// Who reads.
        own: Incarnation,
    },
    /// Meant for another server: an address now belongs to somebody else.
    #[error("meant for server {found}, this is server {own}")]
    ForeignTarget {
        /// Whom it is meant for.
        found: NodeId,
        /// Who reads.
        own: NodeId,
    },
    /// Something that the sender may not ask for.
    #[error("{field}: not for the sender to ask")]
    NotAllowed {
        /// The field.
        field: &'static str,
    },
}

impl WireError {
    /// A message that the Protocol Buffers reader refused.
    pub(crate) fn malformed(what: &'static str, error: &prost::DecodeError) -> WireError {
        WireError::Malformed { what, problem: error.to_string() }
    }
}
