//! The tests from outside: one binary, so that it is linked once. A module for each door.

mod agent;
mod api;
mod backup;
mod bench;
mod cli;
mod cluster;
mod dispatch;
mod faults;
mod fuzz;
mod node;
mod processors;
mod rig;
mod tidy;
