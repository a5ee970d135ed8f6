//! x
mod folder;
mod frames;
pub mod supervisor;
