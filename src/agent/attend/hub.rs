//! Which server hears the agent, and which servers there are.

use super::line::{Event, Heard, Line, Shared};
use super::seek::Seek;
use super::{AttendError, Dial, LEAVE_WAIT, Servers};
use crate::agent::AgentHandle;
use crate::clock;
use crate::task::CancellationToken;
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent};
use dkron_core::ids::NodeId;
use dkron_core::job::Words;
use dkron_core::node::Registration;
use dkron_wire::delivery::from_agent_to_wire;
use dkron_wire::delivery::service;
use futures::future::{self, BoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Events of all lines that may wait.
const EVENTS: usize = 64;

/// The streams of an agent.
pub(super) struct Hub<'a> {
    outbox: &'a mut mpsc::Receiver<FromAgent>,
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
    lines: BTreeMap<u64, Known>,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
    source: Source,
    /// The tags that the node has now.
    tags: watch::Receiver<Words>,
    serial: u64,
    /// The line of the server that hears the agent, and its term.
    leader: Option<(u64, u64)>,
    /// What the agent is to be told of the leader.
    news: Option<ToAgent>,
    /// What the leader is to be told next.
    next: Option<service::FromAgent>,
    /// Until when the leader's answer to our leaving is waited for.
    leaves_by: Option<Instant>,
}

enum Source {
    Known(watch::Receiver<Arc<[ServerAddress]>>),
    Sought(Seek),
}

/// What is known of a line.
struct Known {
    server: ServerAddress,
    stop: CancellationToken,
    up: Option<mpsc::Sender<service::FromAgent>>,
    term: Option<u64>,
    /// The servers that it told of.
    servers: Option<Arc<[ServerAddress]>>,
}

/// What happened.
enum Happened {
    Heard(Event),
    Found(Vec<ServerAddress>),
    Retagged,
    Leave,
    Late,
    Stopped,
    Nothing,
}

impl<'a> Hub<'a> {
    pub(super) fn new(agent: &'a mut AgentHandle, dial: Dial, servers: Servers) -> Hub<'a> {
        let (sender, events) = mpsc::channel(EVENTS);
        let shared = Shared {
            dial,
            registration: agent.registration.clone(),
            process: agent.process,
            protocols: agent.protocols,
            stamp: watch::Sender::new(*agent.stamp.borrow()),
            inbox: agent.inbox.clone(),
            events: sender,
        };
        let tags = agent.tags.subscribe();
        let source = match servers {
            Servers::Known(mut list) => {
                list.mark_changed();
                Source::Known(list)
            }
            Servers::Sought(discover) => Source::Sought(Seek::new(discover)),
        };
        Hub {
            outbox: &mut agent.outbox,
            shared: Arc::new(shared),
            events,
            lines: BTreeMap::new(),
            running: FuturesUnordered::new(),
            source,
            tags,
            serial: 0,
            leader: None,
            news: None,
            next: None,
            leaves_by: None,
        }
    }

    pub(super) async fn run(mut self, leave: CancellationToken) -> Result<(), AttendError> {
        loop {
            match self.wait(&leave).await {
                Happened::Heard(Event { heard: Heard::Said(ToAgent::Left), .. })
                    if self.leaves_by.is_some() =>
                {
                    return Ok(());
                }
                Happened::Heard(event) => self.hear(event),
                Happened::Found(servers) => self.follow(servers),
                Happened::Retagged => self.renew(),
                Happened::Leave => {
                    self.leaves_by = Some(clock::monotonic() + LEAVE_WAIT);
                    self.say_leaving();
                }
                Happened::Late => {
                    tracing::warn!("no leader answered that this node leaves: it will count as failed");
                    return Ok(());
                }
                Happened::Stopped => return Err(AttendError::Stopped),
                Happened::Nothing => {}
            }
        }
    }

    async fn wait(&mut self, leave: &CancellationToken) -> Happened {
        let up = self.leader.and_then(|(line, _)| self.lines.get(&line)).and_then(|line| line.up.clone());
        let inbox = self.shared.inbox.clone();
        let leaves_by = self.leaves_by;
        tokio::select! {
            Some(event) = self.events.recv() => Happened::Heard(event),
            Some(()) = self.running.next() => Happened::Nothing,
            servers = self.source.changed() => Happened::Found(servers),
            Ok(()) = self.tags.changed(), if leaves_by.is_none() => Happened::Retagged,
            permit = inbox.reserve(), if self.news.is_some() => match (permit, self.news.take()) {
                (Ok(permit), Some(news)) => { permit.send(news); Happened::Nothing }
                _ => Happened::Stopped,
            },
            () = inbox.closed() => Happened::Stopped,
            said = self.outbox.recv(), if up.is_some() && self.next.is_none() => match said {
                Some(said) => { self.next = Some(from_agent_to_wire(&said)); Happened::Nothing }
                None => Happened::Stopped,
            },
            permit = reserve(up.as_ref()), if self.next.is_some() => {
                // A stream that takes no more tells so itself, in its turn.
                if let (Some(permit), Some(next)) = (permit, self.next.take()) {
                    permit.send(next);
                }
                Happened::Nothing
            }
            () = leave.cancelled(), if leaves_by.is_none() => Happened::Leave,
            () = at(leaves_by) => Happened::Late,
        }
    }

    fn hear(&mut self, event: Event) {
        let Some(line) = self.lines.get_mut(&event.line) else { return };
        let mut renewed = None;
        match event.heard {
            Heard::Open(up) => (line.up, line.term) = (Some(up), None),
            Heard::Closed => (line.up, line.term, line.servers) = (None, None, None),
            Heard::Said(ToAgent::Leading { term }) => {
                line.term = Some(term);
                renewed = Some(event.line);
            }
            Heard::Said(ToAgent::Following) => line.term = None,
            Heard::Said(ToAgent::Servers(servers)) => line.servers = Some(servers),
            Heard::Said(_) => {}
        }
        self.choose(renewed);
        self.source.note(self.lines.values().any(|line| line.up.is_some()));
        if let Some(servers) = self.told().filter(|_| matches!(self.source, Source::Sought(_))) {
            self.follow(servers);
        }
    }

    /// The highest term leads. Another leader, or one that says so again, is told everything anew.
    fn choose(&mut self, renewed: Option<u64>) {
        let leads = |(serial, line): (&u64, &Known)| line.term.map(|term| (term, *serial));
        let best = self.lines.iter().filter_map(leads).max().map(|(term, serial)| (serial, term));
        let again = best.is_some_and(|(serial, _)| renewed == Some(serial));
        if best == self.leader && !again {
            return;
        }
        self.leader = best;
        self.next = None;
        self.news = Some(best.map_or(ToAgent::Following, |(_, term)| ToAgent::Leading { term }));
        if self.leaves_by.is_some() {
            self.say_leaving();
        }
    }

    fn say_leaving(&mut self) {
        self.next = self.leader.map(|_| from_agent_to_wire(&FromAgent::Leaving));
    }

    /// The servers as the leader told of them; without one, all that any server told of.
    fn told(&self) -> Option<Vec<ServerAddress>> {
        let leader = self.leader.and_then(|(line, _)| self.lines.get(&line));
        if let Some(servers) = leader.and_then(|line| line.servers.as_ref()) {
            return Some(servers.to_vec());
        }
        let told: Vec<ServerAddress> =
            self.lines.values().filter_map(|line| line.servers.as_deref()).flatten().cloned().collect();
        (!told.is_empty()).then_some(told)
    }

    /// Opens and closes streams, so that there is one to each of these servers and no other.
    fn follow(&mut self, servers: Vec<ServerAddress>) {
        let mut wanted: BTreeMap<NodeId, ServerAddress> =
            servers.into_iter().map(|server| (server.id, server)).collect();
        self.lines.retain(|_, line| {
            let stays = wanted.get(&line.server.id) == Some(&line.server);
            if stays {
                wanted.remove(&line.server.id);
            } else {
                line.stop.cancel();
            }
            stays
        });
        for server in wanted.into_values() {
            self.begin(server);
        }
        self.choose(None);
    }

    /// The node has other tags now: it says hello anew to all, since a hello is what puts them into the log.
    fn renew(&mut self) {
        let tags = self.tags.borrow_and_update().clone();
        let registration = Registration { tags, ..self.shared.registration.clone() };
        self.shared = Arc::new(Shared { registration, ..Shared::clone(&self.shared) });
        let lines = std::mem::take(&mut self.lines);
        for line in lines.into_values() {
            line.stop.cancel();
            self.begin(line.server);
        }
        self.choose(None);
    }

    fn begin(&mut self, server: ServerAddress) {
        self.serial += 1;
        let stop = CancellationToken::new();
        let line = Line {
            serial: self.serial,
            server: server.clone(),
            shared: self.shared.clone(),
            stop: stop.clone(),
        };
        self.running.push(Box::pin(line.run()));
        self.lines.insert(self.serial, Known { server, stop, up: None, term: None, servers: None });
    }
}

impl Source {
    async fn changed(&mut self) -> Vec<ServerAddress> {
        match self {
            Source::Known(list) => match list.changed().await {
                Ok(()) => list.borrow_and_update().to_vec(),
                Err(_) => future::pending().await,
            },
            Source::Sought(seek) => seek.found().await,
        }
    }

    fn note(&mut self, connected: bool) {
        match self {
            Source::Sought(seek) if connected => seek.rest(),
            Source::Sought(seek) => seek.wake(),
            Source::Known(_) => {}
        }
    }
}

/// A place in the stream's buffer; none if the stream is gone.
async fn reserve(
    up: Option<&mpsc::Sender<service::FromAgent>>,
) -> Option<mpsc::Permit<'_, service::FromAgent>> {
    match up {
        Some(up) => up.reserve().await.ok(),
        None => future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => future::pending().await,
    }
}
