//! One node as a stranger meets it: the real binary, over HTTP, killed at any moment.

mod harness;
mod jobs;
mod kill;
mod restart;
