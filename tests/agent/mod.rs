//! The agent with real processes: a supervisor of its own, real signals, real files.

mod attend;
mod crash;
mod http;
mod rate;
mod restart;
mod shell;
mod supervisor;

use dkron::agent::{Agent, AgentHandle, Options, Program};
use dkron::task;
use dkron_core::command::{Event, Report};
use dkron_core::delivery::{FromAgent, Launch, ToAgent};
use dkron_core::execution::Outcome;
use dkron_core::ids::{
    ClusterId, ExecutionId, ExecutionRef, Incarnation, JobUid, JournalId, NodeId, OccurrenceRef, Origin,
    Stamp,
};
use dkron_core::job::{Job, Words};
use dkron_core::time::{Span, Time};
use dkron_wire::delivery::service::{Agents, AgentsServer};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Long enough for anything on a busy machine; whoever waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The ids of one test's executions. An orphan is known by its execution's id, so those of two tests must differ,
/// as in life.
#[derive(Clone, Copy, Default)]
struct Ids(u128);

impl Ids {
    fn new() -> Ids {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Ids(u128::from(std::process::id()) << 96 | u128::from(count) << 64)
    }

    fn of(self, number: u64) -> ExecutionId {
        ExecutionId(self.0 | u128::from(number))
    }

    fn launch(self, journal: JournalId, number: u64, executor: &str, config: &[(&str, &str)]) -> Launch {
        let job = Job {
            name: "tick".to_owned(),
            executor: executor.to_owned(),
            executor_config: words(config),
            ..Job::default()
        };
        Launch {
            execution: reference(number),
            id: self.of(number),
            job: JobUid(1),
            job_name: "tick".into(),
            origin: Origin::Schedule,
            nominal: now(),
            decided_at: now(),
            journal,
            start_before: now() + Span::from_seconds(60),
            definition: dkron_wire::definition::encode(&job).into(),
        }
    }
}

/// A data directory whose supervisor ends with it.
struct DataDir {
    folder: tempfile::TempDir,
    ids: Ids,
}

impl DataDir {
    fn new() -> DataDir {
        DataDir { folder: tempfile::tempdir().expect("temporary folder"), ids: Ids::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn id(&self, number: u64) -> ExecutionId {
        self.ids.of(number)
    }

    /// Where the agent keeps a long output until it is settled.
    fn output(&self, number: u64) -> PathBuf {
        self.path().join("agent/outputs").join(self.id(number).to_string())
    }

    /// The number that a job writes to a file in this directory.
    async fn number_in(&self, name: &str) -> u32 {
        let path = self.path().join(name);
        let read = || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.strip_suffix('\n').and_then(|text| text.parse().ok())
        };
        eventually(name, || read().is_some()).await;
        read().expect("it was there")
    }

    /// The supervisor's process, found by its command line.
    fn supervisor(&self) -> Option<u32> {
        let wanted = format!("supervise\0--data-dir\0{}\0", self.path().display());
        let entries = fs::read_dir("/proc").ok()?;
        let mut pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(&wanted))
        })
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if let Some(pid) = self.supervisor() {
            kill(pid);
        }
    }
}

fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process number");
    let _ = kill_process(pid, signal);
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
}

fn options(data_dir: &Path, slots: u32) -> Options {
    Options {
        data_dir: data_dir.to_owned(),
        node: None,
        name: "here".into(),
        tags: Words::new(),
        slots,
        server: false,
        address: "127.0.0.1:0".into(),
        benchmarks: true,
        supervisor: Program {
            path: PathBuf::from(env!("CARGO_BIN_EXE_dkron")),
            arguments: ["supervise", "--data-dir"]
                .map(str::to_owned)
                .into_iter()
                .chain([data_dir.display().to_string()])
                .collect(),
        },
    }
}

fn welcome() -> ToAgent {
    welcome_of(1)
}

fn welcome_of(server: u128) -> ToAgent {
    let stamp = Stamp { cluster: ClusterId(2), incarnation: Incarnation(1) };
    ToAgent::Welcome { server: NodeId(server), stamp }
}

fn now() -> Time {
    dkron::clock::wall()
}

fn reference(number: u64) -> ExecutionRef {
    ExecutionRef { occurrence: OccurrenceRef { index: number, position: 0 }, ordinal: 0, attempt: 1 }
}

fn words(pairs: &[(&str, &str)]) -> Words {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Serves agents on a port of its own; its address.
async fn serve(agents: impl Agents) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let serving = tonic::transport::Server::builder().add_service(AgentsServer::new(agents));
    drop(task::spawn("test server", serving.serve_with_incoming(incoming)));
    address
}

/// An agent in this process and what it has said.
struct Node {
    agent: AgentHandle,
    ids: Ids,
    accepted: Vec<ExecutionId>,
    started: Vec<ExecutionId>,
    outcomes: BTreeMap<ExecutionId, Outcome>,
    outputs: BTreeMap<ExecutionId, Vec<u8>>,
}

impl Node {
    async fn start(data: &DataDir, slots: u32) -> Node {
        let agent = Agent::start(options(data.path(), slots)).await.expect("the agent starts");
        let mut node = Node {
            agent,
            ids: data.ids,
            accepted: Vec::new(),
            started: Vec::new(),
            outcomes: BTreeMap::new(),
            outputs: BTreeMap::new(),
        };
        node.say(welcome()).await;
        node.say(ToAgent::Leading { term: 1 }).await;
        node
    }

    fn id(&self, number: u64) -> ExecutionId {
        self.ids.of(number)
    }

    async fn say(&mut self, said: ToAgent) {
        self.agent.inbox.send(said).await.expect("the agent listens");
    }

    async fn launch(&mut self, number: u64, executor: &str, config: &[(&str, &str)]) {
        let journal = self.agent.registration.journal;
        self.say(ToAgent::Launch(self.ids.launch(journal, number, executor, config))).await;
    }

    async fn cancel(&mut self, number: u64) {
        self.say(ToAgent::Cancel { execution: reference(number), id: self.id(number) }).await;
    }

    /// Listens until `condition` holds.
    async fn until(&mut self, condition: impl Fn(&Node) -> bool) {
        let listening = async {
            while !condition(self) {
                let said = self.agent.outbox.recv().await.expect("the agent speaks");
                self.hear(said);
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.expect("it happens in time");
    }

    fn hear(&mut self, said: FromAgent) {
        match said {
            FromAgent::Hello { .. } | FromAgent::Leaving => panic!("the stream says it, not the agent"),
            FromAgent::Reports(told) => {
                for told in told {
                    let Report { check, event, .. } = told.report;
                    assert_eq!(check, told.id.check());
                    self.hear_event(told.id, event);
                }
            }
            FromAgent::Output { id, offset, bytes } => {
                let output = self.outputs.entry(id).or_default();
                output.resize(usize::try_from(offset).expect("a small output"), b'?');
                output.extend_from_slice(&bytes);
            }
        }
    }

    fn hear_event(&mut self, id: ExecutionId, event: Event) {
        match event {
            Event::Accepted => self.accepted.push(id),
            Event::Started { .. } => self.started.push(id),
            Event::Finished(outcome) => {
                let first = self.outcomes.entry(id).or_insert_with(|| outcome.clone());
                assert_eq!(first, &outcome, "an outcome never changes");
            }
        }
    }

    async fn outcome(&mut self, number: u64) -> Outcome {
        let id = self.id(number);
        self.until(|node| node.outcomes.contains_key(&id)).await;
        self.outcomes[&id].clone()
    }

    async fn run(&mut self, number: u64, config: &[(&str, &str)]) -> Outcome {
        self.launch(number, "shell", config).await;
        self.outcome(number).await
    }

    async fn run_in_shell(&mut self, number: u64, command: &str) -> Outcome {
        self.run(number, &[("command", command), ("shell", "true")]).await
    }
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.tail).into_owned()
}

/// Waits for something that only the file system or the process table tells of.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
