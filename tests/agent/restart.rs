//! Restarts: of the agent while jobs run, of the supervisor, of both.

use super::{DataDir, Node, eventually, is_alive, kill, lines, options, signal, text};
use dkron::agent::{Agent, AgentError};
use dkron_core::delivery::ToAgent;
use dkron_core::execution::Verdict;
use dkron_core::ids::JournalId;
use dkron_core::limits;
use dkron_core::node::Registration;
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;

fn gated(data: &DataDir, rest: &str) -> (PathBuf, String) {
    let gate = data.path().join("gate");
    let pid = data.path().join("pid");
    let command = format!(
        "echo $$ > {}; while [ ! -e {} ]; do sleep 0.01; done; {rest}",
        pid.display(),
        gate.display()
    );
    (gate, command)
}

#[tokio::test]
async fn a_running_job_outlives_the_agent_and_is_told_of_by_the_next_one() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let (gate, command) = gated(&data, "head -c 300000 /dev/zero | tr '\\0' y; echo end");
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&node.id(1))).await;
    node.agent.stop().await.expect("the agent stops");
    fs::write(&gate, "").expect("the gate opens");
    let mut node = Node::start(&data, 4).await;
    let outcome = node.outcome(1).await;
    assert_eq!((outcome.verdict, outcome.output_bytes), (Verdict::Succeeded, 300_004), "{}", outcome.error);
    let output = &node.outputs[&node.id(1)];
    assert_eq!(output.len(), 300_004);
    assert!(output[300_004 - limits::OUTPUT_BYTES_MAX..300_000].iter().all(|byte| *byte == b'y'));
}

#[tokio::test]
async fn an_outcome_is_told_again_until_it_is_settled_and_then_its_output_is_dropped() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run_in_shell(1, "head -c 9000 /dev/zero").await;
    node.agent.stop().await.expect("the agent stops");
    let mut node = Node::start(&data, 4).await;
    assert_eq!(node.outcome(1).await, outcome);
    let kept = data.output(1);
    assert!(kept.exists());
    node.say(ToAgent::Settled(vec![node.id(1)])).await;
    eventually("the output is dropped", || !kept.exists()).await;
    node.agent.stop().await.expect("the agent stops");
    let mut node = Node::start(&data, 4).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    assert!(!node.outcomes.contains_key(&node.id(1)));
}

#[tokio::test]
async fn a_job_whose_supervisor_dies_is_lost_when_it_is_gone_and_not_before() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let (gate, command) = gated(&data, "true");
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&node.id(1))).await;
    let first = data.supervisor().expect("a supervisor");
    kill(first);
    eventually("another supervisor", || data.supervisor().is_some_and(|pid| pid != first)).await;
    // It runs others while the orphan lives.
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    let orphan = data.number_in("pid").await;
    assert!(is_alive(orphan) && !node.outcomes.contains_key(&node.id(1)));
    fs::write(&gate, "").expect("the gate opens");
    let outcome = node.outcome(1).await;
    assert_eq!(outcome.verdict, Verdict::Lost);
    assert!(outcome.error.contains("its supervisor died"), "{}", outcome.error);
}

/// More than a socket holds, given to a supervisor that stands still, by an agent that then ends: some orders are
/// on their way, the others never leave.
async fn half_given(data: &DataDir) -> PathBuf {
    let mut node = Node::start(data, 64).await;
    assert_eq!(node.run(100, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    signal(data.supervisor().expect("a supervisor"), Signal::STOP);
    let (starts, payload) = (data.path().join("starts"), "eHh4".repeat(32 * 1024));
    for number in HALF_GIVEN {
        let command = format!("echo {number} >> {}", starts.display());
        let config = [("command", command.as_str()), ("shell", "true"), ("payload", &payload)];
        node.launch(number, "shell", &config).await;
    }
    node.until(|node| HALF_GIVEN.clone().all(|number| node.accepted.contains(&node.id(number)))).await;
    node.agent.stop().await.expect("the agent stops");
    starts
}

const HALF_GIVEN: std::ops::RangeInclusive<u64> = 1..=16;

#[tokio::test]
async fn what_the_same_supervisor_has_not_heard_of_is_given_again_and_runs_once() {
    let data = DataDir::new();
    let starts = half_given(&data).await;
    let mut node = Node::start(&data, 2).await;
    signal(data.supervisor().expect("a supervisor"), Signal::CONT);
    for number in HALF_GIVEN {
        let outcome = node.outcome(number).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{number}: {}", outcome.error);
    }
    let mut ran = lines(&starts);
    ran.sort_by_key(|line| line.parse::<u64>().expect("a number"));
    assert_eq!(ran, HALF_GIVEN.map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_another_supervisor_may_have_started_is_lost_and_does_not_run() {
    let data = DataDir::new();
    let starts = half_given(&data).await;
    kill(data.supervisor().expect("a supervisor"));
    let mut node = Node::start(&data, 2).await;
    for number in HALF_GIVEN {
        assert_eq!(node.outcome(number).await.verdict, Verdict::Lost);
    }
    assert_eq!(node.run(101, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    assert!(lines(&starts).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_dies_again_and_again_never_makes_a_job_run_twice() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 64).await;
    let starts = data.path().join("starts");
    for round in 0..8 {
        let numbers = round * 4 + 1..=round * 4 + 4;
        for number in numbers.clone() {
            let command = format!("echo {number} >> {}", starts.display());
            node.launch(number, "shell", &[("command", &command), ("shell", "true")]).await;
        }
        data.supervisor().into_iter().for_each(kill);
        for number in numbers {
            let outcome = node.outcome(number).await;
            let ran = lines(&starts).iter().filter(|line| **line == number.to_string()).count();
            match outcome.verdict {
                Verdict::Succeeded => assert_eq!(ran, 1),
                _ => assert!(ran <= 1, "{outcome:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_cancel_reaches_a_job_whose_supervisor_died() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let (_, command) = gated(&data, "true");
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&node.id(1))).await;
    let first = data.supervisor().expect("a supervisor");
    kill(first);
    eventually("another supervisor", || data.supervisor().is_some_and(|pid| pid != first)).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    let orphan = data.number_in("pid").await;
    node.cancel(1).await;
    eventually("the orphan is dead", || !is_alive(orphan)).await;
    assert_eq!(node.outcome(1).await.verdict, Verdict::Lost);
}

#[tokio::test]
async fn results_outlive_the_supervisor() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let (gate, command) = gated(&data, "echo end");
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&node.id(1))).await;
    node.agent.stop().await.expect("the agent stops");
    let job = data.number_in("pid").await;
    fs::write(&gate, "").expect("the gate opens");
    eventually("the job is reaped", || !fs::exists(format!("/proc/{job}")).unwrap_or(true)).await;
    let stored = || {
        let folder = fs::read_dir(data.path().join("agent")).expect("the folder is read");
        let mut results = folder
            .filter_map(|entry| entry.ok())
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("results-"));
        results.any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 0))
    };
    eventually("the result is stored", stored).await;
    kill(data.supervisor().expect("a supervisor"));
    let mut node = Node::start(&data, 4).await;
    let outcome = node.outcome(1).await;
    assert_eq!(
        (outcome.verdict, text(&outcome).as_str()),
        (Verdict::Succeeded, "end\n"),
        "{}",
        outcome.error
    );
}

#[tokio::test]
async fn a_call_dies_with_the_agent_and_is_lost() {
    let data = DataDir::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let mut node = Node::start(&data, 4).await;
    node.launch(1, "http", &[("method", "GET"), ("url", &url)]).await;
    let _held = listener.accept().await.expect("the request comes");
    node.until(|node| node.started.contains(&node.id(1))).await;
    node.agent.stop().await.expect("the agent stops");
    let mut node = Node::start(&data, 4).await;
    assert_eq!(node.outcome(1).await.verdict, Verdict::Lost);
}

#[tokio::test]
async fn a_call_is_cancelled_at_once() {
    let data = DataDir::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let mut node = Node::start(&data, 4).await;
    node.launch(1, "http", &[("method", "GET"), ("url", &url)]).await;
    node.until(|node| node.started.contains(&node.id(1))).await;
    node.cancel(1).await;
    assert_eq!(node.outcome(1).await.verdict, Verdict::Cancelled);
}

#[tokio::test]
async fn work_for_another_journal_is_refused_in_silence() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let file = data.path().join("ran");
    let command = format!("touch {}", file.display());
    node.say(ToAgent::Launch(data.ids.launch(JournalId(1), 1, "shell", &[("command", &command)]))).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    assert!(
        !file.exists() && !node.accepted.contains(&node.id(1)) && !node.outcomes.contains_key(&node.id(1))
    );
}

#[tokio::test]
async fn a_second_agent_in_the_same_directory_is_refused() {
    let data = DataDir::new();
    let node = Node::start(&data, 4).await;
    assert!(matches!(Agent::start(options(data.path(), 4)).await, Err(AgentError::InUse)));
    node.agent.stop().await.expect("the agent stops");
}

#[tokio::test]
async fn ids_are_kept_and_the_cluster_is_remembered() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    assert_eq!(node.run(1, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    let first = node.agent.registration.clone();
    node.agent.stop().await.expect("the agent stops");
    let node = Node::start(&data, 4).await;
    let second = node.agent.registration.clone();
    assert!(second.life > first.life, "each start is counted");
    assert_eq!(Registration { life: first.life, ..second }, first);
    assert!(node.agent.stamp.borrow().is_some());
    node.agent.stop().await.expect("the agent stops");
}
