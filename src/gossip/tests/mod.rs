//! Whole pools in one process: over UDP as it is, and for hours over a lossy network in memory.

mod clusters;
mod hours;
mod keys;
mod kit;
mod liveness;
pub(in crate::gossip) mod network;
