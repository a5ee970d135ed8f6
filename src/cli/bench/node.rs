//! A node of this very binary, started for a benchmark in a folder of its own and ended with it.

use super::api::Api;
use super::processes;
use crate::clock;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
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

/// A node.
pub(super) struct Node {
    folder: PathBuf,
    ports: [u16; PORTS],
    daemon: Child,
    /// The supervisor, once it was seen: it outlives the daemon, and is ended here.
    supervisor: Option<u32>,
}

impl Node {
    /// Starts a node whose data are in this folder; the time until it took writes.
    pub(super) async fn start(folder: &Path) -> anyhow::Result<(Node, Duration)> {
        let folder = folder.to_path_buf();
        let ports = free_ports()?;
        let start = clock::monotonic();
        let daemon = spawn(&folder, ports)?;
        let mut node = Node { folder, ports, daemon, supervisor: None };
        node.wait_until_ready().await?;
        Ok((node, start.elapsed()))
    }

    /// Where its API is.
    pub(super) fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.ports[0])
    }

    /// Its processes: the daemon, and the supervisor of its jobs.
    pub(super) fn pids(&mut self) -> Vec<u32> {
        let Some(daemon) = self.daemon.id() else { return Vec::new() };
        self.supervisor = self.supervisor.or_else(|| processes::children(daemon).first().copied());
        [daemon].into_iter().chain(self.supervisor).collect()
    }

    /// The bytes that its files take.
    pub(super) fn disk_bytes(&self) -> u64 {
        bytes_in(&self.folder.join("data"))
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
        self.daemon = spawn(&self.folder, self.ports)?;
        self.wait_until_ready().await?;
        Ok(start.elapsed())
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let (api, start) = (Api::new(vec![self.url()])?, clock::monotonic());
        while !api.is_ready().await {
            if let Some(status) = self.daemon.try_wait()? {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
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

fn spawn(folder: &Path, ports: [u16; PORTS]) -> anyhow::Result<Child> {
    let [api, gossip, calls] = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let log = File::options().create(true).append(true).open(folder.join("log")).context("the node's log")?;
    let mut command = Command::new(program);
    command.args(["agent", "--dev", "--enable-bench-executor", "--node-name", "bench", "--slots", SLOTS]);
    command.args(["--log-level", "warn"]).arg("--data-dir").arg(folder.join("data"));
    command.arg("--http-addr").arg(api.to_string()).arg("--bind-addr").arg(gossip.to_string());
    command.arg("--rpc-port").arg(calls.port().to_string());
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    command.spawn().context("the node does not start")
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
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}
