//! Jobs as processes: what they find, how they end, what is kept of them.

use super::{DataDir, Node, eventually, is_alive, text};
use dkron_core::execution::Verdict;
use dkron_core::limits;
use std::fs;

#[tokio::test]
async fn a_command_succeeds_with_its_output() {
    let (data, number) = (DataDir::new(), 1);
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run(number, &[("command", "echo hello direct")]).await;
    assert_eq!(
        (outcome.verdict, outcome.code, text(&outcome).as_str()),
        (Verdict::Succeeded, Some(0), "hello direct\n")
    );
    assert!(node.accepted.contains(&node.id(1)) && node.started.contains(&node.id(1)));
    assert!(outcome.started_at <= outcome.finished_at && outcome.error.is_empty());
}

#[tokio::test]
async fn a_failing_command_keeps_its_output_and_says_its_status() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run_in_shell(1, "echo out; echo err >&2; exit 3").await;
    assert_eq!((outcome.verdict, outcome.code, &*outcome.error), (Verdict::Failed, Some(3), "exit status 3"));
    assert_eq!(text(&outcome), "out\nerr\n");
}

#[tokio::test]
async fn a_command_that_is_not_there_says_so_in_dkrons_words() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run(1, &[("command", "no-such-program-here")]).await;
    assert_eq!(&*outcome.error, "exec: \"no-such-program-here\": executable file not found in $PATH");
    assert_eq!((outcome.verdict, text(&outcome).as_str()), (Verdict::Failed, ""));
    let outcome = node.run(2, &[("command", "pwd"), ("cwd", "/no/such/folder")]).await;
    assert_eq!(&*outcome.error, "chdir /no/such/folder: no such directory");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_the_outcome() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run(1, &[("command", "true"), ("su", "nobody-of-that-name")]).await;
    assert!(
        outcome.error.contains("executor_config.su: invalid value 'nobody-of-that-name'"),
        "{}",
        outcome.error
    );
    node.launch(2, "docker", &[]).await;
    let outcome = node.outcome(2).await;
    assert!(outcome.error.contains("unknown executor 'docker'"), "{}", outcome.error);
}

#[tokio::test]
async fn a_job_finds_environment_folder_input_and_user() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let folder = data.path().display().to_string();
    let config = [
        ("command", "pwd; cat; echo; echo $A $ENV_JOB_NAME $DKRON_ATTEMPT $DKRON_EXECUTION_ID $HOME"),
        ("shell", "true"),
        ("env", "A=\"1,2\",HOME=/own"),
        ("cwd", &folder),
        ("payload", "aGVsbG8="),
    ];
    let outcome = node.run(1, &config).await;
    assert_eq!(text(&outcome), format!("{folder}\nhello\n1,2 tick 1 {} /own\n", node.id(1)));
    if rustix::process::getuid().is_root() {
        let outcome = node.run(2, &[("command", "id -u -n"), ("su", "nobody")]).await;
        assert_eq!(text(&outcome), "nobody\n");
    }
}

#[tokio::test]
async fn only_the_part_before_an_operator_is_run_without_a_shell() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run(1, &[("command", "echo one && echo two")]).await;
    let text = text(&outcome);
    assert!(text.starts_with("one\nshell: only the part before the unquoted '&' was run"), "{text}");
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group_at_once() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let folder = data.path().display();
    let command = format!("sleep 300 & echo $! > {folder}/grandchild; echo $$ > {folder}/leader; wait");
    let outcome = node.run(1, &[("command", &command), ("shell", "true"), ("timeout", "1s")]).await;
    assert_eq!((outcome.verdict, &*outcome.error), (Verdict::TimedOut, "signal: killed"));
    let text = text(&outcome);
    assert!(text.contains("execution time exceeding defined timeout 1s. Job was killed"), "{text}");
    assert!((1_000..2_000).contains(&(outcome.finished_at - outcome.started_at).millis()));
    let (grandchild, leader) = (data.number_in("grandchild").await, data.number_in("leader").await);
    eventually("the group is dead", || !is_alive(grandchild) && !is_alive(leader)).await;
}

#[tokio::test]
async fn a_job_that_uses_too_much_memory_is_killed() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let command = "x=$(head -c 100M /dev/zero | tr '\\0' x); sleep 300";
    let outcome = node.run(1, &[("command", command), ("shell", "true"), ("mem_limit", "50MB")]).await;
    assert_eq!(outcome.verdict, Verdict::OutOfMemory);
    let tail = text(&outcome);
    assert!(tail.contains("exceeding defined limit (52428800 bytes). Job was killed"), "{}", outcome.error);
}

#[tokio::test]
async fn a_cancel_ends_a_running_job_politely_and_one_that_does_not_listen_by_force() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let folder = data.path().display();
    for (number, trap) in [(1, "trap 'echo bye; exit 0' TERM"), (2, "trap '' TERM")] {
        let command = format!("{trap}; echo $$ > {folder}/{number}; echo up; while :; do sleep 0.05; done");
        node.launch(number, "shell", &[("command", &command), ("shell", "true")]).await;
        node.until(|node| node.outputs.contains_key(&node.id(number))).await;
        node.cancel(number).await;
    }
    let polite = node.outcome(1).await;
    // In between the shell says that its `sleep` was terminated: the whole group was asked.
    assert_eq!(polite.verdict, Verdict::Cancelled);
    assert!(text(&polite).starts_with("up\n") && text(&polite).ends_with("bye\n"), "{}", text(&polite));
    let (one, other) = (data.number_in("1").await, data.number_in("2").await);
    assert!(is_alive(other), "it has its grace");
    let forced = node.outcome(2).await;
    assert_eq!((forced.verdict, &*forced.error), (Verdict::Cancelled, "signal: killed"));
    eventually("their ends", || !is_alive(one) && !is_alive(other)).await;
}

#[tokio::test]
async fn a_cancelled_launch_never_begins() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    node.cancel(1).await;
    assert_eq!(node.outcome(1).await.verdict, Verdict::Cancelled);
    let file = data.path().join("ran");
    node.launch(1, "shell", &[("command", &format!("touch {}", file.display()))]).await;
    assert_eq!(node.run(2, &[("command", "true")]).await.verdict, Verdict::Succeeded);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_daemonised_grandchild_does_not_hold_the_job_open() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let folder = data.path().display();
    let command = format!("setsid sh -c 'echo $$ > {folder}/daemon; exec sleep 300' & echo done");
    let outcome = node.run_in_shell(1, &command).await;
    assert_eq!((outcome.verdict, text(&outcome).as_str()), (Verdict::Succeeded, "done\n"));
    let daemon = data.number_in("daemon").await;
    assert!(is_alive(daemon), "what a job leaves behind on purpose lives on");
    super::kill(daemon);
}

#[tokio::test]
async fn a_long_output_is_counted_kept_to_its_end_and_sent_before_the_outcome() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    let outcome = node.run_in_shell(1, "head -c 1000000 /dev/zero | tr '\\0' x; echo end").await;
    assert_eq!((outcome.verdict, outcome.output_bytes), (Verdict::Succeeded, 1_000_004));
    assert_eq!(outcome.tail.len(), limits::OUTPUT_TAIL_BYTES);
    assert!(outcome.tail.ends_with(b"xend\n"));
    let output = &node.outputs[&node.id(1)];
    assert_eq!(output.len(), 1_000_004);
    assert!(output[1_000_004 - limits::OUTPUT_BYTES_MAX..].iter().all(|byte| *byte != b'?'));
    let kept = fs::read(data.output(1)).expect("it is kept until it is settled");
    assert_eq!(kept.len(), limits::OUTPUT_BYTES_MAX);
    assert!(output.ends_with(&kept));
}

#[tokio::test]
async fn no_more_jobs_run_at_a_time_than_there_are_slots() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 1).await;
    let gate = data.path().join("gate");
    let command = format!("while [ ! -e {} ]; do sleep 0.01; done", gate.display());
    node.launch(1, "shell", &[("command", &command), ("shell", "true")]).await;
    node.until(|node| node.started.contains(&node.id(1))).await;
    node.launch(2, "shell", &[("command", "true")]).await;
    node.until(|node| node.accepted.contains(&node.id(2))).await;
    fs::write(&gate, "").expect("the gate opens");
    let (first, second) = (node.outcome(1).await, node.outcome(2).await);
    assert_eq!((first.verdict, second.verdict), (Verdict::Succeeded, Verdict::Succeeded));
    assert!(first.finished_at <= second.started_at, "{first:?} {second:?}");
}

#[tokio::test]
async fn the_benchmark_executor_succeeds_at_once() {
    let data = DataDir::new();
    let mut node = Node::start(&data, 4).await;
    node.launch(1, "noop", &[]).await;
    assert_eq!(node.outcome(1).await.verdict, Verdict::Succeeded);
}
