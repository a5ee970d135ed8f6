//! An agent in this process, a data directory, and the server's side of the talk.

use dkron::agent::{Agent, AgentError, AgentHandle, Options, Program};
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, Launch, ToAgent};
use dkron_core::execution::Outcome;
use dkron_core::ids::{
    ClusterId, ExecutionId, ExecutionRef, Incarnation, JobUid, NodeId, OccurrenceRef, Origin, Stamp,
};
use dkron_core::job::{Job, Words};
use dkron_core::time::Time;
use dkron_wire::definition;
use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory; its supervisor ends with it.
pub(super) struct Data(TempDir);

impl Data {
    pub(super) fn new() -> Data {
        Data(tempfile::tempdir().expect("temporary folder"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The supervisor's number.
    pub(super) fn supervisor(&self) -> Option<u32> {
        let numbers = fs::read_dir("/proc").expect("/proc").flatten();
        let mut numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let own = self.path().to_string_lossy().into_owned();
        numbers.find(|number| {
            let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("\0supervise\0") && line.trim_end_matches('\0').ends_with(&own)
        })
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.supervisor().into_iter().for_each(kill);
    }
}

/// Kills one process.
pub(super) fn kill(number: u32) {
    Command::new("kill").args(["-9", &number.to_string()]).status().expect("kill runs");
}

/// Whether a process lives; one that waits to be reaped does not.
pub(super) fn lives(number: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until a condition holds.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, poll).await;
}

/// Waits, but not for ever.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Settings from pairs.
pub(super) fn words(pairs: &[(&str, &str)]) -> Words {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Starts the agent of a data directory as soon as the one before has let go of it.
pub(super) async fn start(data: &Path, supervisor: PathBuf) -> AgentHandle {
    let options = || Options {
        data_dir: data.to_owned(),
        node: Some(NodeId(1)),
        name: "node1".into(),
        tags: Words::new(),
        slots: 64,
        server: false,
        address: "127.0.0.1:1".into(),
        benchmarks: false,
        supervisor: Program {
            path: supervisor.clone(),
            arguments: vec!["supervise".into(), "--data-dir".into(), data.to_string_lossy().into_owned()],
        },
    };
    let agent = async {
        loop {
            match Agent::start(options()).await {
                Err(AgentError::InUse) => tokio::time::sleep(Duration::from_millis(2)).await,
                started => return started.expect("the agent starts"),
            }
        }
    };
    within("the agent's start", agent).await
}

/// The welcome of the one server that there is.
pub(super) fn welcome() -> ToAgent {
    let stamp = Stamp { cluster: ClusterId(7), incarnation: Incarnation(1) };
    ToAgent::Welcome { server: NodeId(9), stamp }
}

/// The small name of the test's n-th execution.
pub(super) fn reference(number: u128) -> ExecutionRef {
    ExecutionRef { occurrence: OccurrenceRef { index: number as u64, position: 0 }, ordinal: 0, attempt: 1 }
}

/// An order for an agent.
pub(super) fn launch(agent: &AgentHandle, number: u128, executor: &str, config: Words) -> ToAgent {
    let job = Job {
        name: "tick".to_owned(),
        executor: executor.to_owned(),
        executor_config: config,
        ..Job::default()
    };
    ToAgent::Launch(Launch {
        execution: reference(number),
        id: ExecutionId(number),
        job: JobUid(5),
        job_name: "tick".into(),
        origin: Origin::Schedule,
        nominal: Time::from_seconds(60),
        decided_at: Time::from_seconds(60),
        journal: agent.registration.journal,
        start_before: Time::NEVER,
        definition: definition::encode(&job).into(),
    })
}

/// An agent that a server has welcomed, and what it told.
pub(super) struct Rig {
    pub(super) agent: AgentHandle,
    pub(super) data: Data,
    pub(super) streamed: BTreeMap<ExecutionId, Vec<u8>>,
    ended: BTreeMap<ExecutionId, Outcome>,
    last: u128,
}

impl Rig {
    pub(super) async fn start() -> Rig {
        let data = Data::new();
        let agent = start(data.path(), env!("CARGO_BIN_EXE_dkron").into()).await;
        for said in [welcome(), ToAgent::Leading { term: 1 }] {
            agent.inbox.send(said).await.expect("the agent listens");
        }
        // An orphan is known by its execution's id: those of two tests must differ, as in life.
        static RIGS: AtomicU32 = AtomicU32::new(1);
        let rigs = u128::from(RIGS.fetch_add(1, Ordering::Relaxed)) << 32;
        let last = u128::from(std::process::id()) << 64 | rigs;
        Rig { agent, data, streamed: BTreeMap::new(), ended: BTreeMap::new(), last }
    }

    pub(super) async fn say(&self, said: ToAgent) {
        self.agent.inbox.send(said).await.expect("the agent listens");
    }

    /// Orders an execution; its number.
    pub(super) async fn launch(&mut self, executor: &str, pairs: &[(&str, &str)]) -> u128 {
        self.last += 1;
        self.say(launch(&self.agent, self.last, executor, words(pairs))).await;
        self.last
    }

    /// The number of the latest.
    pub(super) fn last_number(&self) -> u128 {
        self.last
    }

    /// Has `/bin/sh` run a script; with other settings besides.
    pub(super) async fn script(&mut self, script: &str, more: &[(&str, &str)]) -> u128 {
        let pairs = [&[("shell", "true"), ("command", script)], more].concat();
        self.launch("shell", &pairs).await
    }

    /// Listens until an execution has ended.
    pub(super) async fn outcome(&mut self, number: u128) -> Outcome {
        let id = ExecutionId(number);
        loop {
            if let Some(outcome) = self.ended.get(&id) {
                return outcome.clone();
            }
            match within("an outcome", self.agent.outbox.recv()).await.expect("the agent lives") {
                FromAgent::Output { id, bytes, .. } => {
                    self.streamed.entry(id).or_default().extend_from_slice(&bytes);
                }
                FromAgent::Reports(told) => {
                    for told in told {
                        if let Event::Finished(outcome) = told.report.event {
                            self.ended.insert(told.id, outcome);
                        }
                    }
                }
                FromAgent::Hello { .. } | FromAgent::Leaving => panic!("not the agent's own word"),
            }
        }
    }

    /// Runs an execution to its end; its outcome and the end of its output.
    pub(super) async fn run(&mut self, executor: &str, pairs: &[(&str, &str)]) -> (Outcome, String) {
        let number = self.launch(executor, pairs).await;
        let outcome = self.outcome(number).await;
        let text = String::from_utf8_lossy(&outcome.tail).into_owned();
        (outcome, text)
    }

    /// Reads a number that a job writes to a file in the data directory.
    pub(super) async fn number_in(&self, name: &str) -> u32 {
        let path = self.data.path().join(name);
        let mut found = None;
        let read = || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            found = text.strip_suffix('\n').and_then(|text| text.parse().ok());
            found.is_some()
        };
        eventually(name, read).await;
        found.expect("it was read")
    }
}
