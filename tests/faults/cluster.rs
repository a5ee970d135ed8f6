//! A cluster on hosts of its own: servers and agents of the real binary, each with its network, its disk and its
//! clock, to all of which things happen while they run.

use super::host::{Host, address};
use super::switch::{Switch, Weather};
use super::tell;
use crate::rig::http::{self, Reply};
use crate::rig::patience::{eventually, within};
use crate::rig::processes::{self, MARK};
use dkron::clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a node may take to say its last word.
const FAREWELL: Duration = Duration::from_secs(30);
/// Addresses that a node may have one after the other.
const ADDRESSES_PER_NODE: u8 = 20;
/// A daemon that ended by itself is started again after this, as a service manager does.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// The number of a node: also its port of the switch.
pub(super) type Number = usize;

/// Servers first.
pub(super) struct Cluster {
    folder: Option<TempDir>,
    mark: String,
    nodes: Vec<Node>,
    pub(super) servers: usize,
    switch: Option<Switch>,
}

struct Node {
    name: String,
    host: Host,
    /// The last part of its address.
    last: u8,
    daemon: Option<Child>,
    /// How often it ended by itself, and when last.
    deaths: u32,
    died_at: Option<Instant>,
}

impl Cluster {
    /// As many servers and agents, which answer.
    pub(super) fn new(servers: usize, agents: usize, seed: u64) -> io::Result<Cluster> {
        let folder = tempfile::Builder::new().prefix("dkron-faults-").tempdir()?;
        let mark = folder.path().display().to_string();
        let mut nodes = Vec::new();
        for number in 0..servers + agents {
            let last = (number as u8 + 1) * ADDRESSES_PER_NODE % 240;
            let host = Host::new(last, &folder.path().join(format!("disk{number}")))?;
            let kind = if number < servers { "node" } else { "agent" };
            let name = format!("{kind}{}", number + 1);
            nodes.push(Node { name, host, last, daemon: None, deaths: 0, died_at: None });
        }
        let wires = nodes.iter().map(|node| (node.last, node.host.wire.clone())).collect();
        let switch = Some(Switch::new(wires, seed)?);
        let mut cluster = Cluster { folder: Some(folder), mark, nodes, servers, switch };
        (0..servers + agents).for_each(|number| cluster.set_clock(number, 0));
        (0..servers + agents).for_each(|number| cluster.start(number));
        Ok(cluster)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a living cluster").path()
    }

    pub(super) fn numbers(&self) -> Range<Number> {
        0..self.nodes.len()
    }

    pub(super) fn name(&self, number: Number) -> &str {
        &self.nodes[number].name
    }

    pub(super) fn has_real_disks(&self) -> bool {
        self.nodes.iter().all(|node| node.host.is_disk_real)
    }

    pub(super) fn host(&self, number: Number) -> &Host {
        &self.nodes[number].host
    }

    fn api(&self, number: Number) -> SocketAddr {
        SocketAddr::new(address(self.nodes[number].last).into(), 8080)
    }

    /// Starts the daemon, with the addresses that the others have now; waits for nothing.
    pub(super) fn start(&mut self, number: Number) {
        let node = &self.nodes[number];
        assert!(node.daemon.is_none(), "{} runs already", node.name);
        let own = address(node.last);
        let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env(MARK, &self.mark);
        command.arg("agent").arg(format!("--node-name={}", node.name)).arg(format!("--bind={own}"));
        command.arg("--data-dir").arg(self.folder().join(format!("disk{number}/data")));
        command.arg("--clock-offset-file").arg(self.clock_file(number));
        for other in self.nodes.iter().filter(|other| other.last != node.last).take(self.servers) {
            command.arg(format!("--retry-join={}", address(other.last)));
        }
        match number < self.servers {
            true => command.args(["--server", &format!("--bootstrap-expect={}", self.servers)]),
            false => command.args(["--tag", "role=web"]),
        };
        let log = OpenOptions::new().create(true).append(true).open(self.log_file(number)).expect("a log");
        let errors = log.try_clone().expect("the log");
        command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors);
        let started = node.host.inside(|| command.spawn()).expect("the binary runs");
        self.nodes[number].daemon = Some(started);
    }

    fn clock_file(&self, number: Number) -> PathBuf {
        self.folder().join(format!("clock{number}"))
    }

    fn log_file(&self, number: Number) -> PathBuf {
        self.folder().join(format!("log{number}"))
    }

    /// The node's wall clock shows so much more than the true time, from now on.
    pub(super) fn set_clock(&self, number: Number, ahead_ms: i64) {
        let (fresh, file) = (self.folder().join("clock.new"), self.clock_file(number));
        fs::write(&fresh, ahead_ms.to_string()).expect("a clock");
        fs::rename(fresh, file).expect("a clock");
    }

    /// Kills the daemon as a machine does that loses its power; what it started lives on.
    pub(super) fn kill(&mut self, number: Number) {
        self.nodes[number].died_at = None;
        if let Some(mut daemon) = self.nodes[number].daemon.take() {
            daemon.kill().expect("it can be killed");
            daemon.wait().expect("it ends");
        }
    }

    /// Asks the daemon to stop and waits until it has.
    pub(super) fn terminate(&mut self, number: Number) {
        self.nodes[number].died_at = None;
        self.signal(number, Signal::TERM);
        let Some(mut daemon) = self.nodes[number].daemon.take() else { return };
        let status = within(FAREWELL, || daemon.try_wait().expect("a child"));
        if status.is_none() {
            self.nodes[number].daemon = Some(daemon);
        }
        assert!(status.is_some(), "{} does not stop", self.name(number));
    }

    pub(super) fn signal(&self, number: Number, signal: Signal) {
        if let Some(daemon) = &self.nodes[number].daemon {
            processes::signal(i32::try_from(daemon.id()).expect("a pid"), signal);
        }
    }

    /// Starts again what ended by itself, as a service manager does.
    pub(super) fn revive(&mut self) {
        for number in self.numbers() {
            let node = &mut self.nodes[number];
            if node.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().expect("a child").is_some()) {
                (node.daemon, node.died_at) = (None, Some(clock::monotonic()));
                node.deaths += 1;
                tell(&format!("     {} ended by itself", node.name));
            }
            if node.died_at.is_some_and(|at| at.elapsed() >= RESTART_AFTER) {
                node.died_at = None;
                self.start(number);
            }
        }
    }

    /// How often daemons ended by themselves.
    pub(super) fn deaths(&self) -> u32 {
        self.nodes.iter().map(|node| node.deaths).sum()
    }

    /// What packets from one node to another meet.
    pub(super) fn set_weather(&self, from: Number, to: Number, weather: Weather) {
        self.switch.as_ref().expect("a living cluster").set(from, to, weather);
    }

    /// The machine gets another address. Its daemon must not run.
    pub(super) fn change_address(&mut self, number: Number) {
        let old = self.nodes[number].last;
        let base = (number as u8 + 1) * ADDRESSES_PER_NODE % 240;
        let new = base + (old - base + 1) % ADDRESSES_PER_NODE;
        self.nodes[number].host.change_address(old, new);
        self.switch.as_ref().expect("a living cluster").readdress(old, new);
        self.nodes[number].last = new;
    }

    /// A request from the machine of the node itself, which no cut wire stops.
    pub(super) fn send(&self, number: Number, line: &str, body: &str) -> io::Result<Reply> {
        let api = self.api(number);
        self.nodes[number].host.inside(|| http::send(api, line, &[], body.as_bytes()))
    }

    /// Does something on the machine of a server, with the address of its API.
    pub(super) fn at<T: Send>(&self, number: Number, work: impl FnOnce(SocketAddr) -> T + Send) -> T {
        let api = self.api(number);
        self.nodes[number].host.inside(|| work(api))
    }

    pub(super) fn json(&self, number: Number, path: &str) -> Option<Value> {
        let reply = self.send(number, &format!("GET {path}"), "").ok()?;
        (reply.status == 200).then(|| reply.json())
    }

    /// The one server that says that it leads.
    pub(super) fn leader(&self) -> Option<Number> {
        let leads = |number: &Number| self.json(*number, "/v1/isleader").is_some();
        let mut leaders = (0..self.servers).filter(leads);
        leaders.next().filter(|_| leaders.next().is_none())
    }

    /// Whether a server leads, is ready, and shows every node as alive; which one.
    pub(super) fn whole(&mut self) -> Option<Number> {
        self.revive();
        let leader = self.leader()?;
        self.json(leader, "/readyz")?;
        let members = self.json(leader, "/v1/members")?;
        let text = |member: &Value, key: &str| member[key].as_str().unwrap_or_default().to_owned();
        let members: BTreeMap<String, String> =
            members.as_array()?.iter().map(|one| (text(one, "Name"), text(one, "statusText"))).collect();
        let all = self.nodes.iter().all(|node| members.get(&node.name).is_some_and(|how| how == "alive"));
        all.then_some(leader)
    }

    /// Stores a job and waits until it is committed.
    pub(super) fn store(&self, job: &Value) {
        eventually("a job to be stored", || {
            let reply = self.send(self.leader()?, "POST /v1/jobs", &job.to_string()).ok()?;
            (reply.status == 201).then_some(())
        });
    }

    /// No tick starts from now on.
    pub(super) fn hold(&self) {
        eventually("the jobs to be held", || {
            (self.send(self.leader()?, "POST /v1/hold", "").ok()?.status == 200).then_some(())
        });
    }

    /// The definitions of these jobs, as a leader has them.
    pub(super) fn jobs(&self, names: &[String]) -> Value {
        let jobs = eventually("the jobs", || self.json(self.leader()?, "/v1/jobs"));
        let wanted = |job: &&Value| names.iter().any(|name| job["name"] == name.as_str());
        json!(jobs.as_array().expect("a list").iter().filter(wanted).collect::<Vec<_>>())
    }

    /// Whether nothing runs and nothing waits to be told.
    pub(super) fn is_idle(&self) -> Option<bool> {
        Some(self.json(self.leader()?, "/v1/busy")? == json!([]))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.numbers().for_each(|number| {
            self.signal(number, Signal::CONT);
            self.kill(number);
        });
        let gone = within(Duration::from_secs(10), || {
            let left = processes::marked(&self.mark);
            left.iter().for_each(|process| processes::kill(process.pid));
            left.is_empty().then_some(())
        });
        drop(self.switch.take());
        if std::thread::panicking() || gone.is_none() {
            eprintln!("logs, clocks and ledgers are kept for you to look at: {}", self.folder().display());
            self.folder.take().map(TempDir::keep);
        }
        assert!(gone.is_some() || std::thread::panicking(), "processes live on");
    }
}
