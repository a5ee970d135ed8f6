//! One execution at the supervisor, from the order to the stored result.

use super::results::Finished;
use super::spawner::Spawned;
use super::status;
use crate::clock;
use crate::executor::output::Output;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use dkron_core::journal::Process;
use dkron_core::limits;
use dkron_core::time::Time;
use dkron_wire::supervisor::{FromSupervisor, Spawn};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a cancelled job has between the polite signal and the other one.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long output is waited for after the process has ended: a daemonised grandchild may hold the pipe for ever.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// How much of one job's output is read before others have their turn.
const TURN_BYTES: usize = 256 * 1024;

/// Why we killed it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    Cancelled,
    TimedOut,
    OutOfMemory,
}

/// An execution that is starting, running or being stored.
pub(super) struct Child {
    pub(super) spawn: Arc<Spawn>,
    pub(super) output: Output,
    running: Option<Running>,
    reason: Option<Reason>,
    /// When the group is killed, or killed again.
    kill_at: Option<Instant>,
    /// When this one's timer rings, as the watch has it.
    pub(super) timer: Option<Instant>,
}

struct Running {
    child: std::process::Child,
    pidfd: OwnedFd,
    pipe: Option<PipeReader>,
    /// Whether all writers of the pipe are gone.
    drained: bool,
    process: Process,
    at: Time,
    timeout_at: Option<Instant>,
    /// When the leader ended. It is not reaped before the end: until then its number, which is its group's,
    /// is nobody else's, and a signal to it reaches no stranger.
    ended: Option<(Instant, Time)>,
}

impl Child {
    pub(super) fn new(spawn: Arc<Spawn>) -> Child {
        Child { spawn, output: Output::default(), running: None, reason: None, kill_at: None, timer: None }
    }

    pub(super) fn id(&self) -> ExecutionId {
        self.spawn.id
    }

    /// It runs. A cancel that came meanwhile holds.
    pub(super) fn started(&mut self, spawned: Spawned, now: Instant) {
        let Spawned { child, pidfd, pipe, process, at } = spawned;
        let timeout =
            self.spawn.timeout.map(|span| Duration::from_nanos(span.nanos().max(0).cast_unsigned()));
        let timeout_at = timeout.and_then(|timeout| now.checked_add(timeout));
        self.running = Some(Running {
            child,
            pidfd,
            pipe: Some(pipe),
            drained: false,
            process,
            at,
            timeout_at,
            ended: None,
        });
        if self.reason.is_some() {
            self.reason = None;
            self.stop(now);
        }
    }

    pub(super) fn pidfd(&self) -> Option<&OwnedFd> {
        self.running.as_ref().map(|running| &running.pidfd)
    }

    pub(super) fn pipe(&self) -> Option<&PipeReader> {
        self.running.as_ref()?.pipe.as_ref()
    }

    /// Gives the pipe away when nothing more is read from it, for the watch to close.
    pub(super) fn take_pipe(&mut self, now: Instant) -> Option<PipeReader> {
        let over = self.is_over(now);
        self.running.as_mut().filter(|running| running.drained || over)?.pipe.take()
    }

    /// What the daemon is told of it.
    pub(super) fn began(&self) -> FromSupervisor {
        let running = self.running.as_ref();
        FromSupervisor::Began {
            id: self.id(),
            at: running.map_or(Time::EPOCH, |running| running.at),
            process: running.map(|running| running.process),
        }
    }

    /// The process whose memory counts; none if it has no limit or runs no more.
    pub(super) fn limited(&self) -> Option<u32> {
        let running = self.running.as_ref().filter(|running| running.ended.is_none())?;
        self.spawn.memory_bytes_max.map(|_| running.process.pid)
    }

    /// Asks it to end.
    pub(super) fn stop(&mut self, now: Instant) {
        if self.reason.is_some() {
            return;
        }
        self.reason = Some(Reason::Cancelled);
        if self.running.is_some() {
            self.signal(Signal::TERM);
            self.kill_at = Some(now + STOP_GRACE);
        }
    }

    /// It uses this much memory.
    pub(super) fn weigh(&mut self, bytes: u64) {
        let Some(max) = self.spawn.memory_bytes_max.filter(|max| bytes > *max) else { return };
        let label = &self.spawn.label;
        let remark = format!(
            "shell: Job '{label}' memory usage ({bytes} bytes) exceeding defined limit ({max} bytes). Job was killed"
        );
        self.kill(Reason::OutOfMemory, &remark);
    }

    /// The leader has ended.
    pub(super) fn leader_ended(&mut self, now: Instant) {
        if let Some(running) = &mut self.running {
            running.ended.get_or_insert_with(|| (now, clock::wall()));
        }
    }

    /// Reads what is in the pipe, a turn's worth; returns how many bytes preceded that, and the piece.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> (u64, Vec<u8>) {
        let offset = self.output.total();
        let mut piece = Vec::new();
        let Some(running) = &mut self.running else { return (offset, piece) };
        let Some(pipe) = &mut running.pipe else { return (offset, piece) };
        while !running.drained && piece.len() < TURN_BYTES {
            match pipe.read(chunk) {
                Ok(0) => running.drained = true,
                Ok(count) => piece.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => running.drained = true,
            }
        }
        self.output.push(&piece);
        (offset, piece)
    }

    /// Takes what time asks for.
    pub(super) fn tick(&mut self, now: Instant) {
        let Some(running) = &mut self.running else { return };
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.signal(Signal::KILL);
            return;
        }
        if running.ended.is_none() && running.timeout_at.is_some_and(|at| at <= now) {
            running.timeout_at = None;
            let timeout = self.spawn.timeout.unwrap_or_default();
            let remark = format!(
                "shell: Job '{}' execution time exceeding defined timeout {}. Job was killed",
                self.spawn.label,
                dkron_core::duration::print_duration(timeout)
            );
            self.kill(Reason::TimedOut, &remark);
        }
    }

    /// When time asks for something next.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        match running.ended {
            None => running.timeout_at.into_iter().chain(self.kill_at).min(),
            Some(_) => self.give_up_at(),
        }
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(running) = &self.running else { return false };
        running.ended.is_some() && (running.drained || self.give_up_at().is_some_and(|at| at <= now))
    }

    /// When the pipe of an ended process is given up: others of a cancelled group have their grace.
    fn give_up_at(&self) -> Option<Instant> {
        let (ended, _) = self.running.as_ref()?.ended?;
        let drained = ended + DRAIN_MAX;
        Some(self.kill_at.map_or(drained, |kill_at| kill_at.max(drained)))
    }

    fn kill(&mut self, reason: Reason, remark: &str) {
        if self.reason.is_none_or(|reason| reason == Reason::Cancelled) {
            self.reason = Some(self.reason.unwrap_or(reason));
            self.output.push_line(remark);
            self.signal(Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        let Some(running) = &self.running else { return };
        if let Some(group) = Pid::from_raw(running.process.pid.cast_signed()) {
            // The group may be gone; so much the better.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Reaps it and makes the result.
    pub(super) fn finish(&mut self, serial: u64) -> Finished {
        if self.reason.is_some() {
            self.signal(Signal::KILL);
        }
        let (status, started_at, finished_at) = match self.running.take() {
            Some(mut running) => {
                let finished_at = running.ended.map_or_else(clock::wall, |(_, at)| at);
                (running.child.wait().ok(), running.at, finished_at)
            }
            None => (None, Time::EPOCH, clock::wall()),
        };
        if !self.spawn.remark.is_empty() {
            self.output.push_line(&self.spawn.remark.clone());
        }
        let error = status.map_or_else(|| "the process could not be waited for".to_owned(), status::text);
        let verdict = match self.reason {
            Some(Reason::Cancelled) => Verdict::Cancelled,
            Some(Reason::TimedOut) => Verdict::TimedOut,
            Some(Reason::OutOfMemory) => Verdict::OutOfMemory,
            None if status.is_some_and(|status| status.success()) => Verdict::Succeeded,
            None => Verdict::Failed,
        };
        let code = status.and_then(|status| status.code());
        self.result(serial, Outcome { code, ..outcome(verdict, started_at, finished_at, &error) })
    }

    /// The result of one that could not be started.
    pub(super) fn refuse(&mut self, serial: u64, error: &str) -> Finished {
        let verdict = if self.reason.is_some() { Verdict::Cancelled } else { Verdict::Failed };
        self.result(serial, outcome(verdict, Time::EPOCH, clock::wall(), error))
    }

    fn result(&mut self, serial: u64, outcome: Outcome) -> Finished {
        let output = std::mem::take(&mut self.output);
        let outcome = Outcome { tail: output.tail().into(), output_bytes: output.total(), ..outcome };
        let long = output.kept().len() > limits::OUTPUT_TAIL_BYTES;
        Finished { serial, id: self.id(), outcome, output: long.then(|| output.kept().to_vec()) }
    }
}

fn outcome(verdict: Verdict, started_at: Time, finished_at: Time, error: &str) -> Outcome {
    Outcome {
        verdict,
        started_at,
        finished_at,
        code: None,
        error: error.into(),
        tail: Arc::default(),
        output_bytes: 0,
    }
}
