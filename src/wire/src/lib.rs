//! How the scheduler speaks: the formats between nodes and on disk.
//!
//! The core's types know no format; the conversions live here, checked both ways, so that the core may be
//! renamed freely and a byte written by one version is read by the next.

pub mod definition;
pub mod journal;
pub mod supervisor;
mod error;
mod generated;

pub use error::WireError;
