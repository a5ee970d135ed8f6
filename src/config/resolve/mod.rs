//! From what was typed to what is meant, or to everything that is wrong with it.

mod cluster;
mod node;
mod outward;

use super::address::{self, HostPort};
use super::error::{ConfigErrors, Problem};
use super::flags::AgentFlags;
use super::raw::{Raw, Typed};
use super::show;
use super::surroundings::Surroundings;
use super::table;
use super::words::parse_bool;
use super::{Config, RPC_PORT};
use dkron_core::duration::parse_duration;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads every setting before it gives up, so that one start tells all.
pub(super) fn resolve(
    flags: AgentFlags,
    problems: Vec<Problem>,
    surroundings: &Surroundings,
) -> Result<Config, ConfigErrors> {
    let mut raw = Raw::gather(&flags, surroundings);
    let warnings = std::mem::take(&mut raw.warnings);
    let problems = [problems, std::mem::take(&mut raw.problems)].concat();
    let mut reader = Reader { raw: &raw, surroundings, problems, warnings };
    let config = reader.config(flags);
    match reader.problems.is_empty() {
        true => Ok(config),
        false => Err(ConfigErrors(reader.problems)),
    }
}

/// What was typed, and what is wrong with it so far.
struct Reader<'a> {
    raw: &'a Raw,
    surroundings: &'a Surroundings,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn config(&mut self, flags: AgentFlags) -> Config {
        let dev = self.boolean("dev", false);
        let (server, bootstrap_expect) = self.role(dev);
        let bind = self.bind(dev);
        let rpc_port = self.number("rpc-port", RPC_PORT, 1..=u16::MAX);
        let config = Config {
            server,
            bootstrap_expect,
            node_name: self.node_name(),
            bind,
            advertise: self.advertise(bind),
            http: self.http(dev),
            rpc_port,
            advertise_rpc_port: self.number("advertise-rpc-port", rpc_port, 1..=u16::MAX),
            data_dir: self.data_dir(),
            log_level: self.log_level(),
            tags: self.tags(),
            datacenter: self.text("datacenter", "dc1"),
            region: self.text("region", "global"),
            default_zone: self.local_zone(),
            slots: self.slots(),
            join: self.join(),
            gossip: self.gossip(),
            membership: self.membership(),
            raft_multiplier: self.number("raft-multiplier", 1, 1..=10),
            raft_snapshot_entries: self.number("raft-snapshot-entries", 100_000, 10..=10_000_000),
            tls: self.tls(),
            http_tls: self.http_tls(),
            notices: self.notices(),
            observation: self.observation(),
            ui: self.boolean("ui", true),
            dev,
            bench_executor: self.boolean("enable-bench-executor", false),
            as_version: self.read("as-version", str::parse),
            clock_offset_file: self.raw.one("clock-offset-file").map(|typed| typed.value.clone().into()),
            warnings: Vec::new(),
            file: self.raw.file.clone(),
            origins: self.raw.origins(),
            flags,
        };
        self.check_ports(&config);
        self.tell_unused();
        Config { warnings: std::mem::take(&mut self.warnings), ..config }
    }

    /// What is read, checked and not used: nobody shall believe that it works.
    fn tell_unused(&mut self) {
        self.boolean("disable-usage-stats", true);
        let typed = self.raw.settings();
        let unused = typed.filter(|(setting, _)| setting.unused).flat_map(|(_, typed)| typed.first());
        self.warnings.extend(unused.map(|typed| format!("{} has no effect in this version", typed.origin)));
        if let Some(typed) = self.raw.one("webhook-url") {
            self.warn(typed, "has no effect, as in Dkron; the setting is webhook-endpoint");
        }
    }

    fn refuse(&mut self, name: &str, typed: &Typed, problem: impl Into<String>) {
        let secret = table::find(name).is_some_and(|setting| setting.secret);
        let value = if secret { String::new() } else { typed.value.clone() };
        self.problems.push(Problem { origin: typed.origin.clone(), value, problem: problem.into() });
    }

    fn warn(&mut self, typed: &Typed, warning: &str) {
        self.warnings.push(format!("{} {warning}", typed.origin));
    }

    /// The value that `read` finds in the text of a setting; none where there is no text or no value.
    fn read<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let typed = self.raw.one(name)?;
        self.read_one(name, typed, read)
    }

    /// The value that `read` finds in a text.
    fn read_one<T>(
        &mut self,
        name: &str,
        typed: &Typed,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        read(&typed.value).map_err(|problem| self.refuse(name, typed, problem)).ok()
    }

    /// The values of all texts of a list.
    fn read_list<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.raw.list(name).iter().filter_map(|typed| self.read_one(name, typed, &read)).collect()
    }

    fn boolean(&mut self, name: &str, default: bool) -> bool {
        let value = self.read(name, |word| {
            parse_bool(word).ok_or_else(|| "is neither yes nor no, allowed are true and false".to_owned())
        });
        value.unwrap_or(default)
    }

    fn number<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let value = self.read(name, |text| {
            let value = text.trim().parse().ok().filter(|value| range.contains(value));
            value.ok_or_else(|| format!("is not a number from {} to {}", range.start(), range.end()))
        });
        value.unwrap_or(default)
    }

    fn text(&mut self, name: &str, default: &str) -> String {
        let value = self.read(name, |text| match text.trim() {
            "" => Err("is empty, a text is needed".to_owned()),
            _ => Ok(text.to_owned()),
        });
        value.unwrap_or_else(|| default.to_owned())
    }

    /// A text that may be empty, which is as good as none.
    fn optional(&self, name: &str) -> Option<&'a str> {
        self.raw.one(name).map(|typed| typed.value.as_str()).filter(|text| !text.is_empty())
    }

    /// A length of time, in Go's notation; 0 only where the range begins with it.
    fn duration(&mut self, name: &str, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let value = self.read(name, |text| {
            let span = parse_duration(text.trim()).map_err(|error| error.to_string())?;
            let value = u64::try_from(span.nanos()).map(Duration::from_nanos).ok();
            let value = value.filter(|value| range.contains(value));
            value.ok_or_else(|| {
                let [first, last] = [range.start(), range.end()].map(|length| show::duration(*length));
                format!("is not a duration from {first} to {last}")
            })
        });
        value.unwrap_or(default)
    }
}

/// An address that others are reached at.
pub(super) fn peer(text: &str, default_port: u16) -> Result<HostPort, String> {
    match address::parse(text, default_port)? {
        HostPort { host, .. } if host.is_empty() => {
            Err(format!("names no host that could be reached; {}", address::ALLOWED))
        }
        HostPort { port: 0, .. } => Err("port 0 cannot be reached, allowed are 1 to 65535".to_owned()),
        found => Ok(found),
    }
}
