//! Dkron's daemon and its command line. The rooms, from the door inwards:
//!
//! - [`cli`]: one file per command
//! - [`node`]: the only room that knows all: builds in order, stops in reverse
//! - [`api`]: how clients see it: Dkron's REST shapes, the operators' service
//! - [`client`]: typed clients of our own services
//! - [`app`]: the use cases, one file per noun
//! - [`formation`]: how this server comes to belong to a cluster
//! - [`leader`]: the loop: wake, plan, propose, hand over
//! - [`dispatch`]: one stream for each agent: orders out, reports in
//! - [`copies`]: what servers give one another of their histories
//! - [`agent`]: runs on this node what the servers decided, once
//! - [`raft`]: what every server agrees on, in order, on a quorum's disks
//! - [`gossip`]: which servers there are, and which of them live
//! - [`history`]: finished executions and outputs on disk
//! - [`executor`]: how work runs: shell, http
//! - [`config`]: flags and environment become one checked `Config`
//! - [`net`]: the only owner of listeners and dials
//! - [`telemetry`]: the set-up of tracing, the counters
//! - [`task`]: the only spawner
//! - [`lock`]: locks on files, with one patience
//! - [`clock`]: the only reader of the clocks
//!
//! What is decided when is not here but in `dkron_core`; `docs/architecture.md` has the whole map.

pub mod agent;
pub mod api;
pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod copies;
pub mod dispatch;
pub mod executor;
pub mod formation;
pub mod gossip;
pub mod history;
pub mod leader;
pub mod lock;
pub mod net;
pub mod node;
pub mod raft;
pub mod task;
pub mod telemetry;
