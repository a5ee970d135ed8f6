//! Settings: flags, environment and a file become one checked [`Config`], because a node must not find out at
//! three in the morning that a setting was wrong.
//!
//! `table` names every setting once. Two stages follow: `raw` holds what was typed, with where it was typed
//! (a flag goes before a variable, a variable before the settings file that `file` reads, the file before
//! the default); `resolve` turns that into values, or into all problems at once, each with its origin, the
//! value and what is allowed. `template` fills in addresses, `show` prints settings, `reload` compares them.
//!
//! Owns: every setting's name, default and range. Never: starts or writes anything, opens anything but the
//! settings file.
//! Fails: with [`ConfigErrors`], which lists everything that is wrong. Nobody else reads the environment.

mod address;
mod error;
mod file;
mod flags;
mod node_tags;
mod raw;
mod reload;
mod resolve;
mod show;
mod surroundings;
mod table;
mod template;
mod values;
mod words;

#[cfg(test)]
mod tests;

pub use address::HostPort;
pub use error::{ConfigErrors, Problem};
pub use flags::AgentFlags;
pub use reload::Reload;
pub use show::Shown;
pub use surroundings::{Lookup, ReadFile, Surroundings};
pub use table::{is_secret, pro_setting};
pub use template::{InterfaceAddress, InterfaceFlags};
pub use values::{
    Gossip, GossipKey, HttpTls, Join, JoinEntry, Mail, Membership, Notices, Observation, Profile, Secret,
    Tls, Webhook,
};
pub use words::nearest;

use dkron_core::format::Formats;
use dkron_core::job::Words;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The port of gossip where none is given.
pub const GOSSIP_PORT: u16 = 8946;
/// The port of the API where none is given.
pub const HTTP_PORT: u16 = 8080;
/// The port of node-to-node calls where none is given.
pub const RPC_PORT: u16 = 6868;

/// Everything that a node needs to know to start, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Whether this node is a server (votes, stores, answers the API) or only runs work.
    pub server: bool,
    /// How many servers form the first cluster; 0 to wait for an existing one.
    pub bootstrap_expect: u32,
    /// The node's label, unique among the living.
    pub node_name: String,
    /// Where gossip listens; node-to-node calls listen on the same IP.
    pub bind: SocketAddr,
    /// Where others reach this node's gossip.
    pub advertise: HostPort,
    /// Where the API listens (servers only).
    pub http: SocketAddr,
    /// The port of node-to-node calls.
    pub rpc_port: u16,
    /// The port under which others reach them.
    pub advertise_rpc_port: u16,
    /// Where everything that must survive a restart is kept.
    pub data_dir: PathBuf,
    /// How much is logged.
    pub log_level: LogLevel,
    /// The user's tags, as written.
    pub tags: Words,
    /// The tag `dc`.
    pub datacenter: String,
    /// The tag `region`.
    pub region: String,
    /// IANA name of the zone that a new cluster gives to jobs without one: this machine's.
    pub default_zone: String,
    /// How many executions run at a time.
    pub slots: u32,
    /// Whom to join.
    pub join: Join,
    /// How servers gossip.
    pub gossip: Gossip,
    /// When servers gain and lose their votes.
    pub membership: Membership,
    /// How many times slower heartbeats and elections are, 1 to 10.
    pub raft_multiplier: u32,
    /// After how many log entries a snapshot is taken, at the latest.
    pub raft_snapshot_entries: u32,
    /// Mutual TLS between nodes; none for calls in clear.
    pub tls: Option<Tls>,
    /// TLS of the API; none for an API in clear.
    pub http_tls: Option<HttpTls>,
    /// Whom to tell of executions.
    pub notices: Notices,
    /// Where metrics and traces go.
    pub observation: Observation,
    /// Whether the web pages are served.
    pub ui: bool,
    /// One server on loopback for trying things out.
    pub dev: bool,
    /// Whether the executor that does nothing is there, for measuring.
    pub bench_executor: bool,
    /// The only log formats that it is to know, as an older or a newer build; for tests of upgrades.
    pub as_version: Option<Formats>,
    /// A file that says how wrong the clock is, for tests.
    pub clock_offset_file: Option<PathBuf>,
    /// What is legal but hardly meant; to be logged at start.
    pub warnings: Vec<String>,
    /// The settings file that was read.
    pub file: Option<PathBuf>,
    /// What the command line said, for reloads.
    flags: AgentFlags,
    /// Where each setting was written that is not at its default.
    origins: BTreeMap<&'static str, String>,
}

/// How much is logged: all of the level and what is worse.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Only what keeps the node from its work.
    Error,
    /// Also what somebody should look at.
    Warn,
    /// Also what the node does.
    #[default]
    Info,
    /// Also how it does it.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word for it, as tracing filters understand it.
    pub fn word(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl Config {
    /// The log formats, and protocols with agents, that this node knows.
    pub fn formats(&self) -> Formats {
        self.as_version.unwrap_or(Formats::OWN)
    }

    /// Flags before variables before the settings file before defaults.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem there is, those of the command line (`problems`) first.
    pub fn load(
        flags: AgentFlags,
        problems: Vec<Problem>,
        surroundings: &Surroundings,
    ) -> Result<Config, ConfigErrors> {
        resolve::resolve(flags, problems, surroundings)
    }
}

/// Where a node takes calls, from a flag such as `--rpc-addr` of other commands: a template, an address, or
/// an address without a port.
///
/// # Errors
/// [`Problem`] with the flag as origin.
pub fn call_address(flag: &str, text: &str, surroundings: &Surroundings) -> Result<HostPort, Problem> {
    let address = surroundings.expand(text).and_then(|text| resolve::peer(&text, RPC_PORT));
    address.map_err(|problem| Problem { origin: flag.to_owned(), value: text.to_owned(), problem })
}
