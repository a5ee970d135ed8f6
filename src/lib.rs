//! x
pub mod history;
