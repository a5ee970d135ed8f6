//! From what was typed to what is meant, or to everything that is wrong with it.

use super::address::{self, HostPort};
use super::error::{ConfigErrors, Problem};
use super::node_tags::OWN_TAGS;
use super::raw::{Raw, Typed};
use super::surroundings::Surroundings;
use super::words::parse_bool;
use super::{Config, GOSSIP_PORT, HTTP_PORT, LogLevel, RPC_PORT};
use dkron_core::job::Words;
use dkron_core::schedule::Zone;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

const DEFAULT_DATA_DIR: &str = "dkron.data";
const DEFAULT_SLOTS: u32 = 1_000;
const NAME_BYTES_MAX: usize = 128;

/// Reads every setting before it gives up, so that one start tells all.
pub(super) fn resolve(
    raw: &Raw,
    problems: Vec<Problem>,
    surroundings: &Surroundings,
) -> Result<Config, ConfigErrors> {
    let mut reader = Reader { problems, warnings: Vec::new() };
    let config = reader.config(raw, surroundings);
    match reader.problems.is_empty() {
        true => Ok(config),
        false => Err(ConfigErrors(reader.problems)),
    }
}

/// The machine's zone by its IANA name: `TZ`, else the system's own; UTC where neither tells one that the
/// zone data have.
fn local_zone(surroundings: &Surroundings) -> String {
    let known = |name: &String| Zone::lookup(name).is_ok();
    let variable = (surroundings.variable)("TZ").map(|zone| zone.trim_start_matches(':').to_owned());
    let zone = variable.filter(known).or_else(|| (surroundings.local_zone)().filter(known));
    zone.unwrap_or_else(|| "UTC".to_owned())
}

struct Reader {
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader {
    fn config(&mut self, raw: &Raw, surroundings: &Surroundings) -> Config {
        let dev = self.boolean(&raw.dev, false);
        let (server, bootstrap_expect) = self.role(raw, dev);
        let bind = self.bind(&raw.bind_addr, dev, surroundings);
        let rpc_port = self.number(&raw.rpc_port, RPC_PORT, 1..=u16::MAX);
        let config = Config {
            server,
            bootstrap_expect,
            node_name: self.node_name(&raw.node_name, surroundings),
            bind,
            advertise: self.advertise(&raw.advertise_addr, bind, surroundings),
            http: self.http(&raw.http_addr, dev, surroundings),
            rpc_port,
            advertise_rpc_port: self.number(&raw.advertise_rpc_port, rpc_port, 1..=u16::MAX),
            data_dir: PathBuf::from(self.text(&raw.data_dir, DEFAULT_DATA_DIR)),
            log_level: self.log_level(&raw.log_level),
            tags: self.tags(&raw.tags),
            datacenter: self.text(&raw.datacenter, "dc1"),
            region: self.text(&raw.region, "global"),
            default_zone: local_zone(surroundings),
            slots: self.number(&raw.slots, DEFAULT_SLOTS, 1..=100_000),
            dev,
            bench_executor: self.boolean(&raw.enable_bench_executor, false),
            warnings: Vec::new(),
        };
        self.check_ports(raw, &config);
        Config { warnings: std::mem::take(&mut self.warnings), ..config }
    }

    fn refuse(&mut self, typed: &Typed, problem: impl Into<String>) {
        let Typed { origin, value } = typed.clone();
        self.problems.push(Problem { origin, value, problem: problem.into() });
    }

    /// The value that a reader finds in a text, or the default where there is no text or no value.
    fn read<T>(&mut self, typed: &Option<Typed>, default: T, read: impl Fn(&str) -> Result<T, String>) -> T {
        match typed.as_ref().map(|typed| (typed, read(&typed.value))) {
            None => default,
            Some((_, Ok(value))) => value,
            Some((typed, Err(problem))) => {
                self.refuse(typed, problem);
                default
            }
        }
    }

    fn boolean(&mut self, typed: &Option<Typed>, default: bool) -> bool {
        self.read(typed, default, |word| {
            parse_bool(word).ok_or_else(|| "is neither yes nor no, allowed are true and false".to_owned())
        })
    }

    fn number<T>(&mut self, typed: &Option<Typed>, default: T, range: RangeInclusive<T>) -> T
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        self.read(typed, default, |text| {
            let value = text.trim().parse().ok().filter(|value| range.contains(value));
            value.ok_or_else(|| format!("is not a number from {} to {}", range.start(), range.end()))
        })
    }

    fn text(&mut self, typed: &Option<Typed>, default: &str) -> String {
        self.read(typed, default.to_owned(), |text| match text.trim() {
            "" => Err("is empty, a text is needed".to_owned()),
            _ => Ok(text.to_owned()),
        })
    }

    /// Whether it is a server, and how many of them form the first cluster.
    fn role(&mut self, raw: &Raw, dev: bool) -> (bool, u32) {
        let server = self.boolean(&raw.server, dev);
        let expect = self.number(&raw.bootstrap_expect, u32::from(dev), 0..=99);
        let conflict = [(&raw.server, !server), (&raw.bootstrap_expect, expect != 1)];
        for (typed, wrong) in conflict {
            if let (true, true, Some(typed)) = (dev, wrong, typed) {
                self.refuse(
                    typed,
                    "contradicts --dev, which is one server on its own; leave one of them out",
                );
            }
        }
        if let (false, 1.., Some(typed)) = (server, expect, &raw.bootstrap_expect) {
            self.warnings.push(format!("{} has no effect without --server", typed.origin));
        }
        (server, expect)
    }

    fn node_name(&mut self, typed: &Option<Typed>, surroundings: &Surroundings) -> String {
        let host_name = || match (surroundings.host_name)() {
            name if name.is_empty() => "dkron".to_owned(),
            name => name,
        };
        self.read(typed, host_name(), |name| {
            let illegal = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
            match name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(illegal) {
                true => Err(format!(
                    "is not a node name, allowed are 1 to {NAME_BYTES_MAX} bytes without spaces and '/'"
                )),
                false => Ok(name.to_owned()),
            }
        })
    }

    fn listen(
        &mut self,
        typed: &Option<Typed>,
        default: SocketAddr,
        surroundings: &Surroundings,
    ) -> SocketAddr {
        self.read(typed, default, |text| {
            let HostPort { host, port } = address::parse(text, default.port())?;
            Ok(SocketAddr::new(address::ip_of(&host, &*surroundings.address_of)?, port))
        })
    }

    /// Without a setting the private address of the default route, as Dkron; loopback where there is none.
    fn bind(&mut self, typed: &Option<Typed>, dev: bool, surroundings: &Surroundings) -> SocketAddr {
        let private = (surroundings.private_address)().filter(|_| !dev).unwrap_or(Ipv4Addr::LOCALHOST);
        let bind = self.listen(typed, SocketAddr::new(private.into(), GOSSIP_PORT), surroundings);
        if let (0, Some(typed)) = (bind.port(), typed) {
            self.refuse(typed, "port 0 cannot be told to other nodes, allowed are 1 to 65535");
        }
        bind
    }

    /// The bound address, or where that is every address, the private one. Unlike Dkron the port follows
    /// the bound one, and loopback is allowed: such a node talks to itself only.
    fn advertise(
        &mut self,
        typed: &Option<Typed>,
        bind: SocketAddr,
        surroundings: &Surroundings,
    ) -> HostPort {
        let ip: IpAddr = match bind.ip().is_unspecified() {
            true => (surroundings.private_address)().unwrap_or(Ipv4Addr::LOCALHOST).into(),
            false => bind.ip(),
        };
        let default = HostPort { host: ip.to_string(), port: bind.port() };
        self.read(typed, default, |text| match address::parse(text, GOSSIP_PORT)? {
            HostPort { host, .. } if host.is_empty() => {
                Err(format!("names no host that others could reach; {}", address::ALLOWED))
            }
            HostPort { port: 0, .. } => Err("port 0 cannot be reached, allowed are 1 to 65535".to_owned()),
            found => Ok(found),
        })
    }

    /// Port 0 is allowed here: any free one, for tests.
    fn http(&mut self, typed: &Option<Typed>, dev: bool, surroundings: &Surroundings) -> SocketAddr {
        let ip = if dev { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        self.listen(typed, SocketAddr::new(ip.into(), HTTP_PORT), surroundings)
    }

    fn log_level(&mut self, typed: &Option<Typed>) -> LogLevel {
        self.read(typed, LogLevel::default(), |word| match word.to_ascii_lowercase().as_str() {
            "trace" => Ok(LogLevel::Trace),
            "debug" => Ok(LogLevel::Debug),
            "info" => Ok(LogLevel::Info),
            "warn" | "warning" => Ok(LogLevel::Warn),
            // Dkron's two levels above `error` stop the process when used; here they mean `error`.
            "error" | "fatal" | "panic" => Ok(LogLevel::Error),
            _ => Err("is not a level, allowed are trace, debug, info, warn and error".to_owned()),
        })
    }

    fn tags(&mut self, typed: &[Typed]) -> Words {
        let mut tags = Words::new();
        for one in typed {
            match one.value.split_once('=') {
                Some((tag, _)) if OWN_TAGS.contains(&tag) => self.warnings.push(format!(
                    "{} '{}' has no effect: the node sets this tag itself",
                    one.origin, one.value
                )),
                Some((tag, value)) if !tag.is_empty() => {
                    tags.insert(tag.to_owned(), value.to_owned());
                }
                _ => self.refuse(one, "invalid tag, allowed is KEY=VALUE, as in role=web"),
            }
        }
        tags
    }

    /// Two listeners cannot share an address and port. Only what was typed is told.
    fn check_ports(&mut self, raw: &Raw, config: &Config) {
        let rpc = SocketAddr::new(config.bind.ip(), config.rpc_port);
        let meets = |one: SocketAddr, other: SocketAddr| {
            let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port() && one.port() != 0 && same_ip
        };
        let typed = |settings: [&Option<Typed>; 2]| settings.into_iter().find_map(|typed| typed.clone());
        if let (true, Some(typed)) = (meets(rpc, config.bind), typed([&raw.rpc_port, &raw.bind_addr])) {
            self.refuse(&typed, format!("gossip and calls between nodes cannot both listen on {rpc}"));
        }
        if !config.server {
            return;
        }
        for (other, what, setting) in
            [(config.bind, "gossip", &raw.bind_addr), (rpc, "calls between nodes", &raw.rpc_port)]
        {
            if let (true, Some(typed)) = (meets(config.http, other), typed([&raw.http_addr, setting])) {
                self.refuse(&typed, format!("the API and {what} cannot both listen on {other}"));
            }
        }
    }
}
