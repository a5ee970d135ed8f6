//! The connection to the supervisor: starts one where there is none, connects again when it breaks.
//!
//! Each connection has a sender of its own, so that an order for one supervisor never reaches the next.

use super::folder::{Folder, private};
use crate::task::{self, CancellationToken};
use dkron_wire::supervisor::{
    FromSupervisor, MESSAGE_BYTES_MAX, ToSupervisor, decode_from_supervisor, encode_to_supervisor,
};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Orders that may wait: the supervisor never lets us wait long.
const ORDERS: usize = 1_024;
/// What it tells may wait while the journal is synced.
const EVENTS: usize = 1_024;
/// The wait before another try while a supervisor is coming up.
const RETRY: Duration = Duration::from_millis(10);
/// The longest wait, where supervisors cannot be started, end at once, or drop the connection.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How a supervisor is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program, mostly this very one.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What happens on the link.
pub(super) enum LinkEvent {
    /// A supervisor is there; it will tell what it knows.
    Connected(mpsc::Sender<ToSupervisor>),
    /// It says this.
    Said(FromSupervisor),
    /// It is gone.
    Lost,
}

/// Keeps the link until `stop`.
pub(super) fn start(folder: Folder, program: Program, stop: CancellationToken) -> mpsc::Receiver<LinkEvent> {
    let (sender, receiver) = mpsc::channel(EVENTS);
    let keep = async move {
        let unheard = sender.clone();
        let mut link = Link { folder, program, child: None, sender };
        tokio::select! {
            () = stop.cancelled() => {}
            () = unheard.closed() => {}
            () = link.keep() => {}
        }
    };
    drop(task::spawn("supervisor link", keep));
    receiver
}

/// What came of an attempt to have a supervisor.
enum Attempt {
    /// One was there, and is gone.
    Served,
    /// One took the connection and dropped it without a word.
    Dropped,
    /// One was started.
    Started,
    /// The one that was started is not ready.
    ComingUp,
    /// None can be started.
    Failed(io::Error),
    /// The agent is gone.
    Unheard,
}

/// The task that writes orders ends with its connection, however that ends.
struct Writing(JoinHandle<()>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Link {
    folder: Folder,
    program: Program,
    /// The supervisor that we started: kept to be reaped, never killed.
    child: Option<Child>,
    sender: mpsc::Sender<LinkEvent>,
}

impl Link {
    /// Ends when nobody listens any more.
    async fn keep(&mut self) {
        let mut wait = RETRY;
        while !self.sender.is_closed() {
            match self.attempt().await {
                Attempt::Served => wait = RETRY,
                Attempt::Dropped | Attempt::Started => wait = (wait * 2).min(RETRY_MAX),
                Attempt::ComingUp => {}
                Attempt::Failed(error) => {
                    tracing::warn!(%error, "no supervisor: no process of a job can start");
                    wait = (wait * 2).min(RETRY_MAX);
                }
                Attempt::Unheard => return,
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&mut self) -> Attempt {
        match self.connect().await {
            Ok(stream) => match self.serve(stream).await {
                Ok(true) => Attempt::Served,
                Ok(false) => Attempt::Dropped,
                Err(_) => Attempt::Unheard,
            },
            Err(_) => match self.start_supervisor() {
                Ok(true) => Attempt::Started,
                Ok(false) => Attempt::ComingUp,
                Err(error) => Attempt::Failed(error),
            },
        }
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        let (_held, path) = self.folder.socket()?;
        UnixStream::connect(&path).await
    }

    /// Starts one, unless the one that we started is still coming up; whether it did. That there is only one its lock sees to:
    /// one that finds the lock taken ends well, and so does one that was idle.
    fn start_supervisor(&mut self) -> io::Result<bool> {
        if let Some(child) = &mut self.child {
            match child.try_wait()? {
                None => return Ok(false),
                Some(status) if !status.success() => {
                    self.child = None;
                    let log = self.folder.path("supervisor.log");
                    return Err(io::Error::other(format!("it ended with {status}, see {}", log.display())));
                }
                Some(_) => {}
            }
        }
        let log = private().append(true).create(true).open(self.folder.path("supervisor.log"))?;
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.arguments).kill_on_drop(false);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn()?);
        Ok(true)
    }

    /// One connection from its hello to its end; whether the supervisor said anything.
    async fn serve(&mut self, stream: UnixStream) -> Result<bool, mpsc::error::SendError<LinkEvent>> {
        let (reader, writer) = stream.into_split();
        let (orders, receiver) = mpsc::channel(ORDERS);
        // What jobs inherit: the one place where the daemon's own environment goes to them.
        let environment =
            std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect();
        let directory =
            std::env::current_dir().map(|path| path.into_os_string().into_vec()).unwrap_or_default();
        let hello = ToSupervisor::Hello { environment, directory };
        let writing = Writing(task::spawn("supervisor orders", write(writer, hello, receiver)));
        self.sender.send(LinkEvent::Connected(orders)).await?;
        let outcome = self.listen(BufReader::with_capacity(64 * 1024, reader)).await;
        drop(writing);
        let spoke = outcome?;
        self.sender.send(LinkEvent::Lost).await?;
        Ok(spoke)
    }

    async fn listen(
        &self,
        mut reader: BufReader<OwnedReadHalf>,
    ) -> Result<bool, mpsc::error::SendError<LinkEvent>> {
        let mut spoke = false;
        loop {
            match read(&mut reader).await {
                Ok(message) => {
                    spoke = true;
                    self.sender.send(LinkEvent::Said(message)).await?;
                }
                Err(error) => {
                    tracing::warn!(%error, "the connection to the supervisor broke");
                    return Ok(spoke);
                }
            }
        }
    }
}

async fn read(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<FromSupervisor> {
    let length = reader.read_u32().await? as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await?;
    decode_from_supervisor(&bytes).map_err(io::Error::other)
}

/// Writes orders until the connection or the agent ends; what waits together is written together.
async fn write(writer: OwnedWriteHalf, hello: ToSupervisor, mut orders: mpsc::Receiver<ToSupervisor>) {
    let mut writer = BufWriter::with_capacity(64 * 1024, writer);
    let mut next = Some(hello);
    while let Some(order) = next.take() {
        let mut written = writer.write_all(&encode_to_supervisor(&order)).await;
        next = orders.try_recv().ok();
        if next.is_none() {
            written = written.and(writer.flush().await);
        }
        if written.is_err() {
            return; // the reader sees it too, and says so
        }
        if next.is_none() {
            next = orders.recv().await;
        }
    }
}
