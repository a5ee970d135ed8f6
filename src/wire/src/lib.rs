//! How the scheduler speaks: the formats between nodes and on disk.
//!
//! The core's types know no format; the conversions live here, checked both ways, so that the core may be
//! renamed freely and a byte written by one version is read by the next.

mod commands;
pub mod consensus;
pub mod copies;
mod decisions;
pub mod definition;
pub mod delivery;
pub mod digests;
pub mod entry;
mod error;
pub mod formation;
pub mod formats;
pub mod frame;
mod generated;
pub mod glance;
pub mod gossip;
pub mod history;
pub mod journal;
pub mod keyring;
mod launch;
mod numbers;
pub mod operator;
pub mod raft;
mod registration;
pub mod reply;
mod reports;
pub mod snapshot;
pub mod state;
pub mod submit;
pub mod supervisor;
mod token;
mod wide;

pub use error::WireError;
