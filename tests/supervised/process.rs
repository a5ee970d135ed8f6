//! Commands: their output, their ends, and what kills them.

use super::rig::{Rig, eventually, kill, lives, reference};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dkron_core::delivery::ToAgent;
use dkron_core::execution::Verdict;
use dkron_core::ids::ExecutionId;
use dkron_core::limits::{OUTPUT_BYTES_MAX, OUTPUT_TAIL_BYTES};
use std::fs;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_succeeds_or_fails_by_its_exit_status_and_keeps_its_output() {
    let mut rig = Rig::start().await;
    let (outcome, text) = rig.run("shell", &[("command", "echo 'hello direct'")]).await;
    assert_eq!(
        (outcome.verdict, outcome.code, text.as_str()),
        (Verdict::Succeeded, Some(0), "hello direct\n")
    );
    assert!(outcome.started_at <= outcome.finished_at);
    let number = rig.script("echo out; echo err >&2; exit 3", &[]).await;
    let outcome = rig.outcome(number).await;
    assert_eq!((outcome.verdict, outcome.code, &*outcome.error), (Verdict::Failed, Some(3), "exit status 3"));
    assert_eq!(&*outcome.tail, b"out\nerr\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_shell_only_the_part_before_an_operator_runs_and_the_output_says_so() {
    let mut rig = Rig::start().await;
    let (outcome, text) = rig.run("shell", &[("command", "echo first && echo second")]).await;
    assert_eq!(outcome.verdict, Verdict::Succeeded);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "first");
    assert!(lines[1].contains("unquoted '&'") && lines.len() == 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_fails_with_the_reason() {
    let mut rig = Rig::start().await;
    let (outcome, _) = rig.run("telepathy", &[]).await;
    assert_eq!(outcome.verdict, Verdict::Failed);
    assert!(outcome.error.contains("unknown executor 'telepathy'"), "{}", outcome.error);
    let (outcome, _) = rig.run("shell", &[("command", "no-such-program-anywhere")]).await;
    assert_eq!(&*outcome.error, "exec: \"no-such-program-anywhere\": executable file not found in $PATH");
    let (outcome, _) = rig.run("shell", &[("command", "pwd"), ("cwd", "/no/such/folder")]).await;
    assert_eq!(
        (outcome.verdict, &*outcome.error),
        (Verdict::Failed, "chdir /no/such/folder: no such directory")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_sees_its_own_settings_before_the_daemons() {
    let mut rig = Rig::start().await;
    let script = "echo $HOME $ENV_JOB_NAME; pwd";
    let number = rig.script(script, &[("env", "HOME=/its/own,X=1"), ("cwd", "/usr")]).await;
    assert_eq!(&*rig.outcome(number).await.tail, b"/its/own tick\n/usr\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_of_a_mebibyte_blocks_nobody_read_or_not() {
    let mut rig = Rig::start().await;
    let payload = STANDARD.encode(vec![b'x'; 1024 * 1024]);
    let unread = rig.launch("shell", &[("command", "true"), ("payload", &payload)]).await;
    let (outcome, text) = rig.run("shell", &[("command", "wc -c"), ("payload", &payload)]).await;
    assert_eq!((outcome.verdict, text.trim()), (Verdict::Succeeded, "1048576"));
    assert_eq!(rig.outcome(unread).await.verdict, Verdict::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_kills_the_whole_group() {
    let mut rig = Rig::start().await;
    let folder = rig.data.path().display().to_string();
    let script = format!("sleep 300 & echo $! > {folder}/child; echo $$ > {folder}/leader; sleep 300");
    let number = rig.script(&script, &[("timeout", "500ms")]).await;
    let (child, leader) = (rig.number_in("child").await, rig.number_in("leader").await);
    let outcome = rig.outcome(number).await;
    assert_eq!((outcome.verdict, &*outcome.error), (Verdict::TimedOut, "signal: killed"));
    let text = String::from_utf8_lossy(&outcome.tail).into_owned();
    assert!(text.contains("execution time exceeding defined timeout 500ms. Job was killed"), "{text}");
    assert!((outcome.finished_at - outcome.started_at).millis() >= 500);
    eventually("the group's end", || !lives(child) && !lives(leader)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemonised_grandchild_that_holds_the_pipe_does_not_hold_the_result() {
    let mut rig = Rig::start().await;
    let folder = rig.data.path().display().to_string();
    let script = format!("setsid sleep 300 & echo $! > {folder}/grandchild; echo done");
    let number = rig.script(&script, &[]).await;
    let outcome = rig.outcome(number).await;
    let grandchild = rig.number_in("grandchild").await;
    assert_eq!((outcome.verdict, &*outcome.tail), (Verdict::Succeeded, &b"done\n"[..]));
    assert!(lives(grandchild), "the result did not wait for it");
    kill(grandchild);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_its_memory_limit_is_killed() {
    let mut rig = Rig::start().await;
    let script = "x=$(head -c 60000000 /dev/zero | tr '\\0' a); sleep 300";
    let number = rig.script(script, &[("mem_limit", "20MB")]).await;
    let outcome = rig.outcome(number).await;
    let text = String::from_utf8_lossy(&outcome.tail).into_owned();
    assert_eq!(outcome.verdict, Verdict::OutOfMemory);
    assert!(text.contains("exceeding defined limit (20971520 bytes). Job was killed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_long_output_is_kept_and_all_of_it_counted() {
    let mut rig = Rig::start().await;
    let number = rig.script("head -c 3000000 /dev/zero | tr '\\0' x; printf end", &[]).await;
    let outcome = rig.outcome(number).await;
    assert_eq!((outcome.output_bytes, outcome.tail.len()), (3_000_003, OUTPUT_TAIL_BYTES));
    assert!(outcome.tail.ends_with(b"xend"));
    let file = rig.data.path().join("agent/outputs").join(ExecutionId(number).to_string());
    let kept = fs::read(&file).expect("the output is kept until it is settled");
    assert_eq!(kept.len(), OUTPUT_BYTES_MAX);
    assert!(kept.ends_with(&outcome.tail));
    // What came before the outcome is at least that much, up to the last byte.
    assert!(rig.streamed[&ExecutionId(number)].ends_with(&kept));
    rig.say(ToAgent::Settled(vec![ExecutionId(number)])).await;
    eventually("the output's end", || !file.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_asks_first_and_kills_who_does_not_hear() {
    let mut rig = Rig::start().await;
    let folder = rig.data.path().display().to_string();
    let polite =
        format!("trap 'echo bye; exit 0' TERM; echo $$ > {folder}/polite; while :; do sleep 0.01; done");
    let deaf = format!("trap '' TERM; echo $$ > {folder}/deaf; while :; do sleep 1; done");
    let (polite, deaf) = (rig.script(&polite, &[]).await, rig.script(&deaf, &[]).await);
    let (one, other) = (rig.number_in("polite").await, rig.number_in("deaf").await);
    for number in [polite, deaf] {
        rig.say(ToAgent::Cancel { execution: reference(number), id: ExecutionId(number) }).await;
    }
    let outcome = rig.outcome(polite).await;
    assert_eq!(outcome.verdict, Verdict::Cancelled);
    assert!(outcome.tail.ends_with(b"bye\n"), "it was asked");
    assert!(lives(other), "it has its grace");
    let outcome = rig.outcome(deaf).await;
    assert_eq!((outcome.verdict, &*outcome.error), (Verdict::Cancelled, "signal: killed"));
    eventually("their ends", || !lives(one) && !lives(other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_its_supervisor_unknown_and_what_comes_after_runs() {
    let mut rig = Rig::start().await;
    let folder = rig.data.path().display().to_string();
    let number = rig.script(&format!("echo $$ > {folder}/job; exec sleep 300"), &[]).await;
    let job = rig.number_in("job").await;
    kill(rig.data.supervisor().expect("there is a supervisor"));
    let (outcome, text) = rig.run("shell", &[("command", "echo after")]).await;
    assert_eq!((outcome.verdict, text.as_str()), (Verdict::Succeeded, "after\n"));
    assert!(lives(job), "it runs on, and is not reported while it does");
    kill(job);
    assert_eq!(rig.outcome(number).await.verdict, Verdict::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_dies_again_and_again_never_makes_a_job_run_twice() {
    let mut rig = Rig::start().await;
    let starts = rig.data.path().join("starts");
    for _ in 0..8 {
        let mut numbers = Vec::new();
        for _ in 0..4 {
            let number = rig.last_number() + 1;
            let script = format!("echo {number} >> {}", starts.display());
            numbers.push(rig.script(&script, &[]).await);
        }
        rig.data.supervisor().into_iter().for_each(kill);
        for number in numbers {
            let outcome = rig.outcome(number).await;
            let text = fs::read_to_string(&starts).unwrap_or_default();
            let ran = text.lines().filter(|line| *line == number.to_string()).count();
            match outcome.verdict {
                Verdict::Succeeded => assert_eq!(ran, 1),
                _ => assert!(ran <= 1, "{outcome:?}"),
            }
        }
    }
    let ending = tokio::time::timeout(Duration::from_millis(1), rig.agent.ended()).await;
    assert!(ending.is_err(), "the agent lives on");
}
