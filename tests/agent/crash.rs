//! kill -9 of the agent at any moment, again and again: nothing runs twice, nothing accepted is forgotten.
//!
//! The agent runs in a process of its own, this test's program once more; the server is in this one.

use super::attend::dial;
use super::{DataDir, Ids, PATIENCE, kill, lines, options, reference, serve, welcome};
use dkron::agent::Agent;
use dkron::agent::attend::{Servers, attend};
use dkron::task::{self, CancellationToken};
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent, Told};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionId, JournalId, NodeId};
use dkron_wire::delivery::service::{self, Agents};
use dkron_wire::delivery::{from_agent, to_agent_to_wire};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

const ROUNDS: u64 = 40;
const LAUNCHES: u64 = 12;
const DIRECTORY: &str = "DKRON_CRASH_TEST_DIRECTORY";
const SERVER: &str = "DKRON_CRASH_TEST_SERVER";

/// What a leader would know.
#[derive(Default)]
struct World {
    ids: Ids,
    journal: Option<JournalId>,
    ledger: PathBuf,
    wanted: BTreeSet<u64>,
    accepted: BTreeSet<ExecutionId>,
    outcomes: BTreeMap<ExecutionId, Outcome>,
    settled: BTreeSet<ExecutionId>,
    streams: u64,
}

impl World {
    fn hear(&mut self, told: Told) {
        self.accepted.insert(told.id);
        if let Event::Finished(outcome) = told.report.event {
            let outcome = Outcome { tail: Arc::default(), ..outcome };
            let first = self.outcomes.entry(told.id).or_insert_with(|| outcome.clone());
            assert_eq!(first, &outcome, "the outcome of {} changed", told.id);
        }
    }

    /// What a server says now: all that is not accepted, some cancels, and a part of what can be settled.
    fn say(&mut self) -> Vec<ToAgent> {
        let (Some(journal), ids) = (self.journal, self.ids) else { return Vec::new() };
        let open = self.wanted.iter().filter(|number| !self.accepted.contains(&ids.of(**number)));
        let mut said: Vec<ToAgent> =
            open.map(|number| ToAgent::Launch(work(ids, journal, *number, &self.ledger))).collect();
        let cancelled = self.wanted.iter().filter(|number| **number % 10 == 0);
        let cancelled = cancelled.filter(|number| !self.outcomes.contains_key(&ids.of(**number)));
        said.extend(
            cancelled.map(|number| ToAgent::Cancel { execution: reference(*number), id: ids.of(*number) }),
        );
        let ready = self.outcomes.keys().filter(|id| !self.settled.contains(id)).take(20);
        let ready: Vec<ExecutionId> = ready.copied().collect();
        self.settled.extend(&ready);
        said.push(ToAgent::Settled(ready));
        said
    }

    fn is_done(&self) -> bool {
        self.wanted.iter().all(|number| self.outcomes.contains_key(&self.ids.of(*number)))
    }
}

/// Every job writes its number down, some at once, some later, some at length; one in ten is a call.
fn work(ids: Ids, journal: JournalId, number: u64, ledger: &Path) -> dkron_core::delivery::Launch {
    let note = format!("echo {number} >> {}", ledger.display());
    match number % 10 {
        7 => ids.launch(journal, number, "noop", &[]),
        1 | 2 => {
            let command = format!("{note}; sleep 0.0{}; head -c 20000 /dev/zero", number % 7);
            ids.launch(journal, number, "shell", &[("command", &command), ("shell", "true")])
        }
        0 => ids.launch(
            journal,
            number,
            "shell",
            &[("command", &format!("{note}; sleep 30")), ("shell", "true")],
        ),
        _ => ids.launch(journal, number, "shell", &[("command", &note), ("shell", "true")]),
    }
}

struct Server(Arc<Mutex<World>>);

#[tonic::async_trait]
impl Agents for Server {
    type AttendStream = ReceiverStream<Result<service::ToAgent, Status>>;

    async fn attend(
        &self,
        request: Request<Streaming<service::FromAgent>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let (sender, receiver) = mpsc::channel(64);
        drop(task::spawn("test stream", talk(self.0.clone(), request.into_inner(), sender)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn talk(
    world: Arc<Mutex<World>>,
    mut stream: Streaming<service::FromAgent>,
    answers: mpsc::Sender<Result<service::ToAgent, Status>>,
) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let mut greeted = false;
    loop {
        tokio::select! {
            message = stream.message() => {
                let Ok(Some(message)) = message else { return };
                let mut world = world.lock().expect("no test has failed");
                match from_agent(message).expect("a good message") {
                    FromAgent::Hello { registration, .. } => {
                        assert!(world.journal.is_none_or(|journal| journal == registration.journal));
                        world.journal = Some(registration.journal);
                    }
                    FromAgent::Reports(told) => told.into_iter().for_each(|told| world.hear(told)),
                    FromAgent::Output { .. } | FromAgent::Leaving => {}
                }
            }
            _ = ticks.tick() => {
                let mut said = world.lock().expect("no test has failed").say();
                if !std::mem::replace(&mut greeted, true) {
                    world.lock().expect("no test has failed").streams += 1;
                    said.splice(0..0, [welcome(), ToAgent::Leading { term: 1 }]);
                }
                for said in said {
                    if answers.send(Ok(to_agent_to_wire(&said))).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn start(data: &DataDir, server: &str) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["--exact", "agent::crash::agent_process", "--ignored", "--nocapture"])
        .env(DIRECTORY, data.path())
        .env(SERVER, server)
        .stdout(Stdio::null())
        .spawn()
        .expect("the agent's process starts")
}

/// The agent's process, not a test: started by the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the crash test kills"]
async fn agent_process() {
    let (Ok(directory), Ok(server)) = (std::env::var(DIRECTORY), std::env::var(SERVER)) else { return };
    let mut agent = Agent::start(options(Path::new(&directory), 8)).await.expect("the agent starts");
    let address = ServerAddress { id: NodeId(1), address: server.into() };
    let (_list, known) = watch::channel([address].into());
    let ended = attend(&mut agent, dial(), Servers::Known(known), CancellationToken::new()).await;
    panic!("the agent ended: {ended:?}");
}

/// A small generator of its own: a test must not depend on the order of another's draws.
fn draw(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_killed_at_any_moment_loses_nothing_and_doubles_nothing() {
    let data = DataDir::new();
    let ledger = data.path().join("ledger");
    let world = Arc::new(Mutex::new(World { ids: data.ids, ledger: ledger.clone(), ..World::default() }));
    let server = serve(Server(world.clone())).await;
    let mut seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    for round in 0..ROUNDS {
        let streams = world.lock().expect("no failure").streams;
        let mut agent = start(&data, &server);
        let numbers = round * LAUNCHES + 1..=(round + 1) * LAUNCHES;
        world.lock().expect("no failure").wanted.extend(numbers);
        if round % 4 != 0 {
            super::eventually("a stream", || world.lock().expect("no failure").streams > streams).await;
        }
        tokio::time::sleep(Duration::from_micros(draw(&mut seed, 150_000))).await;
        kill(agent.id());
        agent.wait().expect("the agent is reaped");
    }
    let mut agent = start(&data, &server);
    super::eventually("everything has an outcome", || world.lock().expect("no failure").is_done()).await;
    kill(agent.id());
    agent.wait().expect("the agent is reaped");
    judge(&world.lock().expect("no failure"), &lines(&ledger));
}

fn judge(world: &World, ledger: &[String]) {
    let mut runs: BTreeMap<u64, u32> = BTreeMap::new();
    ledger.iter().for_each(|line| *runs.entry(line.parse().expect("a number")).or_default() += 1);
    let mut verdicts: BTreeMap<Verdict, u32> = BTreeMap::new();
    for number in &world.wanted {
        let outcome = &world.outcomes[&world.ids.of(*number)];
        let ran = runs.get(number).copied().unwrap_or(0);
        *verdicts.entry(outcome.verdict).or_default() += 1;
        assert!(ran <= 1, "execution {number} ran {ran} times");
        let wrote = number % 10 != 7;
        match outcome.verdict {
            Verdict::Succeeded => assert_eq!(ran == 1, wrote, "execution {number}"),
            Verdict::Cancelled => assert_eq!(number % 10, 0, "execution {number}"),
            // A call ends with its agent; a command has a supervisor, which lives.
            Verdict::Lost => assert_eq!(number % 10, 7, "execution {number}: {}", outcome.error),
            other => panic!("execution {number}: {other}: {}", outcome.error),
        }
    }
    eprintln!("{ROUNDS} crashes, outcomes {verdicts:?}, {PATIENCE:?} at most for each wait");
    assert!(verdicts[&Verdict::Succeeded] > 0);
}
