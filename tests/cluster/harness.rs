//! A cluster of the real binary: every node on a loopback address and in a folder of its own, with the guide's flags
//! and ports. What happens to machines happens here to processes: killed, stopped, moved, a disk lost. Ends with all
//! that it started.

use crate::rig::http::{self, Reply};
use crate::rig::patience::{eventually, within};
use crate::rig::processes::{self, MARK};
use dkron::clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How many clusters live at a time: more would measure the machine.
const CLUSTERS_MAX: u32 = 2;
/// The guide's ports.
const PORTS: [u16; 3] = [8080, 8946, 6868];

/// Nodes by their number, which is the last part of their address.
pub(super) struct Cluster {
    folder: Option<TempDir>,
    mark: String,
    block: [u8; 3],
    nodes: BTreeMap<u8, Node>,
    /// What is sent with every request.
    token: Option<String>,
    /// Held as long as the cluster lives, so given back last.
    _turn: Turn,
}

struct Node {
    name: String,
    arguments: Vec<String>,
    /// An agent offers no API.
    server: bool,
    daemon: Option<Child>,
    stopped: bool,
}

impl Cluster {
    /// No node yet. Waits for its turn.
    pub(super) fn new() -> Cluster {
        let turn = Turn::take();
        let folder = tempfile::Builder::new().prefix("dkron-cluster-").tempdir().expect("a folder");
        let mark = folder.path().display().to_string();
        Cluster {
            mark,
            folder: Some(folder),
            block: free_block(),
            nodes: BTreeMap::new(),
            token: None,
            _turn: turn,
        }
    }

    /// The guide's first three servers, which answer.
    pub(super) fn of_three() -> Cluster {
        let mut cluster = Cluster::new();
        (1..=3).for_each(|number| cluster.add_guides_server(number));
        (1..=3).for_each(|number| cluster.start(number));
        (1..=3).for_each(|number| cluster.wait_until_ready(number));
        cluster
    }

    /// A server with the guide's flags for three; all but the first join the first.
    pub(super) fn add_guides_server(&mut self, number: u8) {
        let join = format!("--join={}", self.address(1));
        let arguments = ["--bootstrap-expect=3", &join];
        self.add_server(number, &arguments[..if number == 1 { 1 } else { 2 }]);
    }

    pub(super) fn add_server(&mut self, number: u8, arguments: &[&str]) {
        let arguments: Vec<&str> = ["--server"].iter().chain(arguments).copied().collect();
        self.add(number, format!("node{number}"), &arguments);
    }

    /// An agent that joins the first server.
    pub(super) fn add_agent(&mut self, number: u8, arguments: &[&str]) {
        let join = format!("--join={}", self.address(1));
        let arguments: Vec<&str> = [join.as_str()].iter().chain(arguments).copied().collect();
        self.add(number, format!("agent{number}"), &arguments);
    }

    /// A node, or what an earlier one of this number is from its next start on.
    pub(super) fn add(&mut self, number: u8, name: String, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let server = arguments.iter().any(|word| word == "--server" || word.starts_with("--config"));
        let node = Node { name, arguments, server, daemon: None, stopped: false };
        let before = self.nodes.insert(number, node);
        assert!(before.is_none_or(|before| before.daemon.is_none()), "node {number} runs");
    }

    pub(super) fn address(&self, number: u8) -> Ipv4Addr {
        let [one, two, three] = self.block;
        Ipv4Addr::new(one, two, three, number)
    }

    pub(super) fn api(&self, number: u8) -> SocketAddr {
        SocketAddr::new(self.address(number).into(), PORTS[0])
    }

    /// Where the test may keep files.
    pub(super) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a living cluster").path()
    }

    pub(super) fn data_dir(&self, number: u8) -> PathBuf {
        self.folder().join(format!("data{number}"))
    }

    fn node(&mut self, number: u8) -> &mut Node {
        self.nodes.get_mut(&number).expect("a node of this number")
    }

    /// Starts the daemon; does not wait for anything.
    pub(super) fn start(&mut self, number: u8) {
        let node = &self.nodes[&number];
        assert!(node.daemon.is_none(), "node {number} runs already");
        let address = self.address(number);
        let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env(MARK, &self.mark);
        command.arg("agent").args(&node.arguments).arg(format!("--node-name={}", node.name));
        command.arg(format!("--bind={address}")).arg("--data-dir").arg(self.data_dir(number));
        if node.server {
            command.arg(format!("--advertise={address}")).arg(format!("--http-addr={}", self.api(number)));
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_path(number)).expect("a log");
        let errors = log.try_clone().expect("the log");
        command.current_dir(self.folder()).stdin(Stdio::null()).stdout(log).stderr(errors);
        self.node(number).daemon = Some(command.spawn().expect("the binary runs"));
    }

    fn log_path(&self, number: u8) -> PathBuf {
        self.folder().join(format!("log{number}"))
    }

    /// What all daemons of this node have logged.
    pub(super) fn log(&self, number: u8) -> String {
        fs::read_to_string(self.log_path(number)).unwrap_or_default()
    }

    #[track_caller]
    pub(super) fn wait_for_log(&self, number: u8, words: &str) {
        eventually(&format!("{words:?} in the log of node {number}"), || {
            self.log(number).contains(words).then_some(())
        });
    }

    /// Kills a daemon with SIGKILL; what it started lives on.
    pub(super) fn kill(&mut self, number: u8) {
        let node = self.node(number);
        let mut daemon = node.daemon.take().expect("a running daemon");
        node.stopped = false;
        daemon.kill().expect("it can be killed");
        daemon.wait().expect("it ends");
    }

    /// Asks a daemon to stop with SIGTERM and waits until it has.
    pub(super) fn terminate(&mut self, number: u8) {
        self.signal(number, Signal::TERM);
        self.wait_for_good_end(number);
    }

    /// Waits until a daemon has ended well.
    #[track_caller]
    pub(super) fn wait_for_good_end(&mut self, number: u8) {
        assert_eq!(self.wait_for_end(number), Some(0), "the exit code of node {number}");
    }

    /// Stops a process as a machine stops that is starved or suspended.
    pub(super) fn suspend(&mut self, number: u8) {
        self.signal(number, Signal::STOP);
        self.node(number).stopped = true;
    }

    pub(super) fn resume(&mut self, number: u8) {
        self.signal(number, Signal::CONT);
        self.node(number).stopped = false;
    }

    /// Another command of the binary, with nothing of the test's environment but `PATH`.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env(MARK, &self.mark);
        command.args(words).current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// What a command printed, on both ways out, and its exit code.
    pub(super) fn run(&self, words: &[&str]) -> (i32, String) {
        let output = self.command(words).output().expect("the binary runs");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code().unwrap_or(-1), said.concat())
    }

    /// Waits until a daemon has ended by itself; its exit code.
    #[track_caller]
    pub(super) fn wait_for_end(&mut self, number: u8) -> Option<i32> {
        let node = self.node(number);
        let daemon = node.daemon.as_mut().expect("a daemon");
        let status = eventually("the daemon to end", || daemon.try_wait().expect("a child"));
        node.daemon = None;
        status.code()
    }

    pub(super) fn signal(&mut self, number: u8, signal: Signal) {
        let daemon = self.node(number).daemon.as_ref().expect("a running daemon");
        processes::signal(i32::try_from(daemon.id()).expect("a pid"), signal);
    }

    /// The disk of a node that does not run is gone.
    pub(super) fn lose_disk(&mut self, number: u8) {
        assert!(self.node(number).daemon.is_none(), "node {number} runs");
        self.kill_supervisors(number);
        fs::remove_dir_all(self.data_dir(number)).expect("its data directory");
    }

    /// The part of a server's data that is of its cluster is gone, what its agent knows stays.
    pub(super) fn forget_cluster(&mut self, number: u8) {
        assert!(self.node(number).daemon.is_none(), "node {number} runs");
        for folder in ["raft", "snapshots", "history"] {
            fs::remove_dir_all(self.data_dir(number).join(folder)).expect("a part of its data");
        }
    }

    fn kill_supervisors(&self, number: u8) {
        let directory = format!(" {} ", self.data_dir(number).display());
        let supervisors = processes::marked(&self.mark).into_iter();
        let supervisors = supervisors.filter(|one| format!("{} ", one.command).contains(&directory));
        supervisors.for_each(|supervisor| processes::kill(supervisor.pid));
    }

    /// From now on all nodes start on other addresses. The arguments are the caller's to change.
    pub(super) fn move_away(&mut self) {
        assert!(self.nodes.values().all(|node| node.daemon.is_none()), "a node runs");
        self.block = free_block();
    }

    /// The servers whose daemons run and are not stopped.
    pub(super) fn answering(&self) -> Vec<u8> {
        let answers = |node: &Node| node.server && node.daemon.is_some() && !node.stopped;
        self.nodes.iter().filter(|(_, node)| answers(node)).map(|(number, _)| *number).collect()
    }

    /// From now on every request is sent with this token, or with none.
    pub(super) fn send_with(&mut self, token: Option<&str>) {
        self.token = token.map(str::to_owned);
    }

    /// What is sent with every request.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request whose sending or answer may fail.
    pub(super) fn try_send(&self, number: u8, line: &str, body: &str) -> io::Result<Reply> {
        let token = self.token.as_deref().map(|token| ("x-dkron-token", token));
        http::send(self.api(number), line, token.as_slice(), body.as_bytes())
    }

    /// A request that is answered.
    #[track_caller]
    pub(super) fn send(&self, number: u8, line: &str, body: &str) -> Reply {
        self.try_send(number, line, body).unwrap_or_else(|error| panic!("node {number}: {line}: {error}"))
    }

    /// The JSON of a path that answers with 200; none if it does not now.
    pub(super) fn json(&self, number: u8, path: &str) -> Option<Value> {
        let reply = self.try_send(number, &format!("GET {path}"), "").ok()?;
        (reply.status == 200).then(|| reply.json())
    }

    /// Whether it takes writes and decides, or passes them to whoever does.
    pub(super) fn is_ready(&self, number: u8) -> bool {
        self.json(number, "/readyz").is_some()
    }

    #[track_caller]
    pub(super) fn wait_until_ready(&mut self, number: u8) {
        eventually(&format!("node {number} to be ready"), || {
            let daemon = self.node(number).daemon.as_mut().expect("a daemon");
            let ended = daemon.try_wait().expect("a child");
            assert!(ended.is_none(), "node {number} ended by itself: {ended:?}");
            self.is_ready(number).then_some(())
        });
    }

    /// The servers that say that they lead.
    pub(super) fn leaders(&self) -> Vec<u8> {
        let leads = |number: &u8| self.json(*number, "/v1/isleader").is_some();
        self.answering().into_iter().filter(leads).collect()
    }

    /// The one server that leads.
    #[track_caller]
    pub(super) fn leader(&self) -> u8 {
        eventually("one leader", || match self.leaders()[..] {
            [leader] => Some(leader),
            _ => None,
        })
    }

    /// The members as a server shows them, with Dkron's word for how each is.
    pub(super) fn members(&self, number: u8) -> BTreeMap<String, String> {
        let list = self.json(number, "/v1/members").unwrap_or_default();
        let text = |member: &Value, key: &str| member[key].as_str().unwrap_or_default().to_owned();
        let members = list.as_array().cloned().unwrap_or_default();
        members.iter().map(|member| (text(member, "Name"), text(member, "statusText"))).collect()
    }

    /// Waits until a server shows a member so.
    #[track_caller]
    pub(super) fn wait_for_member(&self, number: u8, name: &str, status: &str) {
        eventually(&format!("{name} as {status} on node {number}"), || {
            (self.members(number).get(name)? == status).then_some(())
        });
    }

    /// A member's id, as a server shows it, without dashes.
    pub(super) fn id_of(&self, number: u8, name: &str) -> Option<String> {
        let list = self.json(number, "/v1/members")?;
        let member = list.as_array()?.iter().find(|member| member["Name"] == name)?;
        Some(member["id"].as_str()?.replace('-', ""))
    }

    /// Runs a command of the program on a server's port for calls.
    pub(super) fn run_at(&self, number: u8, words: &[&str]) -> Output {
        let address = format!("--rpc-addr={}", self.address(number));
        self.command(words).arg(address).output().expect("the binary runs")
    }

    /// Waits until a leader has given this server a vote.
    #[track_caller]
    pub(super) fn wait_for_vote(&self, name: &str) {
        let id =
            eventually("its id", || self.answering().iter().find_map(|number| self.id_of(*number, name)));
        eventually(&format!("a vote for {name}, {id}"), || {
            self.answering().iter().any(|number| is_voter(&self.log(*number), &id)).then_some(())
        });
    }

    /// Stores a job by way of a server and expects that it is taken.
    #[track_caller]
    pub(super) fn store(&self, number: u8, job: &Value) {
        self.send(number, "POST /v1/jobs", &job.to_string()).expect(201);
    }

    /// Waits until a server has a job.
    #[track_caller]
    pub(super) fn wait_for_job(&self, number: u8, job: &str) {
        eventually(&format!("job {job} on node {number}"), || self.json(number, &format!("/v1/jobs/{job}")));
    }

    /// Whether there is a quorum: a write is committed.
    #[track_caller]
    pub(super) fn expect_writes(&self, number: u8, job: &str) {
        let body = json!({"name": job, "schedule": "@manually", "executor": "shell",
            "executor_config": {"command": "true"}});
        eventually(&format!("a write by way of node {number}"), || {
            let reply = self.try_send(number, "POST /v1/jobs", &body.to_string()).ok()?;
            (reply.status == 201).then_some(())
        });
    }
}

/// Whether a leader's log says that this server was given a vote.
fn is_voter(log: &str, id: &str) -> bool {
    let given =
        [format!("done: let server {id} vote: "), format!("done: let server {id} vote in the place of ")];
    given.iter().any(|words| log.contains(words))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            if let Some(mut daemon) = node.daemon.take() {
                let _ = daemon.kill();
                let _ = daemon.wait();
            }
        }
        let gone = within(Duration::from_secs(10), || {
            let left = processes::marked(&self.mark);
            left.iter().for_each(|process| processes::kill(process.pid));
            left.is_empty().then_some(())
        });
        if std::thread::panicking() || gone.is_none() {
            for (number, node) in &self.nodes {
                let log = self.log(*number);
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(30)..];
                eprintln!("--- {} ({}):\n{}", node.name, self.address(*number), tail.join("\n"));
            }
            eprintln!("kept for you to look at: {}", self.folder().display());
            self.folder.take().map(TempDir::keep);
        }
        assert!(gone.is_some() || std::thread::panicking(), "processes live on");
    }
}

/// Three parts of an address of which nobody uses the guide's ports at numbers 1 to 9. Each test process begins
/// somewhere else.
fn free_block() -> [u8; 3] {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let is_free = |[one, two, three]: &[u8; 3]| {
        let addresses = (1..10).map(|number| Ipv4Addr::new(*one, *two, *three, number));
        addresses
            .flat_map(|address| PORTS.map(|port| (address, port)))
            .all(|at| TcpListener::bind(at).is_ok())
    };
    let candidates = (0..1_000).map(|_| {
        let place = std::process::id().wrapping_mul(61).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
        let [_, _, two, three] = place.to_be_bytes();
        [127, two | 0x80, three]
    });
    candidates.into_iter().find(is_free).expect("free loopback addresses with the guide's ports")
}

/// The right to have a cluster.
struct Turn;

static TAKEN: Mutex<u32> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Turn {
    fn take() -> Turn {
        let taken = TAKEN.lock().expect("nobody panics with it");
        let mut taken = GIVEN_BACK.wait_while(taken, |taken| *taken >= CLUSTERS_MAX).expect("the same");
        *taken += 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().expect("nobody panics with it") -= 1;
        GIVEN_BACK.notify_one();
    }
}

/// Milliseconds since then, and how busy the machine is: a figure without its circumstances says nothing.
pub(super) fn took(since: Instant) -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let took = clock::monotonic().saturating_duration_since(since).as_millis();
    format!("{took} ms (load {})", load.split(' ').next().unwrap_or("unknown"))
}
