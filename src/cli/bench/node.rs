//! Nodes of this very binary, started for a benchmark in folders of their own and ended with it. All listen on
//! the loopback address and differ by their ports.

use super::api::Api;
use super::processes;
use crate::clock;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
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
/// Its three ports: the API's, gossip's, that of calls between nodes.
const PORTS: usize = 3;

/// How a node is started, and started again.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    name: String,
    folder: PathBuf,
    ports: [u16; PORTS],
    /// Its flags beyond those that all nodes have.
    role: Vec<String>,
}

impl Setup {
    /// A server that is a cluster by itself.
    pub(super) fn alone(folder: &Path) -> anyhow::Result<Setup> {
        Setup::new("bench", folder, vec!["--dev".to_owned()])
    }

    /// Servers that form one cluster.
    pub(super) fn cluster(folder: &Path, count: usize) -> anyhow::Result<Vec<Setup>> {
        let mut setups: Vec<Setup> = Vec::new();
        for number in 1..=count {
            let mut role = vec!["--server".to_owned(), format!("--bootstrap-expect={count}")];
            role.extend(setups.first().map(Setup::join));
            setups.push(Setup::new(&format!("bench{number}"), folder, role)?);
        }
        Ok(setups)
    }

    /// An agent of this server's cluster, with this tag.
    pub(super) fn agent(folder: &Path, tag: &str, server: &Setup) -> anyhow::Result<Setup> {
        Setup::new("bench-agent", folder, vec![format!("--tag={tag}"), server.join()])
    }

    fn new(name: &str, folder: &Path, role: Vec<String>) -> anyhow::Result<Setup> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).context("the node's folder")?;
        Ok(Setup { name: name.to_owned(), folder, ports: free_ports()?, role })
    }

    fn join(&self) -> String {
        format!("--retry-join={}:{}", Ipv4Addr::LOCALHOST, self.ports[1])
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let [api, gossip, calls] = self.ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let log = File::options().create(true).append(true).open(self.log()).context("the node's log")?;
        let mut command = Command::new(program);
        command.args(["agent", "--enable-bench-executor", "--slots", SLOTS, "--log-level", "warn"]);
        command.args(["--node-name", &self.name]).args(&self.role);
        command.arg("--data-dir").arg(self.folder.join("data"));
        command.arg("--http-addr").arg(api.to_string()).arg("--bind-addr").arg(gossip.to_string());
        command.arg("--rpc-port").arg(calls.port().to_string());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        command.spawn().with_context(|| format!("the node {} does not start", self.name))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
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
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.setup.ports[0])
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
        let (api, start) = (Api::new(vec![self.url()])?, clock::monotonic());
        while !api.is_ready().await {
            if let Some(status) = self.daemon.try_wait()? {
                let log = fs::read_to_string(self.setup.log()).unwrap_or_default();
                bail!("the node ended by itself with {status}: {log}");
            }
            anyhow::ensure!(start.elapsed() < READY, "the node is not ready after {READY:?}");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
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

/// Ports that nobody had a moment ago.
fn free_ports() -> anyhow::Result<[u16; PORTS]> {
    let mut listeners = Vec::new();
    for _ in 0..PORTS {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?);
    }
    let mut ports = [0; PORTS];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().context("no free port")?.port();
    }
    Ok(ports)
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
