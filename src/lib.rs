//! The daemon. The rooms, in reading order:

pub mod raft;
