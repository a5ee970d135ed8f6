//! The supervisor by its own socket: what a daemon may rely on.

use super::{DataDir, Ids, PATIENCE, eventually, kill, lines, options};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use dkron_wire::supervisor::{
    FromSupervisor, Spawn, ToSupervisor, decode_from_supervisor, encode_to_supervisor,
};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

/// A daemon of a few lines.
struct Daemon {
    stream: UnixStream,
    ids: Ids,
}

impl Daemon {
    async fn connect(data: &DataDir) -> Daemon {
        let socket = data.path().join("agent/supervisor.sock");
        eventually("the supervisor listens", || UnixStream::connect(&socket).is_ok()).await;
        Daemon::greet(data, UnixStream::connect(&socket).expect("the supervisor listens"))
    }

    fn greet(data: &DataDir, stream: UnixStream) -> Daemon {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        let mut daemon = Daemon { stream, ids: data.ids };
        daemon.say(ToSupervisor::Hello { environment: Vec::new(), directory: Vec::new() });
        daemon
    }

    fn say(&mut self, order: ToSupervisor) {
        self.stream.write_all(&encode_to_supervisor(&order)).expect("the supervisor reads");
    }

    fn spawn(&mut self, number: u64, command: &str) {
        self.say(ToSupervisor::Spawn(spawn(self.ids.of(number), command)));
    }

    fn hear(&mut self) -> FromSupervisor {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("the supervisor speaks");
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut bytes).expect("the supervisor speaks");
        decode_from_supervisor(&bytes).expect("a good message")
    }

    /// All that is known, as the answer to hello.
    fn listed(&mut self) -> (Vec<ExecutionId>, Vec<ExecutionId>) {
        let (mut running, mut ended) = (Vec::new(), Vec::new());
        loop {
            match self.hear() {
                FromSupervisor::Began { id, .. } => running.push(id),
                FromSupervisor::Ended { id, .. } => ended.push(id),
                FromSupervisor::Listed => return (running, ended),
                FromSupervisor::Welcome { .. } | FromSupervisor::Output { .. } => {}
            }
        }
    }

    fn outcome(&mut self, number: u64) -> Outcome {
        loop {
            if let FromSupervisor::Ended { id: found, outcome } = self.hear()
                && found == self.ids.of(number)
            {
                return outcome;
            }
        }
    }
}

fn spawn(id: ExecutionId, command: &str) -> Spawn {
    Spawn {
        id,
        arguments: ["/bin/sh", "-c", command].map(|text| text.as_bytes().to_vec()).to_vec(),
        environment: vec![(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())],
        label: command.to_owned(),
        ..Spawn::default()
    }
}

fn start(data: &DataDir) -> Child {
    let program = options(data.path(), 1).supervisor;
    Command::new(program.path).args(program.arguments).spawn().expect("the supervisor starts")
}

/// Ends and reaps the supervisor that a test started itself.
fn end(mut supervisor: Child) {
    kill(supervisor.id());
    supervisor.wait().expect("the supervisor is reaped");
}

#[tokio::test]
async fn a_megabyte_of_input_blocks_nobody() {
    let data = DataDir::new();
    let supervisor = start(&data);
    let mut daemon = Daemon::connect(&data).await;
    let input = vec![b'x'; 1 << 20];
    daemon.say(ToSupervisor::Spawn(Spawn { input, ..spawn(data.id(1), "sleep 0.2; wc -c") }));
    daemon.say(ToSupervisor::Spawn(Spawn { input: vec![b'x'; 1 << 20], ..spawn(data.id(2), "true") }));
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        match daemon.hear() {
            FromSupervisor::Ended { id: found, outcome } if found == data.id(1) => first = Some(outcome),
            FromSupervisor::Ended { outcome, .. } => second = Some(outcome),
            _ => {}
        }
    }
    assert_eq!(first.expect("it ended").tail.trim_ascii(), b"1048576");
    assert_eq!(second.expect("it ended").verdict, Verdict::Succeeded);
    end(supervisor);
}

#[tokio::test]
async fn a_repeated_order_is_answered_and_not_repeated() {
    let data = DataDir::new();
    let supervisor = start(&data);
    let ledger = data.path().join("ledger");
    let command = format!("echo once >> {}; sleep 0.1", ledger.display());
    let mut daemon = Daemon::connect(&data).await;
    daemon.listed();
    daemon.spawn(1, &command);
    daemon.spawn(1, &command);
    assert_eq!(daemon.outcome(1).verdict, Verdict::Succeeded);
    daemon.spawn(1, &command);
    assert_eq!(daemon.outcome(1).verdict, Verdict::Succeeded);
    assert_eq!(lines(&ledger), ["once"]);
    daemon.say(ToSupervisor::Forget { id: data.id(1) });
    assert_eq!(Daemon::connect(&data).await.listed(), (vec![], vec![]));
    end(supervisor);
}

#[tokio::test]
async fn an_order_given_just_before_the_daemon_dies_is_known_to_the_next_one() {
    let data = DataDir::new();
    let supervisor = start(&data);
    let ledger = data.path().join("ledger");
    for number in 1..=50 {
        let mut daemon = Daemon::connect(&data).await;
        daemon.spawn(number, &format!("echo {number} >> {}", ledger.display()));
        drop(daemon);
        let (running, ended) = Daemon::connect(&data).await.listed();
        assert!(
            running.iter().chain(&ended).any(|known| *known == data.id(number)),
            "order {number} is not known"
        );
    }
    eventually("all have run", || lines(&ledger).len() == 50).await;
    end(supervisor);
}

#[tokio::test]
async fn there_is_one_supervisor_in_a_directory_and_a_stale_socket_is_no_hindrance() {
    let data = DataDir::new();
    let first = start(&data);
    Daemon::connect(&data).await.listed();
    assert!(start(&data).wait().expect("it ends").success());
    end(first);
    assert!(data.path().join("agent/supervisor.sock").exists());
    let second = start(&data);
    assert_eq!(Daemon::connect(&data).await.listed(), (vec![], vec![]));
    end(second);
}

#[tokio::test]
async fn a_result_that_cannot_be_read_is_told_as_lost_and_not_passed_over() {
    let data = DataDir::new();
    let supervisor = start(&data);
    let mut daemon = Daemon::connect(&data).await;
    daemon.spawn(1, "true");
    assert_eq!(daemon.outcome(1).verdict, Verdict::Succeeded);
    for entry in fs::read_dir(data.path().join("agent")).expect("the folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("results-") {
            fs::write(entry.path(), "").expect("the results are damaged");
        }
    }
    let mut daemon = Daemon::connect(&data).await;
    assert_eq!(daemon.outcome(1).verdict, Verdict::Lost);
    daemon.spawn(1, "true");
    assert_eq!(daemon.outcome(1).verdict, Verdict::Lost, "nor is it run again");
    end(supervisor);
}

/// The time on the CPU of a process, in hundredths of a second.
fn cpu(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let fields = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[tokio::test]
async fn a_daemon_for_whom_no_descriptor_is_free_waits_and_the_supervisor_rests_meanwhile() {
    let data = DataDir::new();
    let supervisor = start(&data);
    Daemon::connect(&data).await.listed();
    let pid = Pid::from_raw(supervisor.id().cast_signed());
    let limit = Rlimit { current: Some(1_024), maximum: getrlimit(Resource::Nofile).maximum };
    let folder = format!("/proc/{}/fd", supervisor.id());
    let is_open = |number: &u64| fs::symlink_metadata(format!("{folder}/{number}")).is_ok();
    let free = (0..).find(|number| !is_open(number)).expect("a free number");
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(free), ..limit }).expect("it is lowered");
    let connecting = UnixStream::connect(data.path().join("agent/supervisor.sock")).expect("it waits");
    let before = cpu(supervisor.id());
    // Nothing is waited for: this is the length of the measurement.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let spent = cpu(supervisor.id()) - before;
    assert!(spent <= 5, "{spent} of 40 hundredths of a second were spent on a daemon that cannot be let in");
    prlimit(pid, Resource::Nofile, limit).expect("it is raised");
    assert_eq!(Daemon::greet(&data, connecting).listed(), (vec![], vec![]));
    end(supervisor);
}
