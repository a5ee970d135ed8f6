//! The supervisor by its own socket: what a daemon may rely on.

use super::{DataDir, PATIENCE, eventually, id, kill, lines, options};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use dkron_wire::supervisor::{
    FromSupervisor, Spawn, ToSupervisor, decode_from_supervisor, encode_to_supervisor,
};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

/// A daemon of a few lines.
struct Daemon {
    stream: UnixStream,
}

impl Daemon {
    async fn connect(data: &DataDir) -> Daemon {
        let socket = data.path().join("agent/supervisor.sock");
        eventually("the supervisor listens", || UnixStream::connect(&socket).is_ok()).await;
        let stream = UnixStream::connect(&socket).expect("the supervisor listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        let mut daemon = Daemon { stream };
        daemon.say(ToSupervisor::Hello { environment: Vec::new(), directory: Vec::new() });
        daemon
    }

    fn say(&mut self, order: ToSupervisor) {
        self.stream.write_all(&encode_to_supervisor(&order)).expect("the supervisor reads");
    }

    fn spawn(&mut self, number: u64, command: &str) {
        self.say(ToSupervisor::Spawn(spawn(number, command)));
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
                && found == id(number)
            {
                return outcome;
            }
        }
    }
}

fn spawn(number: u64, command: &str) -> Spawn {
    Spawn {
        id: id(number),
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
    daemon.say(ToSupervisor::Spawn(Spawn { input, ..spawn(1, "sleep 0.2; wc -c") }));
    daemon.say(ToSupervisor::Spawn(Spawn { input: vec![b'x'; 1 << 20], ..spawn(2, "true") }));
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        match daemon.hear() {
            FromSupervisor::Ended { id: found, outcome } if found == id(1) => first = Some(outcome),
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
    daemon.say(ToSupervisor::Forget { id: id(1) });
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
            running.iter().chain(&ended).any(|known| *known == id(number)),
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
