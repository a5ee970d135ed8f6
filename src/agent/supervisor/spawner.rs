//! Threads that start processes. A start waits until the new program is loaded, about a millisecond, in which
//! the watching thread has better things to do, and another start can go on.

use super::Note;
use super::memory;
use super::watch::Inbox;
use crate::clock;
use dkron_core::journal::Process;
use dkron_core::time::Time;
use dkron_wire::supervisor::{Spawn, Variable};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, prlimit, setrlimit};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeReader, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A start holds its thread for a millisecond, most of which is not the thread's own work.
const THREADS: usize = 8;
/// Starts that may wait: more than an agent has starting at a time (`limits::STARTING_MAX`).
const QUEUE: usize = 16_384;
const STACK_BYTES: usize = 128 * 1024;
/// Two for each running job.
const FILES_MAX: u64 = 65_536;

/// What jobs inherit: the daemon's own environment and folder, where they differ from the supervisor's.
#[derive(Debug, Default)]
pub(super) struct Heritage {
    environment: Option<Vec<Variable>>,
    directory: Option<Vec<u8>>,
}

impl Heritage {
    /// Keeps of the daemon's what is not ours anyway: a start without changes is the fastest.
    pub(super) fn new(environment: Vec<Variable>, directory: Vec<u8>) -> Heritage {
        let own =
            std::env::vars_os().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let own_directory = std::env::current_dir().unwrap_or_default();
        Heritage {
            environment: (!own.eq(environment.iter().cloned())).then_some(environment),
            directory: (!directory.is_empty() && own_directory.as_os_str().as_bytes() != directory)
                .then_some(directory),
        }
    }
}

/// A process that was started.
pub(super) struct Spawned {
    pub(super) child: Child,
    pub(super) pidfd: OwnedFd,
    pub(super) pipe: PipeReader,
    pub(super) process: Process,
    pub(super) at: Time,
}

struct Order {
    serial: u64,
    spawn: Arc<Spawn>,
    heritage: Arc<Heritage>,
}

/// The threads' queue.
pub(super) struct Spawner(SyncSender<Order>);

impl Spawner {
    /// Starts the threads.
    pub(super) fn start(inbox: &Inbox) -> io::Result<Spawner> {
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let files = raise_file_limit();
        for _ in 0..THREADS {
            let (receiver, inbox) = (receiver.clone(), inbox.clone());
            let builder = thread::Builder::new().name("spawner".to_owned()).stack_size(STACK_BYTES);
            builder.spawn(move || work(&receiver, &inbox, files))?;
        }
        Ok(Spawner(sender))
    }

    /// Queues a start.
    pub(super) fn order(
        &self,
        serial: u64,
        spawn: Arc<Spawn>,
        heritage: Arc<Heritage>,
    ) -> Result<(), String> {
        self.0.try_send(Order { serial, spawn, heritage }).map_err(|error| match error {
            TrySendError::Full(_) => format!("{QUEUE} starts are waiting already"),
            TrySendError::Disconnected(_) => "the spawner threads have ended".to_owned(),
        })
    }
}

/// Raises the limit of open files and returns what jobs shall have.
fn raise_file_limit() -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
    // Without it fewer jobs run at a time; a start that then fails says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    limit
}

fn work(receiver: &Mutex<Receiver<Order>>, inbox: &Inbox, files: Rlimit) {
    loop {
        let order = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Order { serial, spawn, heritage }) = order else { return };
        let outcome = start(&spawn, &heritage, files).map(Box::new);
        inbox.send(Note::Spawned { serial, outcome });
    }
}

fn start(spawn: &Spawn, heritage: &Heritage, files: Rlimit) -> Result<Spawned, String> {
    let text = |error: io::Error| error.to_string();
    let (reader, writer) = io::pipe().map_err(text)?;
    rustix::io::ioctl_fionbio(&reader, true).map_err(|error| error.to_string())?;
    let mut command = command(spawn, heritage);
    command.stdin(input(&spawn.input).map_err(text)?);
    command.stdout(writer.try_clone().map_err(text)?).stderr(writer);
    let at = clock::wall();
    let mut child = command.spawn().map_err(|error| refusal(spawn, &error))?;
    let pid = child.id();
    let opened = Pid::from_raw(pid.cast_signed()).map(|pid| (pid, pidfd_open(pid, PidfdFlags::empty())));
    let Some((known, Ok(pidfd))) = opened else {
        let _ = child.kill();
        let _ = child.wait();
        return Err("no descriptor for the new process".to_owned());
    };
    // A job that reads its limit before this line sees a higher one; nothing else depends on it.
    let _ = prlimit(Some(known), Resource::Nofile, files);
    let process = Process { pid, start_ticks: memory::start_ticks(pid).unwrap_or(0) };
    Ok(Spawned { child, pidfd, pipe: reader, process, at })
}

fn command(spawn: &Spawn, heritage: &Heritage) -> Command {
    let mut arguments = spawn.arguments.iter().map(|argument| OsStr::from_bytes(argument));
    let mut command = Command::new(arguments.next().unwrap_or_default());
    command.args(arguments).process_group(0);
    let pair = |(name, value): &'_ Variable| {
        (OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value).to_owned())
    };
    if let Some(environment) = &heritage.environment {
        command.env_clear().envs(environment.iter().map(pair));
    }
    command.envs(spawn.environment.iter().map(pair));
    let own = (!spawn.directory.is_empty()).then_some(&spawn.directory);
    if let Some(directory) = own.or(heritage.directory.as_ref()) {
        command.current_dir(OsStr::from_bytes(directory));
    }
    if let Some(group) = spawn.group {
        command.gid(group);
    }
    if let Some(user) = spawn.user {
        command.uid(user);
    }
    command
}

/// The input is a file in memory, not a pipe: no reader can make us wait, however large it is.
fn input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Why a start failed, in the words that Dkron's users know.
fn refusal(spawn: &Spawn, error: &io::Error) -> String {
    let directory = OsStr::from_bytes(&spawn.directory);
    if !directory.is_empty() && !Path::new(directory).is_dir() {
        return format!("chdir {}: no such directory", directory.display());
    }
    let program = String::from_utf8_lossy(spawn.arguments.first().map_or(&[], Vec::as_slice));
    match error.kind() {
        io::ErrorKind::NotFound if !program.contains('/') => {
            format!("exec: \"{program}\": executable file not found in $PATH")
        }
        io::ErrorKind::NotFound => format!("fork/exec {program}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("fork/exec {program}: permission denied"),
        _ => format!("fork/exec {program}: {error}"),
    }
}
