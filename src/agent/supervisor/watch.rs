//! The one thread that watches: processes, pipes, the daemon, the time.

use super::Note;
use super::child::Child;
use super::memory;
use super::peer::Peer;
use super::results::{Finished, Place, Results};
use super::spawner::{Heritage, Spawned, Spawner};
use crate::agent::folder::Folder;
use crate::agent::identity;
use crate::clock;
use dkron_core::ids::{ExecutionId, RunnerId};
use dkron_wire::supervisor::{FromSupervisor, Spawn, ToSupervisor};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

const LISTENER: u64 = 0;
const WAKE: u64 = 1;
const PEER: u64 = 2;
/// Children's tokens are twice their serial, and one more for the pipe.
const FIRST_SERIAL: u64 = 8;
const EVENTS_MAX: usize = 256;
const NOTES_MAX: usize = 1_024;
const MEMORY_PERIOD: Duration = Duration::from_secs(1);
/// How long a daemon waits at the door when no descriptor is free for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the waiting threads reach the watching one.
#[derive(Clone)]
pub(super) struct Inbox {
    sender: SyncSender<Note>,
    wake: Arc<OwnedFd>,
}

impl Inbox {
    pub(super) fn send(&self, note: Note) {
        // Both fail only when the process is about to end.
        if self.sender.send(note).is_ok() {
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }
}

pub(super) struct Watch {
    /// This life of a supervisor.
    runner: RunnerId,
    folder: Folder,
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    listener: UnixListener,
    notes: Receiver<Note>,
    spawner: Spawner,
    heritage: Arc<Heritage>,
    results: Results,
    children: BTreeMap<u64, Child>,
    serials: BTreeMap<ExecutionId, u64>,
    timers: BTreeSet<(Instant, u64)>,
    /// Those with a memory limit.
    limited: BTreeSet<u64>,
    last_serial: u64,
    peer: Option<Peer>,
    /// Until then the listener is not looked at.
    deaf_until: Option<Instant>,
    /// Where the telling of kept results has come to; none if it is done.
    listing: Option<Option<ExecutionId>>,
    weighed_at: Instant,
    idle_since: Instant,
    idle_max: Duration,
    chunk: Vec<u8>,
}

impl Watch {
    pub(super) fn open(folder: Folder, idle_max: Duration) -> io::Result<Watch> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, notes) = sync_channel(NOTES_MAX);
        let inbox = Inbox { sender, wake: wake.clone() };
        let spawner = Spawner::start(&inbox)?;
        let results = Results::open(folder.clone(), inbox)?;
        let listener = listen(&folder)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        let now = clock::monotonic();
        Ok(Watch {
            runner: RunnerId(identity::random()?),
            folder,
            epoll,
            wake,
            listener,
            notes,
            spawner,
            heritage: Arc::default(),
            results,
            children: BTreeMap::new(),
            serials: BTreeMap::new(),
            timers: BTreeSet::new(),
            limited: BTreeSet::new(),
            last_serial: FIRST_SERIAL,
            peer: None,
            deaf_until: None,
            listing: None,
            weighed_at: now,
            idle_since: now,
            idle_max,
            chunk: vec![0; 64 * 1024],
        })
    }

    /// Until there is nothing to do any more.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            self.tell();
            let now = clock::monotonic();
            if self.is_idle() && now.duration_since(self.idle_since) >= self.idle_max {
                let _ = fs::remove_file(self.folder.path("supervisor.sock"));
                return Ok(());
            }
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&self.wait(now)))
            {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.react(event.data.u64());
            }
            self.ring(clock::monotonic());
        }
    }

    /// Nothing runs, nobody is there, and nobody can come for the results: there are none, or the folder is gone.
    fn is_idle(&mut self) -> bool {
        let unwanted = self.peer.is_none() && self.children.is_empty();
        let idle = unwanted && (self.results.is_empty() || !self.folder.path("supervisor.sock").exists());
        if !idle {
            self.idle_since = clock::monotonic();
        }
        idle
    }

    /// How long nothing needs us.
    fn wait(&self, now: Instant) -> Timespec {
        let timer = self.timers.first().map(|(at, _)| *at);
        let weigh = (!self.limited.is_empty()).then_some(self.weighed_at + MEMORY_PERIOD);
        let next = timer.into_iter().chain(weigh).chain(self.deaf_until).min().unwrap_or(now + self.idle_max);
        // Rounded up to a millisecond, as epoll does, so that a timer never rings early.
        let wait = next.saturating_duration_since(now) + Duration::from_micros(999);
        Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: i64::from(wait.subsec_nanos()) }
    }

    fn react(&mut self, token: u64) {
        match token {
            LISTENER => self.accept(),
            WAKE => self.hear(),
            PEER => self.listen_to_peer(),
            token if token % 2 == 0 => self.leader_ended(token / 2),
            token => self.read(token / 2),
        }
    }

    /// The latest daemon is the one that lives. What the one before it said is heard first: it may have ordered
    /// a start just before it died, and the new one must be told of that.
    ///
    /// Nothing that is said on an earlier connection is heard once a later one is there: the new daemon relies on
    /// it that what it is not told of never starts.
    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Mostly for want of descriptors; the listener would ring without an end.
                Err(_) => return self.watch_listener(Some(clock::monotonic() + ACCEPT_PAUSE)),
            };
            if self.peer.is_some() {
                self.listen_to_peer();
            }
            self.drop_peer();
            let data = EventData::new_u64(PEER);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            if stream.set_nonblocking(true).is_ok() && epoll::add(&self.epoll, &stream, data, flags).is_ok() {
                self.peer = Some(Peer::new(stream));
            }
        }
    }

    /// Looks at the listener, or does not until some instant.
    fn watch_listener(&mut self, deaf_until: Option<Instant>) {
        let flags = if deaf_until.is_some() { EventFlags::empty() } else { EventFlags::IN };
        // Of a listener that epoll has, a change cannot fail.
        let _ = epoll::modify(&self.epoll, &self.listener, EventData::new_u64(LISTENER), flags);
        self.deaf_until = deaf_until;
    }

    fn listen_to_peer(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        let (messages, open) = peer.read();
        for message in messages {
            match message {
                ToSupervisor::Hello { environment, directory } => self.greet(environment, directory),
                ToSupervisor::Spawn(spawn) => self.spawn(spawn),
                ToSupervisor::Stop { id } => self.stop(id),
                ToSupervisor::Forget { id } => self.results.forget(id),
            }
        }
        if !open {
            self.drop_peer();
        }
    }

    fn drop_peer(&mut self) {
        if let Some(peer) = self.peer.take() {
            let _ = epoll::delete(&self.epoll, &peer.stream);
        }
        self.listing = None;
    }

    fn greet(&mut self, environment: Vec<dkron_wire::supervisor::Variable>, directory: Vec<u8>) {
        self.heritage = Arc::new(Heritage::new(environment, directory));
        let Some(peer) = &mut self.peer else { return };
        peer.send(&FromSupervisor::Welcome { pid: std::process::id(), runner: self.runner });
        self.children.values().for_each(|child| peer.send(&child.began()));
        self.listing = Some(None);
    }

    /// Hands the socket what is queued, and kept results as long as there is room. The socket calls again only
    /// after it was full: a listing must not rest while it is not.
    fn tell(&mut self) {
        loop {
            self.tell_results();
            self.flush();
            if self.listing.is_none() || self.peer.as_ref().is_none_or(|peer| !peer.has_room()) {
                return;
            }
        }
    }

    /// Queues kept results, as many as there is room for.
    fn tell_results(&mut self) {
        while let (Some(cursor), Some(peer)) = (self.listing, &mut self.peer) {
            if !peer.has_room() {
                return;
            }
            match self.results.next(cursor) {
                Some(id) => {
                    peer.send(&FromSupervisor::Ended { id, outcome: self.results.read(id) });
                    self.listing = Some(Some(id));
                }
                None => {
                    peer.send(&FromSupervisor::Listed);
                    self.listing = None;
                }
            }
        }
    }

    fn spawn(&mut self, spawn: Spawn) {
        let id = spawn.id;
        if let Some(child) = self.serials.get(&id).and_then(|serial| self.children.get(serial)) {
            let began = child.began();
            return self.say(&began);
        }
        if self.results.contains(id) {
            let outcome = self.results.read(id);
            return self.say(&FromSupervisor::Ended { id, outcome });
        }
        self.last_serial += 1;
        let serial = self.last_serial;
        let spawn = Arc::new(spawn);
        self.limited.extend(spawn.memory_bytes_max.map(|_| serial));
        self.children.insert(serial, Child::new(spawn.clone()));
        self.serials.insert(id, serial);
        if let Err(error) = self.spawner.order(serial, spawn, self.heritage.clone()) {
            self.refuse(serial, &error);
        }
    }

    fn stop(&mut self, id: ExecutionId) {
        if let Some(serial) = self.serials.get(&id).copied() {
            if let Some(child) = self.children.get_mut(&serial) {
                child.stop(clock::monotonic());
            }
            self.settle(serial);
        }
    }

    /// Hears what the waiting threads have to say.
    fn hear(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        while let Ok(note) = self.notes.try_recv() {
            match note {
                Note::Spawned { serial, outcome: Ok(spawned) } => self.started(serial, *spawned),
                Note::Spawned { serial, outcome: Err(error) } => self.refuse(serial, &error),
                Note::Stored(stored) => stored.into_iter().for_each(|stored| self.stored(stored)),
            }
        }
    }

    fn started(&mut self, serial: u64, spawned: Spawned) {
        let Some(child) = self.children.get_mut(&serial) else { return };
        child.started(spawned, clock::monotonic());
        if let (Some(pidfd), Some(pipe)) = (child.pidfd(), child.pipe()) {
            // Cannot fail but for want of memory; the timer of the timeout, or a cancel, would still end it.
            let _ = epoll::add(&self.epoll, pidfd, EventData::new_u64(2 * serial), EventFlags::IN);
            let _ = epoll::add(&self.epoll, pipe, EventData::new_u64(2 * serial + 1), EventFlags::IN);
        }
        let began = child.began();
        self.say(&began);
        self.settle(serial);
    }

    fn leader_ended(&mut self, serial: u64) {
        let Some(child) = self.children.get_mut(&serial) else { return };
        child.leader_ended(clock::monotonic());
        if let Some(pidfd) = child.pidfd() {
            let _ = epoll::delete(&self.epoll, pidfd);
        }
        // What it wrote last is there already; mostly this is all, and saves a turn.
        self.read(serial);
    }

    fn read(&mut self, serial: u64) {
        let Some(child) = self.children.get_mut(&serial) else { return };
        let (offset, piece) = child.read(&mut self.chunk);
        let id = child.id();
        if !piece.is_empty()
            && let Some(peer) = self.peer.as_mut().filter(|peer| peer.has_room())
        {
            peer.send(&FromSupervisor::Output { id, offset, bytes: piece.into() });
        }
        self.settle(serial);
    }

    /// Rings the timers that are due.
    fn ring(&mut self, now: Instant) {
        while let Some((at, serial)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, serial));
            if let Some(child) = self.children.get_mut(&serial) {
                child.timer = None;
                child.tick(now);
            }
            self.settle(serial);
        }
        if self.deaf_until.is_some_and(|until| until <= now) {
            self.watch_listener(None);
        }
        if now.duration_since(self.weighed_at) >= MEMORY_PERIOD {
            self.weighed_at = now;
            self.weigh();
        }
    }

    fn weigh(&mut self) {
        let limited = self.limited.iter().filter_map(|serial| self.children.get(serial)?.limited());
        let leaders: Vec<u32> = limited.collect();
        if leaders.is_empty() {
            return;
        }
        let resident = memory::resident(&leaders);
        for serial in &self.limited {
            if let Some(child) = self.children.get_mut(serial)
                && let Some(bytes) = child.limited().and_then(|leader| resident.get(&leader))
            {
                child.weigh(*bytes);
            }
        }
    }

    /// After anything happened to a child: ends it, or sets its timer.
    fn settle(&mut self, serial: u64) {
        let Some(child) = self.children.get_mut(&serial) else { return };
        if let Some(timer) = child.timer.take() {
            self.timers.remove(&(timer, serial));
        }
        let now = clock::monotonic();
        if let Some(pipe) = child.take_pipe(now) {
            // Before it is closed: a process that is just being started holds a copy of it until its program is
            // loaded, and so long a closed one would go on ringing.
            let _ = epoll::delete(&self.epoll, &pipe);
        }
        if child.is_over(now) {
            let finished = child.finish(serial);
            return self.results.store(finished);
        }
        child.timer = child.wake_at();
        self.timers.extend(child.timer.map(|timer| (timer, serial)));
    }

    fn refuse(&mut self, serial: u64, error: &str) {
        if let Some(child) = self.children.get_mut(&serial) {
            let finished: Finished = child.refuse(serial, error);
            self.results.store(finished);
        }
    }

    fn stored(&mut self, (finished, place): (Finished, Place)) {
        let Finished { serial, id, outcome, .. } = finished;
        self.children.remove(&serial);
        self.limited.remove(&serial);
        self.serials.remove(&id);
        self.results.insert(id, place);
        self.say(&FromSupervisor::Ended { id, outcome });
    }

    fn say(&mut self, message: &FromSupervisor) {
        if let Some(peer) = &mut self.peer {
            peer.send(message);
        }
    }

    fn flush(&mut self) {
        if self.peer.as_mut().is_some_and(|peer| !peer.flush()) {
            // What it said before it went is still in the socket, and must be heard.
            self.listen_to_peer();
            self.drop_peer();
        }
    }
}

/// The socket, for the owner only. Another supervisor's is gone: we have the lock.
fn listen(folder: &Folder) -> io::Result<UnixListener> {
    let (_held, path) = folder.socket()?;
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
