//! Whole pools in one process: over UDP as it is, and for hours over a lossy network in memory.

mod kit;
mod liveness;
pub(in crate::gossip) mod network;
