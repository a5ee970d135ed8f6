//! The names of things, one type each, because a mixed-up id is a tick run twice.
//!
//! What is random is made by the proposer and enters through the log. What is derived (the ids of
//! occurrences and executions) is a hash of names, so that every server and agent, also after a
//! restore, calls the same thing by the same id.

use crate::time::Time;
use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

macro_rules! wide_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub u128);

        impl $name {
            /// The inverse of `Display`: 32 hexadecimal digits.
            pub fn parse(text: &str) -> Option<$name> {
                (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())?.map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:032x}", self.0)
            }
        }
    };
}

wide_id!(
    /// A cluster, random, made at bootstrap. Messages and files of another one are refused.
    ClusterId
);
wide_id!(
    /// A server or an agent, random, made at its first start and kept in its data directory.
    NodeId
);
wide_id!(
    /// A job from its creation to its deletion, random: a re-created job of the same name is another.
    JobUid
);
wide_id!(
    /// A token of the API: the part of it that may be shown.
    TokenId
);
wide_id!(
    /// A client's request, so that a retried one does not act twice.
    RequestId
);
wide_id!(
    /// An agent's journal: a new one means that the agent forgot what it may have started.
    JournalId
);
wide_id!(
    /// One life of the process that runs an agent's executions, random: a process number would come again after a
    /// reboot, or in another container.
    RunnerId
);
wide_id!(
    /// One boot of a machine: no process of an earlier one is alive.
    BootId
);
wide_id!(
    /// An occurrence, a hash of (job uid, origin, nominal time, cause).
    OccurrenceId
);
wide_id!(
    /// An execution, a hash of (occurrence, ordinal, attempt): what jobs and traces see.
    ExecutionId
);

impl RequestId {
    /// The id of a client's own key, any bytes.
    pub fn of_key(key: &[u8]) -> RequestId {
        RequestId(xxh3_128(key))
    }
}

/// How often a cluster was restored or recovered: a higher one fences off a lower one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Incarnation(pub u32);

/// Whose something is: what every message between nodes, every entry and every file says.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Stamp {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its incarnation at the time.
    pub incarnation: Incarnation,
}

impl fmt::Display for Stamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} incarnation {}", self.cluster, self.incarnation.0)
    }
}

/// A job's place in the state. Places are used again: the job's generation tells the users apart.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobSlot(pub u32);

/// A node's place in the state, never used again within one cluster.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeSlot(pub u32);

/// The small name of an occurrence inside the log: where its decision stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OccurrenceRef {
    /// Index of the log entry that decided it.
    pub index: u64,
    /// Position among the occurrences that this entry made.
    pub position: u32,
}

/// The small name of an execution inside the log.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ExecutionRef {
    /// The occurrence that it belongs to.
    pub occurrence: OccurrenceRef,
    /// Which of the occurrence's executions, from 0: one for each chosen node.
    pub ordinal: u16,
    /// Which try, from 1.
    pub attempt: u16,
}

impl fmt::Display for ExecutionRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OccurrenceRef { index, position } = self.occurrence;
        write!(formatter, "{index}.{position}/{}/{}", self.ordinal, self.attempt)
    }
}

/// Why an occurrence came to be. Only `Schedule` moves a job's cursor.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// The job's schedule.
    Schedule,
    /// A person or program asked for it; the request's id.
    Manual(RequestId),
    /// A stretch of the past was asked for; the request's id.
    Backfill(RequestId),
    /// The parent job succeeded; the parent's occurrence.
    Dependent(OccurrenceId),
}

impl Origin {
    /// One byte for each kind and the cause's 128 bits (0 for a schedule).
    pub fn parts(self) -> (u8, u128) {
        match self {
            Origin::Schedule => (0, 0),
            Origin::Manual(request) => (1, request.0),
            Origin::Backfill(request) => (2, request.0),
            Origin::Dependent(parent) => (3, parent.0),
        }
    }

    /// Its kind in a word, for people.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Schedule => "schedule",
            Origin::Manual(_) => "manual",
            Origin::Backfill(_) => "backfill",
            Origin::Dependent(_) => "dependent",
        }
    }

    /// The inverse of [`Origin::parts`]; none for an unknown kind.
    pub fn from_parts(kind: u8, cause: u128) -> Option<Origin> {
        match kind {
            0 => Some(Origin::Schedule),
            1 => Some(Origin::Manual(RequestId(cause))),
            2 => Some(Origin::Backfill(RequestId(cause))),
            3 => Some(Origin::Dependent(OccurrenceId(cause))),
            _ => None,
        }
    }
}

impl OccurrenceId {
    /// The id of the occurrence with these names. A revision is not among them on purpose: an edit,
    /// or a restored older snapshot, must not give the same tick another name.
    pub fn derive(job: JobUid, origin: Origin, nominal: Time) -> OccurrenceId {
        let (kind, cause) = origin.parts();
        let mut names = [0u8; 41];
        names[..16].copy_from_slice(&job.0.to_be_bytes());
        names[16] = kind;
        names[17..33].copy_from_slice(&cause.to_be_bytes());
        names[33..].copy_from_slice(&nominal.nanos().to_be_bytes());
        OccurrenceId(xxh3_128(&names))
    }
}

impl ExecutionId {
    /// The id of one attempt of one ordinal of an occurrence.
    pub fn derive(occurrence: OccurrenceId, ordinal: u16, attempt: u16) -> ExecutionId {
        let mut names = [0u8; 20];
        names[..16].copy_from_slice(&occurrence.0.to_be_bytes());
        names[16..18].copy_from_slice(&ordinal.to_be_bytes());
        names[18..].copy_from_slice(&attempt.to_be_bytes());
        ExecutionId(xxh3_128(&names))
    }

    /// The low 32 bits, which reports carry beside the small name: 16 bytes in each would be a third of the
    /// log, and all that they must rule out is an equal small name of another incarnation.
    pub fn check(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_never_change_between_versions() {
        let occurrence = OccurrenceId::derive(JobUid(1), Origin::Schedule, Time::from_seconds(60));
        assert_eq!(occurrence.to_string(), "f2c130a03480786070c97236bc1a9e59");
        assert_eq!(ExecutionId::derive(occurrence, 0, 1).to_string(), "a2ce7346106c03f0eb6aee220dd8fed9");
    }

    #[test]
    fn origins_survive_their_parts() {
        for origin in [
            Origin::Schedule,
            Origin::Manual(RequestId(7)),
            Origin::Backfill(RequestId(8)),
            Origin::Dependent(OccurrenceId(9)),
        ] {
            let (kind, cause) = origin.parts();
            assert_eq!(Origin::from_parts(kind, cause), Some(origin));
        }
        assert_eq!(Origin::from_parts(4, 0), None);
    }
}
