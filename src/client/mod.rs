//! Typed clients of our own services, for the command line and for tests.
//!
//! - Does: dials, calls with a time limit, reads the answers.
//! - Owns: the two places where the command line speaks to a server: by calls, [`Operator::dial`], and by HTTP, [`Api`].
//! - Never: retries; prints; shows a token.
//! - Fails: naming the address, or with the kind or status and the words of whoever refused.

mod api;
mod operator;

pub use api::{Access, Api, Reply};
pub use operator::Operator;

use crate::app::Kind;
use crate::net;

/// Why there is no answer, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("nothing answers at {address}")]
    Unreached {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: net::Error,
    },
    /// The server refused, or could not.
    #[error("{message}")]
    Refused {
        /// What can be done about it.
        kind: Kind,
        /// Its words.
        message: String,
    },
    /// It took too long.
    #[error("{address} did not answer within {seconds} s: look whether it is done")]
    Late {
        /// Where.
        address: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer cannot be read.
    #[error("{address} answers what this version does not understand: {source}")]
    Unread {
        /// Where.
        address: String,
        /// Why.
        source: dkron_wire::WireError,
    },
}

impl Error {
    /// What can be done about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Unreached { .. } => Kind::Unavailable,
            Error::Refused { kind, .. } => *kind,
            Error::Late { .. } => Kind::Unknown,
            Error::Unread { .. } => Kind::Internal,
        }
    }
}
