//! Nodes of this very binary, started for a benchmark in folders of their own and ended with it. Each has a loopback
//! address of its own and everybody's ports: ports that are merely free are taken by somebody's connection before the
//! node listens there.

use super::api::Api;
use super::processes;
use crate::clock;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a node may take until it is ready: a restart with a million jobs included.
const READY: Duration = Duration::from_secs(180);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(1);
/// Far more than run at a time: no benchmark is about a full node.
const SLOTS: &str = "100000";
/// The ports of the API, of gossip, of calls between nodes.
const PORTS: [u16; 3] = [8080, 8946, 6868];
/// Nodes of one benchmark at most: the last part of their addresses.
const NODES_MAX: u8 = 16;

/// Where the nodes of one benchmark are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    /// The first parts of the addresses.
    block: [u8; 3],
    count: u8,
}

impl Place {
    /// # Errors
    /// If no loopback addresses are free.
    pub(super) fn new(folder: &Path) -> anyhow::Result<Place> {
        Ok(Place { folder: folder.to_owned(), block: free_block()?, count: 0 })
    }

    /// A server that is a cluster by itself.
    pub(super) fn alone(&mut self) -> anyhow::Result<Setup> {
        self.node("bench", vec!["--dev".to_owned()])
    }

    /// Servers that form one cluster.
    pub(super) fn cluster(&mut self, count: usize) -> anyhow::Result<Vec<Setup>> {
        let mut setups: Vec<Setup> = Vec::new();
        for number in 1..=count {
            let mut role = vec!["--server".to_owned(), format!("--bootstrap-expect={count}")];
            role.extend(setups.first().map(Setup::join));
            setups.push(self.node(&format!("bench{number}"), role)?);
        }
        Ok(setups)
    }

    /// An agent of this server's cluster, with this tag.
    pub(super) fn agent(&mut self, tag: &str, server: &Setup) -> anyhow::Result<Setup> {
        self.node("bench-agent", vec![format!("--tag={tag}"), server.join()])
    }

    fn node(&mut self, name: &str, role: Vec<String>) -> anyhow::Result<Setup> {
        anyhow::ensure!(self.count < NODES_MAX, "a benchmark has at most {NODES_MAX} nodes");
        self.count += 1;
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).context("the node's folder")?;
        Ok(Setup { name: name.to_owned(), folder, address: address(self.block, self.count), role })
    }
}

/// How a node is started, and started again.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    name: String,
    folder: PathBuf,
    address: Ipv4Addr,
    /// Its flags beyond those that all nodes have.
    role: Vec<String>,
}

impl Setup {
    fn join(&self) -> String {
        format!("--retry-join={}", self.address)
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let [api, gossip, calls] = PORTS;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let log =
            File::options().create(true).append(true).open(self.log_file()).context("the node's log")?;
        let mut command = Command::new(program);
        command.args(["agent", "--enable-bench-executor", "--slots", SLOTS, "--log-level", "warn"]);
        command.args(["--node-name", &self.name]).args(&self.role);
        command.arg("--data-dir").arg(self.folder.join("data"));
        command.arg(format!("--http-addr={}:{api}", self.address));
        command.arg(format!("--bind-addr={}:{gossip}", self.address)).arg(format!("--rpc-port={calls}"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        command.spawn().with_context(|| format!("the node {} does not start", self.name))
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What it wrote about itself.
    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_else(|error| format!("its log cannot be read: {error}"))
    }
}

/// A node.
pub(super) struct Node {
    setup: Setup,
    daemon: Child,
    /// The supervisor, once it was seen: it outlives the daemon, and is ended here.
    supervisor: Option<u32>,
}

impl Node {
    /// Starts a node; does not wait for anything.
    pub(super) fn start(setup: Setup) -> anyhow::Result<Node> {
        Ok(Node { daemon: setup.spawn()?, setup, supervisor: None })
    }

    /// Its name in the cluster.
    pub(super) fn name(&self) -> &str {
        &self.setup.name
    }

    /// Where its API is.
    pub(super) fn url(&self) -> String {
        format!("http://{}:{}", self.setup.address, PORTS[0])
    }

    /// Its processes: the daemon, and the supervisor of its jobs.
    pub(super) fn pids(&mut self) -> Vec<u32> {
        let Some(daemon) = self.daemon.id() else { return Vec::new() };
        self.supervisor = self.supervisor.or_else(|| processes::children(daemon).first().copied());
        [daemon].into_iter().chain(self.supervisor).collect()
    }

    /// The bytes that its files take.
    pub(super) fn disk_bytes(&self) -> u64 {
        bytes_in(&self.setup.folder.join("data"))
    }

    /// Asks the daemon to stop, or kills it; the time until it was gone.
    pub(super) async fn end(&mut self, signal: Signal) -> anyhow::Result<Duration> {
        self.pids();
        let daemon = self.daemon.id().context("the daemon does not run")?;
        let start = clock::monotonic();
        send(daemon, signal);
        self.daemon.wait().await.context("waiting for the daemon's end")?;
        Ok(start.elapsed())
    }

    /// Starts the daemon again; the time until it took writes.
    pub(super) async fn restart(&mut self) -> anyhow::Result<Duration> {
        let start = clock::monotonic();
        self.daemon = self.setup.spawn()?;
        self.wait_until_ready().await?;
        Ok(start.elapsed())
    }

    /// Waits until a server takes writes.
    pub(super) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        wait_until_ready(std::slice::from_mut(self)).await
    }

    /// # Errors
    /// If the daemon has ended.
    fn expect_alive(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.daemon.try_wait()? else { return Ok(()) };
        bail!("the node {} ended by itself with {status}: {}", self.name(), self.setup.log())
    }
}

/// Waits until each of these servers takes writes.
///
/// # Errors
/// If it takes too long, or one of them ends; with what they wrote.
pub(super) async fn wait_until_ready(servers: &mut [Node]) -> anyhow::Result<()> {
    let start = clock::monotonic();
    for number in 0..servers.len() {
        let api = Api::new(vec![servers[number].url()])?;
        while !api.is_ready().await {
            servers.iter_mut().try_for_each(Node::expect_alive)?;
            if start.elapsed() >= READY {
                let logs = servers.iter().map(|server| format!("{}:\n{}", server.name(), server.setup.log()));
                let logs: Vec<String> = logs.collect();
                bail!("{} is not ready after {READY:?}\n{}", servers[number].name(), logs.join("\n"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

impl Drop for Node {
    fn drop(&mut self) {
        self.pids();
        // The daemon goes with its handle; its supervisor would stay for some minutes.
        if let Some(supervisor) = self.supervisor {
            send(supervisor, Signal::TERM);
        }
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // One that is gone already is as well.
        let _ = kill_process(pid, signal);
    }
}

fn address([one, two, three]: [u8; 3], number: u8) -> Ipv4Addr {
    Ipv4Addr::new(one, two, three, number)
}

/// The first parts of loopback addresses at which nobody uses the ports. Each process begins somewhere else.
fn free_block() -> anyhow::Result<[u8; 3]> {
    let start = std::process::id().wrapping_mul(61);
    let block = |attempt: u32| {
        let [_, _, two, three] = start.wrapping_add(attempt).to_be_bytes();
        // The lower half of the network, without the addresses that services of this machine use.
        [127, two & 0x7F | 0x40, three]
    };
    (0..1_000).map(block).find(|block| is_free(*block)).context("no loopback addresses with free ports")
}

fn is_free(block: [u8; 3]) -> bool {
    let addresses = (1..=NODES_MAX).map(|number| address(block, number));
    addresses.flat_map(|address| PORTS.map(|port| SocketAddr::from((address, port)))).all(|at| {
        let (streams, datagrams) = (TcpListener::bind(at), UdpSocket::bind(at));
        streams.is_ok() && datagrams.is_ok()
    })
}

/// The bytes of all files below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}
