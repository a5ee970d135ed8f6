//! Settings as typed: texts with the place where each was written. Nothing is judged here.

use super::surroundings::Surroundings;
use super::words;

/// The flags of `dkron agent`. All are texts: what they mean is judged in one place, all together.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct AgentFlags {
    /// Be a server: vote, store jobs, answer the API
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub server: Option<String>,
    /// How many servers form the first cluster; 1 forms at once [default: 0, join an existing one]
    #[arg(long, value_name = "N")]
    pub bootstrap_expect: Option<String>,
    /// This node's name, unique in the cluster [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,
    /// Where to listen for other nodes, ADDRESS or ADDRESS:PORT [default: the private address, 8946]
    #[arg(long, visible_alias = "bind", value_name = "ADDRESS")]
    pub bind_addr: Option<String>,
    /// Where other nodes reach this one [default: as --bind-addr]
    #[arg(long, visible_alias = "advertise", value_name = "ADDRESS")]
    pub advertise_addr: Option<String>,
    /// Where the API listens [default: :8080, all addresses]
    #[arg(long, value_name = "ADDRESS")]
    pub http_addr: Option<String>,
    /// The port for calls between nodes [default: 6868]
    #[arg(long, value_name = "PORT")]
    pub rpc_port: Option<String>,
    /// The port under which other nodes reach it [default: as --rpc-port]
    #[arg(long, value_name = "PORT")]
    pub advertise_rpc_port: Option<String>,
    /// Where jobs, log and history are kept [default: dkron.data]
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<String>,
    /// How much to log: trace, debug, info, warn, error [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// A tag for targeting jobs at nodes; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Vec<String>,
    /// The datacenter, also the tag `dc` [default: dc1]
    #[arg(long, value_name = "NAME")]
    pub datacenter: Option<String>,
    /// The region, also the tag `region` [default: global]
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// How many executions run at a time [default: 1000]
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// One server on loopback, nothing else needed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub dev: Option<String>,
    /// Have the executor `bench`, which does nothing
    #[arg(
        long,
        hide = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub enable_bench_executor: Option<String>,
}

/// A text and where it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Typed {
    pub(super) origin: String,
    pub(super) value: String,
}

/// What was typed for each setting; none where nothing was.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    pub(super) server: Option<Typed>,
    pub(super) bootstrap_expect: Option<Typed>,
    pub(super) node_name: Option<Typed>,
    pub(super) bind_addr: Option<Typed>,
    pub(super) advertise_addr: Option<Typed>,
    pub(super) http_addr: Option<Typed>,
    pub(super) rpc_port: Option<Typed>,
    pub(super) advertise_rpc_port: Option<Typed>,
    pub(super) data_dir: Option<Typed>,
    pub(super) log_level: Option<Typed>,
    pub(super) tags: Vec<Typed>,
    pub(super) datacenter: Option<Typed>,
    pub(super) region: Option<Typed>,
    pub(super) slots: Option<Typed>,
    pub(super) dev: Option<Typed>,
    pub(super) enable_bench_executor: Option<Typed>,
}

impl Raw {
    /// For each setting the flag, else the variable.
    pub(super) fn gather(flags: AgentFlags, surroundings: &Surroundings) -> Raw {
        let pick = |names: &[&str], flag: Option<String>| {
            flag.map(|value| Typed { origin: format!("--{}", names[0]), value })
                .or_else(|| names.iter().find_map(|name| variable(surroundings, name)))
        };
        Raw {
            server: pick(&["server"], flags.server),
            bootstrap_expect: pick(&["bootstrap-expect"], flags.bootstrap_expect),
            node_name: pick(&["node-name"], flags.node_name),
            bind_addr: pick(&["bind-addr", "bind"], flags.bind_addr),
            advertise_addr: pick(&["advertise-addr", "advertise"], flags.advertise_addr),
            http_addr: pick(&["http-addr"], flags.http_addr),
            rpc_port: pick(&["rpc-port"], flags.rpc_port),
            advertise_rpc_port: pick(&["advertise-rpc-port"], flags.advertise_rpc_port),
            data_dir: pick(&["data-dir"], flags.data_dir),
            log_level: pick(&["log-level"], flags.log_level),
            tags: tags(flags.tag, surroundings),
            datacenter: pick(&["datacenter"], flags.datacenter),
            region: pick(&["region"], flags.region),
            slots: pick(&["slots"], flags.slots),
            dev: pick(&["dev"], flags.dev),
            enable_bench_executor: pick(&["enable-bench-executor"], flags.enable_bench_executor),
        }
    }
}

/// The variable of a setting. An empty one is an unset one, as in Dkron.
fn variable(surroundings: &Surroundings, name: &str) -> Option<Typed> {
    let origin = format!("DKRON_{}", name.to_ascii_uppercase().replace('-', "_"));
    let value = (surroundings.variable)(&origin).filter(|value| !value.is_empty())?;
    Some(Typed { origin, value })
}

/// A flag holds tags with commas between them, the variable with white space, as in Dkron.
fn tags(flags: Vec<String>, surroundings: &Surroundings) -> Vec<Typed> {
    if flags.is_empty() {
        let found = variable(surroundings, "tag");
        return found.map_or(Vec::new(), |typed| {
            let origin = typed.origin;
            typed
                .value
                .split_whitespace()
                .map(|value| Typed { origin: origin.clone(), value: value.to_owned() })
                .collect()
        });
    }
    let split = flags.iter().flat_map(|flag| words::split_list(flag));
    split.map(|value| Typed { origin: "--tag".to_owned(), value }).collect()
}
