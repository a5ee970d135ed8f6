//! The decisions of the scheduler: pure, total, deterministic.
//!
//! Nothing here reads a clock, a file, a random source or the order of a hash map: time, chance and
//! membership are arguments. What runs when is decided by this crate alone.

pub mod access;
pub mod apply;
pub mod bootstrap;
pub mod clocks;
pub mod command;
pub mod delivery;
pub mod duration;
pub mod execution;
pub mod explain;
pub mod format;
pub mod ids;
pub mod intent;
pub mod job;
pub mod journal;
pub mod jump;
pub mod ledger;
pub mod limits;
pub mod node;
pub mod open;
pub mod placement;
pub mod plan;
pub mod roster;
pub mod rules;
pub mod schedule;
pub mod state;
pub mod time;
pub mod voters;
pub mod wheel;
