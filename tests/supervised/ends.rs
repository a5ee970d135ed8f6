//! Agents that end at any point, again and again: no execution starts twice, and each has one outcome.

use super::rig::{Data, launch, start, welcome, within, words};
use dkron::agent::AgentHandle;
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROUNDS: u128 = 24;
const FRESH: u128 = 6;
/// Tells a process of this test binary that it is to be killed, and where its data directory is.
const VICTIM: &str = "DKRON_TEST_VICTIM";

fn supervisor() -> PathBuf {
    env!("CARGO_BIN_EXE_dkron").into()
}

/// Orders the first so many executions; each writes its number when it begins.
async fn order(agent: &AgentHandle, data: &Path, count: u128) {
    agent.inbox.send(welcome()).await.expect("the agent listens");
    for number in 1..=count {
        let script = format!("echo {number} >> {}", data.join("starts").display());
        let config = words(&[("shell", "true"), ("command", &script)]);
        agent.inbox.send(launch(agent, number, "shell", config)).await.expect("the agent listens");
    }
}

/// The next outcomes that the agent tells.
async fn told(agent: &mut AgentHandle) -> Vec<(ExecutionId, Outcome)> {
    match within("a word", agent.outbox.recv()).await.expect("the agent lives") {
        FromAgent::Reports(told) => {
            let ended = told.into_iter().filter_map(|told| match told.report.event {
                Event::Finished(outcome) => Some((told.id, outcome)),
                _ => None,
            });
            ended.collect()
        }
        _ => Vec::new(),
    }
}

/// The outcomes that a server heard: repeated they are the same, and without the tail after they were settled.
#[derive(Default)]
struct Heard(BTreeMap<ExecutionId, (Verdict, i64)>);

impl Heard {
    fn hear(&mut self, id: ExecutionId, verdict: Verdict, finished_at: i64) {
        let first = self.0.entry(id).or_insert((verdict, finished_at));
        assert_eq!(*first, (verdict, finished_at), "{id} ended in two ways");
    }

    /// No execution began twice; each that succeeded began; and some did.
    fn check(&self, data: &Path, count: u128) {
        let starts = fs::read_to_string(data.join("starts")).expect("some began");
        let mut succeeded = 0;
        for number in 1..=count {
            let began = starts.lines().filter(|line| *line == number.to_string()).count();
            let (verdict, _) = self.0[&ExecutionId(number)];
            assert!(began <= 1, "{number} began {began} times");
            assert!(began == 1 || verdict == Verdict::Lost, "{number} is {verdict} and did not begin");
            succeeded += usize::from(verdict == Verdict::Succeeded);
        }
        // Killed between the durable promise to start and the start, one is lost; so are most here.
        assert!(succeeded * 10 > count as usize, "only {succeeded} of {count} succeeded");
    }
}

#[test]
fn an_agent_that_is_dropped_anywhere_starts_nothing_twice_and_tells_each_end() {
    let (data, mut heard, mut chance) = (Data::new(), Heard::default(), 0x9e37_79b9_u128);
    for round in 1..=ROUNDS {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        chance = chance * 6_364_136_223_846_793_005 % ((1 << 61) - 1);
        runtime.block_on(async {
            let mut agent = start(data.path(), supervisor()).await;
            order(&agent, data.path(), round * FRESH).await;
            // Ended by what it has said, which is anywhere in its work; sometimes before its first word.
            for _ in 0..chance % 12 {
                for (id, outcome) in told(&mut agent).await {
                    heard.hear(id, outcome.verdict, outcome.finished_at.nanos());
                    agent.inbox.send(ToAgent::Settled(vec![id])).await.expect("the agent listens");
                }
                if heard.0.len() as u128 == round * FRESH {
                    break;
                }
            }
        });
        // Every task of it is dropped where it stands.
        runtime.shutdown_background();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut agent = start(data.path(), supervisor()).await;
        order(&agent, data.path(), ROUNDS * FRESH).await;
        while (heard.0.len() as u128) < ROUNDS * FRESH {
            for (id, outcome) in told(&mut agent).await {
                heard.hear(id, outcome.verdict, outcome.finished_at.nanos());
            }
        }
    });
    heard.check(data.path(), ROUNDS * FRESH);
}

#[test]
fn an_agent_that_is_killed_anywhere_starts_nothing_twice_and_tells_each_end() {
    let (data, mut heard, mut chance) = (Data::new(), Heard::default(), 0x5bd1_e995_u128);
    for round in 1..=ROUNDS + 1 {
        chance = chance * 6_364_136_223_846_793_005 % ((1 << 61) - 1);
        let last = round == ROUNDS + 1;
        let words = if last { usize::MAX } else { chance as usize % 10 };
        let count = round.min(ROUNDS) * FRESH;
        let mut victim = Command::new(std::env::current_exe().expect("this program"))
            .args(["agent::crash::victim", "--exact", "--nocapture"])
            .env(VICTIM, format!("{count} {}", data.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let lines = BufReader::new(victim.stdout.take().expect("it is piped")).lines();
        let spoken =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("told ").map(String::from));
        for line in spoken.take(words) {
            let fields: Vec<&str> = line.split(' ').collect();
            let id = ExecutionId(fields[0].parse().expect("a number"));
            let verdict = Verdict::from_number(fields[1].parse().expect("a number")).expect("a verdict");
            heard.hear(id, verdict, fields[2].parse().expect("a time"));
            if last && heard.0.len() as u128 == count {
                break;
            }
        }
        victim.kill().expect("it can be killed");
        victim.wait().expect("it is reaped");
    }
    heard.check(data.path(), ROUNDS * FRESH);
}

/// Not a test of its own: the process that is killed.
#[test]
fn victim() {
    let Ok(task) = std::env::var(VICTIM) else { return };
    let (count, data) = task.split_once(' ').expect("a number and a folder");
    let (count, data) = (count.parse().expect("a number"), Path::new(data));
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let mut agent = start(data, supervisor()).await;
        order(&agent, data, count).await;
        loop {
            for (id, outcome) in told(&mut agent).await {
                println!("told {} {} {}", id.0, outcome.verdict.number(), outcome.finished_at.nanos());
                agent.inbox.send(ToAgent::Settled(vec![id])).await.expect("the agent listens");
            }
        }
    });
}
