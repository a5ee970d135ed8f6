//! Several nodes from outside: real processes on addresses of their own, each paragraph of the clustering guide as
//! a test, under kills.
//!
//! Reading order: `harness` (a cluster and what may happen to it), `work` (jobs that write down what they did),
//! then the tests: `formation`, `agents`, `writes`, `failover`, `quorum`, `reads`, `servers`, `calm`, `operators`,
//! `leaving`, `nodes`, `cancelling`, `growth`, `recovery`, `keyring`, `regions`, `reload`, `sheet`, `states`, `trust`,
//! `upgrade`.

mod agents;
mod calm;
mod cancelling;
mod commands;
mod failover;
mod formation;
mod growth;
mod harness;
mod keyring;
mod leaving;
mod nodes;
mod operators;
mod quorum;
mod reads;
mod recovery;
mod regions;
mod reload;
mod servers;
mod sheet;
mod states;
mod trust;
mod upgrade;
mod work;
mod writes;
