//! Several nodes from outside: real processes on addresses of their own, each paragraph of the clustering guide as
//! a test, under kills.
//!
//! Reading order: `harness` (a cluster and what may happen to it), `work` (jobs that write down what they did),
//! then the tests: `formation`, `agents`, `writes`, `failover`, `quorum`, `reads`, `servers`.

mod agents;
mod failover;
mod formation;
mod harness;
mod quorum;
mod reads;
mod servers;
mod work;
mod writes;
