//! What can go wrong in this room, in words that say what was found and what it means.

use super::type_config::Server;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use std::io;
use std::path::PathBuf;

/// Every failure of the raft room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another server leads, or none does at the moment. Nothing was proposed.
    #[error("this server does not lead{}", leader.as_ref().map(|to| format!(", {to} does")).unwrap_or_default())]
    NotLeader {
        /// Who does, if known.
        leader: Option<Server>,
    },
    /// The command was proposed and its fate is not known here: it may still commit. Only a request id makes
    /// it harmless to send it again.
    #[error("the command was proposed, but whether it commits is not known here")]
    Unknown,
    /// One command alone is larger than a log entry may be.
    #[error("{command} takes {bytes} bytes, a log entry holds at most {limit}")]
    TooLarge {
        /// What kind of command.
        command: &'static str,
        /// Its encoded size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The room is closed, or its consensus ended after a failure that was logged.
    #[error("the raft room is stopped")]
    Stopped,
    /// The consensus ended.
    #[error("consensus failed: {0}")]
    Consensus(String),
    /// The data directory is that of a Dkron server and must not be touched.
    #[error(
        "{0} holds the Raft log of a Dkron server, which this program cannot read and does not touch: choose an \
         empty data directory and take the jobs over with `dkron migrate`"
    )]
    DkronDirectory(PathBuf),
    /// Another process has the data directory.
    #[error("{0} is in use by another process: each server needs a data directory of its own")]
    InUse(PathBuf),
    /// The data directory is of another cluster.
    #[error(
        "{path} belongs to cluster {found} incarnation {}, not to cluster {wanted} incarnation {}",
        found_incarnation.0, wanted_incarnation.0
    )]
    ForeignCluster {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: ClusterId,
        /// Its incarnation.
        found_incarnation: Incarnation,
        /// Whose it should be.
        wanted: ClusterId,
        /// The incarnation that it should have.
        wanted_incarnation: Incarnation,
    },
    /// The server has promised to form another cluster.
    #[error(
        "{path} is promised to cluster {promised}, not to cluster {wanted}: its initialiser takes that back, or \
         an operator does"
    )]
    Promised {
        /// The directory.
        path: PathBuf,
        /// Whom it is promised to.
        promised: ClusterId,
        /// Whose it should become.
        wanted: ClusterId,
    },
    /// The data directory is of another server.
    #[error("{path} belongs to server {found}, not to server {wanted}")]
    ForeignServer {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Whose it should be.
        wanted: NodeId,
    },
    /// The data directory was written by a newer program.
    #[error("{path} has format {found}, this program reads up to {known}")]
    NewerFormat {
        /// The directory or file.
        path: PathBuf,
        /// What it has.
        found: u8,
        /// What is known.
        known: u8,
    },
    /// What is there was written by a program of another release.
    #[error(
        "{path} holds data in log format {found}, this program reads formats {known}: start it with a version that \
         reads that one; one release at a time is upgraded"
    )]
    LogFormat {
        /// The directory or file.
        path: PathBuf,
        /// What it holds.
        found: u32,
        /// What is read here.
        known: Formats,
    },
    /// The command needs a newer log format than all members read.
    #[error(
        "it needs log format {needed}, and format {format} is in force as long as not every server reads {needed}"
    )]
    NotInForce {
        /// What it needs.
        needed: u8,
        /// What is written.
        format: u8,
    },
    /// The log is not whole. The data must be set aside and the server join under a new id: guessing could
    /// un-decide what was decided.
    #[error("the log in {path} is damaged at index {index}: {what}; set the directory aside and join again")]
    DamagedLog {
        /// The directory.
        path: PathBuf,
        /// Where.
        index: u64,
        /// What was found.
        what: String,
    },
    /// A record other than an entry cannot be read.
    #[error("the {what} in {path} is damaged; set the directory aside and join again")]
    DamagedRecord {
        /// The directory.
        path: PathBuf,
        /// Which record.
        what: &'static str,
    },
    /// No snapshot can be read that reaches the log.
    #[error(
        "the log in {path} begins at index {first} and no readable snapshot reaches it; set the directory aside \
         and join again"
    )]
    NoSnapshot {
        /// The directory.
        path: PathBuf,
        /// Where the log begins.
        first: u64,
    },
    /// A snapshot file is damaged.
    #[error("snapshot {path} is damaged: {what}")]
    DamagedSnapshot {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The database refused.
    #[error("the database in {path} failed")]
    Database {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: sled::Error,
    },
    /// The file system refused.
    #[error("{path}: {action} failed")]
    File {
        /// What.
        path: PathBuf,
        /// Doing what.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory has no cluster yet and this server may not found one.
    #[error("this server belongs to no cluster yet: it starts when it has adopted one")]
    NoCluster,
    /// The members cannot be changed like that.
    #[error("the members cannot be changed: {0}")]
    Membership(String),
    /// No quorum confirmed within the time allowed that this server still leads.
    #[error("no quorum confirms that this server leads")]
    NoQuorum,
    /// The leadership cannot be handed to this server.
    #[error("the leadership cannot go to server {to}: {why}")]
    NoTransfer {
        /// To whom it should.
        to: NodeId,
        /// Why not.
        why: &'static str,
    },
    /// The consensus settings contradict each other.
    #[error("consensus settings: {0}")]
    Settings(String),
}

impl Error {
    /// A failure of the file system while doing `action` to `path`.
    pub(crate) fn file(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, action, source }
    }

    /// A failure of the database in `path`.
    pub(crate) fn database(path: impl Into<PathBuf>) -> impl FnOnce(sled::Error) -> Error {
        let path = path.into();
        move |source| Error::Database { path, source }
    }

    /// The same as consensus wants it, with the whole chain in its words: it stops on any of them.
    pub(crate) fn into_io(self) -> io::Error {
        let kind = match &self {
            Error::DamagedLog { .. } | Error::DamagedRecord { .. } | Error::DamagedSnapshot { .. } => {
                io::ErrorKind::InvalidData
            }
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}
