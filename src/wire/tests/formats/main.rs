//! The formats seen from outside: round trips, fixed bytes, sizes, hostile bytes.
//!
//! One binary, because each would link the same code again.

mod any_access;
mod any_between;
mod any_of;
mod any_state;
mod consensus;
mod copies;
mod golden;
mod gossip;
mod hostile;
mod round_trips;
mod sizes;
mod states;
mod values;
