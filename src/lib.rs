//! The daemon, room by room.

pub mod agent;
pub mod clock;
pub mod executor;
pub mod task;
