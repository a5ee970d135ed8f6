//! One node of the real binary: on a loopback address and in a folder of its own, so that tests run side by
//! side; killed with everything it started when the test ends.

use crate::rig::http::{self, Reply};
use crate::rig::patience::{PATIENCE, eventually, within};
use crate::rig::processes::{self, MARK, Process};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A node. Its folder stays when the test fails.
pub(crate) struct Node {
    folder: Option<TempDir>,
    mark: String,
    address: IpAddr,
    daemon: Option<Child>,
    arguments: Vec<String>,
}

impl Node {
    /// A node that answers.
    pub(crate) fn start() -> Node {
        Node::start_with(&[])
    }

    /// A node with more arguments that answers.
    pub(crate) fn start_with(arguments: &[&str]) -> Node {
        let mut node = Node::new(arguments);
        node.spawn();
        node.wait_until_ready();
        node
    }

    /// A node that is not started yet.
    pub(crate) fn new(arguments: &[&str]) -> Node {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("dkron-node-").tempdir().expect("a folder");
        Node {
            mark: format!("{}-{count}", folder.path().display()),
            folder: Some(folder),
            address: free_address(count),
            daemon: None,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// Where the test may keep files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a living node").path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Where its API is.
    pub(crate) fn api(&self) -> SocketAddr {
        SocketAddr::new(self.address, API_PORT)
    }

    /// A command that would start this node's daemon, with nothing of the test's environment but `PATH`.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env(MARK, &self.mark);
        command.args(["agent", "--dev", "--node-name", "node1"]).arg("--data-dir").arg(self.data_dir());
        command.arg("--http-addr").arg(self.api().to_string());
        command.arg("--bind-addr").arg(SocketAddr::new(self.address, BIND_PORT).to_string());
        command.arg("--rpc-port").arg(RPC_PORT.to_string()).args(&self.arguments).current_dir(self.folder());
        command
    }

    /// Starts the daemon; does not wait for anything.
    pub(crate) fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "it runs already");
        let log = self.log_file();
        let errors = log.try_clone().expect("the log");
        let daemon = self.command().stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        self.daemon = Some(daemon.expect("the binary runs"));
    }

    fn log_file(&self) -> File {
        let path = self.folder().join("log");
        OpenOptions::new().create(true).append(true).open(path).expect("a log")
    }

    /// What all daemons of this node have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Whether it takes writes and decides.
    pub(crate) fn is_ready(&self) -> bool {
        http::send(self.api(), "GET /readyz", &[], b"").is_ok_and(|reply| reply.status == 200)
    }

    #[track_caller]
    pub(crate) fn wait_until_ready(&mut self) {
        let ready = within(PATIENCE, || {
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().expect("a child"));
            (ended.is_some() || self.is_ready()).then_some(ended)
        });
        match ready {
            Some(None) => {}
            Some(Some(status)) => panic!("the daemon ended by itself: {status}\n{}", self.log()),
            None => panic!("not ready after {PATIENCE:?}\n{}", self.log()),
        }
    }

    /// Kills the daemon with SIGKILL; what it started lives on.
    pub(crate) fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("a running daemon");
        daemon.kill().expect("it can be killed");
        daemon.wait().expect("it ends");
    }

    /// Asks the daemon to stop with SIGTERM and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("a running daemon");
        processes::signal(i32::try_from(daemon.id()).expect("a pid"), Signal::TERM);
        match within(PATIENCE, || daemon.try_wait().expect("a child")) {
            Some(status) => status,
            None => {
                self.daemon = Some(daemon);
                panic!("still running {PATIENCE:?} after SIGTERM\n{}", self.log())
            }
        }
    }

    /// Kills and starts again.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.wait_until_ready();
    }

    /// All living processes that this node or its jobs started.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes::marked(&self.mark)
    }

    /// Kills its supervisors with SIGKILL; there is at most one that works.
    pub(crate) fn kill_supervisor(&self) {
        let supervisors = self.processes().into_iter().filter(|one| one.command.contains(" supervise "));
        supervisors.for_each(|supervisor| processes::kill(supervisor.pid));
    }

    /// A request whose sending or answer may fail, as when the node is being killed.
    pub(crate) fn try_send(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        http::send(self.api(), line, headers, body)
    }

    /// A request that is answered, such as `POST /v1/jobs`.
    #[track_caller]
    pub(crate) fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        match self.try_send(line, headers, body) {
            Ok(reply) => reply,
            Err(error) => panic!("{line}: {error}\n{}", self.log()),
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(&format!("GET {path}"), &[], b"")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.send(&format!("POST {path}"), &[], body.as_ref())
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send(&format!("DELETE {path}"), &[], b"")
    }

    /// The JSON of a path that answers with 200.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Value {
        self.get(path).expect(200).json()
    }

    /// The elements of a path that answers with a list.
    #[track_caller]
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        match self.json(path) {
            Value::Array(list) => list,
            other => panic!("{path}: no list but {other}"),
        }
    }

    /// Stores a job and expects that it is taken.
    #[track_caller]
    pub(crate) fn store(&self, job: &Value) {
        self.post("/v1/jobs", job.to_string()).expect(201);
    }

    /// Starts a job by hand.
    #[track_caller]
    pub(crate) fn run(&self, job: &str) {
        self.post(&format!("/v1/jobs/{job}/run"), "").expect(200);
    }

    /// The executions of a job that have ended, newest first, as soon as there are so many.
    #[track_caller]
    pub(crate) fn ended(&self, job: &str, count: usize) -> Vec<Value> {
        let path = format!("/v1/jobs/{job}/executions");
        eventually(&format!("{count} ended executions of {job}"), || {
            let mut list = self.list(&path);
            list.retain(has_ended);
            (list.len() >= count).then_some(list)
        })
    }
}

/// Whether an execution has an end: Go's zero time, in any zone, is none.
fn has_ended(execution: &Value) -> bool {
    execution["finished_at"].as_str().is_some_and(|at| !at.starts_with("000"))
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let gone = within(Duration::from_secs(10), || {
            let left = self.processes();
            left.iter().for_each(|process| processes::kill(process.pid));
            left.is_empty().then_some(())
        });
        if std::thread::panicking() || gone.is_none() {
            eprintln!("kept for you to look at: {}", self.folder().display());
            self.folder.take().map(TempDir::keep);
        }
        assert!(gone.is_some() || std::thread::panicking(), "processes live on: {:?}", self.processes());
    }
}

const API_PORT: u16 = 21_080;
const BIND_PORT: u16 = 21_946;
const RPC_PORT: u16 = 21_868;

/// A loopback address of which nobody uses the ports. Each test process begins somewhere else.
fn free_address(count: u32) -> IpAddr {
    let start = std::process::id().wrapping_mul(251).wrapping_add(count * 2);
    let candidates = (0..1_000_u32).map(|step| {
        let [_, one, two, three] = start.wrapping_add(step * 98).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(127, one | 1, two, three | 1))
    });
    let is_free = |address: &IpAddr| {
        [API_PORT, BIND_PORT, RPC_PORT].iter().all(|port| TcpListener::bind((*address, *port)).is_ok())
    };
    candidates.into_iter().find(is_free).expect("a free loopback address")
}
