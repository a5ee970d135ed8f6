//! What this node is: its role, name, addresses, tags.

use super::super::address::{self, HostPort};
use super::super::node_tags::OWN_TAGS;
use super::super::{Config, GOSSIP_PORT, HTTP_PORT, LogLevel};
use super::{Reader, peer};
use dkron_core::job::Words;
use dkron_core::schedule::Zone;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const DEFAULT_DATA_DIR: &str = "dkron.data";
const DEFAULT_SLOTS: u32 = 1_000;
const NAME_BYTES_MAX: usize = 128;

impl Reader<'_> {
    /// Whether it is a server, and how many of them form the first cluster.
    pub(super) fn role(&mut self, dev: bool) -> (bool, u32) {
        let server = self.boolean("server", dev);
        let alone = self.bootstrap();
        let expect = self.number("bootstrap-expect", u32::from(dev || alone), 0..=99);
        if let (true, true, Some(typed)) = (alone, expect != 1, self.raw.one("bootstrap")) {
            self.refuse(
                "bootstrap",
                typed,
                "contradicts bootstrap-expect, which is not 1; leave one of them out",
            );
        }
        for (name, wrong) in [("server", !server), ("bootstrap-expect", expect != 1)] {
            if let (true, true, Some(typed)) = (dev, wrong, self.raw.one(name)) {
                let problem = "contradicts --dev, which is one server on its own; leave one of them out";
                self.refuse(name, typed, problem);
            }
        }
        if let (false, 1.., Some(typed)) = (server, expect, self.raw.one("bootstrap-expect")) {
            self.warn(typed, "has no effect without --server");
        }
        (server, expect)
    }

    /// The older way to say that one server forms a cluster. Dkron's `devmode` keeps nothing on disk; here
    /// everything is kept.
    fn bootstrap(&mut self) -> bool {
        if let (true, Some(typed)) = (self.boolean("devmode", false), self.raw.one("devmode")) {
            self.warn(typed, "has no effect: data are always kept; one server on loopback is --dev");
        }
        self.boolean("bootstrap", false)
    }

    pub(super) fn node_name(&mut self) -> String {
        let name = self.read("node-name", |name| {
            let illegal = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
            match name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(illegal) {
                true => Err(format!(
                    "is not a node name, allowed are 1 to {NAME_BYTES_MAX} bytes without spaces and '/'"
                )),
                false => Ok(name.to_owned()),
            }
        });
        name.unwrap_or_else(|| match (self.surroundings.host_name)() {
            name if name.is_empty() => "dkron".to_owned(),
            name => name,
        })
    }

    pub(super) fn data_dir(&mut self) -> PathBuf {
        PathBuf::from(self.text("data-dir", DEFAULT_DATA_DIR))
    }

    pub(super) fn slots(&mut self) -> u32 {
        self.number("slots", DEFAULT_SLOTS, 1..=100_000)
    }

    /// The machine's zone by its IANA name: `TZ`, else the system's own; UTC where neither tells one that
    /// the zone data have.
    pub(super) fn local_zone(&self) -> String {
        let known = |name: &String| Zone::lookup(name).is_ok();
        let variable = (self.surroundings.variable)("TZ").map(|zone| zone.trim_start_matches(':').to_owned());
        let zone = variable.filter(known).or_else(|| (self.surroundings.local_zone)().filter(known));
        zone.unwrap_or_else(|| "UTC".to_owned())
    }

    fn listen(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let surroundings = self.surroundings;
        let address = self.read(name, |text| {
            let HostPort { host, port } = address::parse(&surroundings.expand(text)?, default.port())?;
            Ok(SocketAddr::new(address::ip_of(&host, &*surroundings.address_of)?, port))
        });
        address.unwrap_or(default)
    }

    /// Without a setting the private address of the default route, as Dkron; loopback where there is none.
    pub(super) fn bind(&mut self, dev: bool) -> SocketAddr {
        let private = if dev { None } else { self.surroundings.private_address() };
        let private = private.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let bind = self.listen("bind-addr", SocketAddr::new(private, GOSSIP_PORT));
        if let (0, Some(typed)) = (bind.port(), self.raw.one("bind-addr")) {
            self.refuse("bind-addr", typed, "port 0 cannot be told to other nodes, allowed are 1 to 65535");
        }
        bind
    }

    /// The bound address, or where that is every address, the private one. Unlike Dkron the port follows
    /// the bound one, and loopback is allowed: such a node talks to itself only.
    pub(super) fn advertise(&mut self, bind: SocketAddr) -> HostPort {
        let surroundings = self.surroundings;
        // Dkron's default is the empty text, and so a start script may well give it.
        let given = self.optional("advertise-addr").is_some();
        let read = |text: &str| peer(&surroundings.expand(text)?, bind.port());
        let advertise = if given { self.read("advertise-addr", read) } else { None };
        advertise.unwrap_or_else(|| {
            let ip: IpAddr = match bind.ip().is_unspecified() {
                true => surroundings.private_address().unwrap_or(Ipv4Addr::LOCALHOST.into()),
                false => bind.ip(),
            };
            HostPort { host: ip.to_string(), port: bind.port() }
        })
    }

    /// Port 0 is allowed here: any free one, for tests.
    pub(super) fn http(&mut self, dev: bool) -> SocketAddr {
        let ip = if dev { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        self.listen("http-addr", SocketAddr::new(ip.into(), HTTP_PORT))
    }

    pub(super) fn log_level(&mut self) -> LogLevel {
        let level = self.read("log-level", |word| match word.to_ascii_lowercase().as_str() {
            "trace" => Ok(LogLevel::Trace),
            "debug" => Ok(LogLevel::Debug),
            "info" => Ok(LogLevel::Info),
            "warn" | "warning" => Ok(LogLevel::Warn),
            // Dkron's two levels above `error` stop the process when used; here they mean `error`.
            "error" | "fatal" | "panic" => Ok(LogLevel::Error),
            _ => Err("is not a level, allowed are trace, debug, info, warn and error".to_owned()),
        });
        level.unwrap_or_default()
    }

    pub(super) fn tags(&mut self) -> Words {
        let mut tags = Words::new();
        let list = match self.raw.list("tag") {
            [] => self.raw.list("tags"),
            list => list,
        };
        for one in list {
            match one.value.split_once('=') {
                Some((tag, _)) if OWN_TAGS.contains(&tag) => {
                    let warning = format!("'{}' has no effect: the node sets this tag itself", one.value);
                    self.warn(one, &warning);
                }
                Some((tag, value)) if !tag.is_empty() => {
                    tags.insert(tag.to_owned(), value.to_owned());
                }
                _ => self.refuse("tag", one, "invalid tag, allowed is KEY=VALUE, as in role=web"),
            }
        }
        tags
    }

    /// Two listeners cannot share an address and port. Only what was typed is told.
    pub(super) fn check_ports(&mut self, config: &Config) {
        let rpc = SocketAddr::new(config.bind.ip(), config.rpc_port);
        let meets = |one: SocketAddr, other: SocketAddr| {
            let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port() && one.port() != 0 && same_ip
        };
        if meets(rpc, config.bind) {
            let problem = format!("gossip and calls between nodes cannot both listen on {rpc}");
            self.refuse_first(["rpc-port", "bind-addr"], problem);
        }
        if !config.server {
            return;
        }
        for (other, what, setting) in
            [(config.bind, "gossip", "bind-addr"), (rpc, "calls between nodes", "rpc-port")]
        {
            if meets(config.http, other) {
                let problem = format!("the API and {what} cannot both listen on {other}");
                self.refuse_first(["http-addr", setting], problem);
            }
        }
    }

    /// Refuses the first of two settings that was typed.
    fn refuse_first(&mut self, names: [&str; 2], problem: String) {
        let typed = names.into_iter().find_map(|name| Some((name, self.raw.one(name)?)));
        if let Some((name, typed)) = typed {
            self.refuse(name, typed, problem);
        }
    }
}
