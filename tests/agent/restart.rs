//! Restarts: of the agent while jobs run, of the supervisor, of both.

use super::{DataDir, Node, eventually, id, is_alive, kill, launch, options, pid_in, text};
use dkron::agent::{Agent, AgentError};
use dkron_core::delivery::ToAgent;
use dkron_core::execution::Verdict;
use dkron_core::ids::JournalId;
use dkron_core::limits;
use std::fs;

fn gated(data: &DataDir, rest: &str) -> (std::path::PathBuf, String) {
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
    node.until(|node| node.started.contains(&id(1))).await;
    node.agent.stop().await.expect("the agent stops");
    fs::write(&gate, "").expect("the gate opens");
    let mut node = Node::start(&data, 4).await;
    let outcome = node.outcome(1).await;
    assert_eq!((outcome.verdict, outcome.output_bytes), (Verdict::Succeeded, 300_004), "{}", outcome.error);
    let output = &node.outputs[&id(1)];
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
    let kept = data.path().join("agent/outputs").join(id(1).to_string());
    assert!(kept.exists());
    node.say(ToAgent::Settled(vec![id(1)])).await;
    eventually("the output is dropped", || !kept.exists()).await;
    node.agent.stop().await.expect("the agent stops");
    let mut node = Node::start(&data, 4).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    assert!(!node.outcomes.contains_key(&id(1)));
}

#[tokio::test]
async fn a_job_whose_supervisor_dies_is_lost_when_it_is_gone_and_not_before() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let (gate, command) = gated(&data, "true");
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&id(1))).await;
    let first = data.supervisor().expect("a supervisor");
    kill(first);
    eventually("another supervisor", || data.supervisor().is_some_and(|pid| pid != first)).await;
    // It runs others while the orphan lives.
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    let orphan = pid_in(&data.path().join("pid")).expect("the job's number");
    assert!(is_alive(orphan) && !node.outcomes.contains_key(&id(1)));
    fs::write(&gate, "").expect("the gate opens");
    let outcome = node.outcome(1).await;
    assert_eq!(outcome.verdict, Verdict::Lost);
    assert!(outcome.error.contains("its supervisor died"), "{}", outcome.error);
}

#[tokio::test]
async fn a_cancel_reaches_a_job_whose_supervisor_died() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let (_, command) = gated(&data, "true");
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&id(1))).await;
    let first = data.supervisor().expect("a supervisor");
    kill(first);
    eventually("another supervisor", || data.supervisor().is_some_and(|pid| pid != first)).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    let orphan = pid_in(&data.path().join("pid")).expect("the job's number");
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
    node.until(|node| node.started.contains(&id(1))).await;
    node.agent.stop().await.expect("the agent stops");
    let job = pid_in(&data.path().join("pid")).expect("the job's number");
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
    node.until(|node| node.started.contains(&id(1))).await;
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
    node.until(|node| node.started.contains(&id(1))).await;
    node.cancel(1).await;
    assert_eq!(node.outcome(1).await.verdict, Verdict::Cancelled);
}

#[tokio::test]
async fn work_for_another_journal_is_refused_in_silence() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let file = data.path().join("ran");
    let command = format!("touch {}", file.display());
    node.say(ToAgent::Launch(launch(JournalId(1), 1, "shell", &[("command", &command)]))).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    assert!(!file.exists() && !node.accepted.contains(&id(1)) && !node.outcomes.contains_key(&id(1)));
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
    assert_eq!(node.agent.registration, first);
    assert!(node.agent.stamp.borrow().is_some());
    node.agent.stop().await.expect("the agent stops");
}
