//! Clients: what they want, and how they go on asking until somebody answers.

use crate::event::{Event, Message, Peer};
use crate::jobs::{self, Document};
use crate::world::{Phase, World};
use dkron_core::command::{Action, Command, Counters, Errand, PutJob, Scope, Version};
use dkron_core::ids::{JobUid, NodeId, NodeSlot, OccurrenceRef, RequestId};
use dkron_core::node::{Liveness, Work};
use dkron_core::plan::backfill::{self, Past};
use dkron_core::plan::edit::{self, Submission};
use dkron_core::time::{Span, Time};
use dkron_core::voters;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What clients know and wait for.
#[derive(Default)]
pub(crate) struct Clients {
    open: BTreeMap<RequestId, Asked>,
    /// What was last put under each name.
    book: BTreeMap<String, Document>,
}

struct Asked {
    wish: Wish,
    tries: u32,
    /// What is wanted once this is done.
    then: Vec<Wish>,
}

/// Something that a client wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Put {
        document: Document,
        expected: Option<Version>,
    },
    /// A job with the counters of a backup.
    Restore {
        document: Document,
        counters: Counters,
    },
    Stage {
        import: RequestId,
        documents: Vec<Document>,
    },
    Commit {
        import: RequestId,
    },
    Abandon {
        import: RequestId,
    },
    Delete(Arc<str>),
    DeleteExecutions(Arc<str>),
    Run(Arc<str>),
    Cancel(OccurrenceRef),
    Pause(bool),
    Hold(Scope),
    Release(Scope),
    Mark(NodeId, Liveness),
    Cordon(NodeId, Work),
    Server(Errand),
    Forget(Errand),
    SetDefaultZone(&'static str),
    Backfill(Past),
    CallOff(Arc<str>),
    Token,
}

impl World {
    /// A client begins to ask for something.
    pub(crate) fn want(&mut self, wish: Wish) {
        self.want_in_turn(vec![wish]);
    }

    /// One after the other.
    fn want_in_turn(&mut self, mut wishes: Vec<Wish>) {
        if wishes.is_empty() {
            return;
        }
        let wish = wishes.remove(0);
        let request = RequestId(self.chance.wide());
        self.trace.note(self.now, &(request.0 as u32, &wish));
        self.clients.open.insert(request, Asked { wish, tries: 0, then: wishes });
        self.ask(request);
    }

    /// Asks some server, and again later if nobody answers.
    pub(crate) fn ask(&mut self, request: RequestId) {
        let calm = self.phase != Phase::Storm;
        let Some(asked) = self.clients.open.get_mut(&request) else { return };
        asked.tries += 1;
        if asked.tries > 20 && !calm {
            self.clients.open.remove(&request);
            return;
        }
        let server = match self.log.leader.filter(|_| calm || self.chance.per_mille(700)) {
            Some(leader) => leader,
            None => self.chance.below(self.servers.len() as u64) as usize,
        };
        self.send(Peer::Client, Peer::Server(server), Message::Ask(request));
        let micros = self.chance.between(300_000, 3_000_000);
        self.after(micros, Event::AskAgain(request));
    }

    pub(crate) fn client_hears(&mut self, message: Message) {
        let Message::Answer(request) = message else { return };
        self.checks.answered(request);
        if let Some(asked) = self.clients.open.remove(&request) {
            self.want_in_turn(asked.then);
        }
    }

    /// Whether every client has its answer.
    pub(crate) fn clients_rest(&self) -> bool {
        self.clients.open.is_empty()
    }

    /// What the leader makes of a request, by its own state and clock.
    pub(crate) fn command_of(&mut self, server: usize, request: RequestId) -> Option<Command> {
        let wish = self.clients.open.get(&request)?.wish.clone();
        let now = self.clock_of(server).time;
        let action = match wish {
            Wish::Put { document, expected } => Action::Put(self.put(server, &document, expected, now)?),
            Wish::Restore { document, counters } => {
                let put = self.put(server, &document, None, now)?;
                Action::Put(PutJob { counters: Some(counters), ..put })
            }
            Wish::Stage { import, documents } => {
                let jobs: Option<Vec<_>> =
                    documents.iter().map(|document| self.put(server, document, None, now)).collect();
                Action::Stage { import, jobs: jobs? }
            }
            Wish::Commit { import } => Action::Commit { import },
            Wish::Abandon { import } => Action::Abandon { import },
            Wish::Delete(name) => Action::Delete { name },
            Wish::DeleteExecutions(name) => Action::DeleteExecutions { name },
            Wish::Run(name) => Action::Run { name, nominal: now },
            Wish::Cancel(occurrence) => Action::Cancel { occurrence, ordinal: None },
            Wish::Pause(paused) => Action::Pause(paused),
            Wish::Backfill(past) => {
                let at = &self.servers[server];
                match backfill::command(&at.ledger.state, at.data, &past, now) {
                    Ok(action) => action,
                    Err(_) => {
                        self.clients.open.remove(&request); // answered at once
                        return None;
                    }
                }
            }
            Wish::CallOff(name) => Action::CallOff { name },
            Wish::Token => match self.token(server) {
                Some(action) => action,
                None => {
                    self.clients.open.remove(&request); // refused at once
                    return None;
                }
            },
            Wish::Server(errand) => Action::Wish(errand),
            Wish::Forget(errand) => Action::Forget(errand),
            Wish::SetDefaultZone(zone) => Action::SetDefaultZone { zone: zone.into() },
            Wish::Hold(scope) => Action::Hold(scope),
            Wish::Release(scope) => Action::Release(scope),
            Wish::Mark(node, liveness) => {
                Action::Mark { node: self.slot_for(server, node, request)?, liveness }
            }
            Wish::Cordon(node, work) => Action::Cordon { node: self.slot_for(server, node, request)?, work },
        };
        Some(Command { request: Some(request), action })
    }

    fn slot_for(&mut self, server: usize, node: NodeId, request: RequestId) -> Option<NodeSlot> {
        let slot = self.servers[server].ledger.state.node_slot(node);
        if slot.is_none() {
            self.clients.open.remove(&request); // answered at once: no such node
        }
        slot
    }

    fn put(
        &mut self,
        server: usize,
        document: &Document,
        expected: Option<Version>,
        now: Time,
    ) -> Option<PutJob> {
        let submission = Submission {
            job: document.job.clone(),
            definition: document.definition.clone(),
            uid: JobUid(self.chance.wide()),
            expected,
            counters: None,
        };
        let at = &self.servers[server];
        edit::put(&at.ledger.state, at.data, submission, now).ok()
    }

    /// Somebody wants something new.
    pub(crate) fn wish(&mut self) {
        if self.phase == Phase::Rest {
            return;
        }
        let gap = self.weather.wish_gap_ms;
        let micros = self.chance.between(gap * 200, gap * 1_800);
        self.after(micros, Event::Wish);
        if self.chance.per_mille(20) {
            return self.want(Wish::Token);
        }
        let choice = self.chance.below(if self.phase == Phase::Calm { 55 } else { 100 });
        let Some(known) = self.known_name().filter(|_| choice >= 8 && self.clients.book.len() >= 3) else {
            return self.put_new();
        };
        if choice >= 60 && self.chance.per_mille(250) {
            return self.plot(known);
        }
        match choice {
            8..30 => self.want(Wish::Run(known)),
            30..42 => self.post_again(&known),
            42..46 => self.post_in_a_row(&known),
            46..52 => self.want(Wish::Run(known)),
            52..55 => self.backfill(known),
            55..70 => self.edit(&known),
            70..74 => self.want(Wish::Delete(known)),
            74..77 => self.want(Wish::DeleteExecutions(known)),
            77..82 => self.cancel_something(),
            82..85 => self.pause(),
            85..91 => self.hold(known),
            91..95 => self.import(),
            95..97 => {
                let zone = *self.chance.pick(&["Europe/Berlin", "Asia/Kolkata", "UTC"]);
                self.want(Wish::SetDefaultZone(zone));
            }
            97 => self.wish_of_some_server(),
            _ => self.mark_some_node(),
        }
    }

    fn known_name(&mut self) -> Option<Arc<str>> {
        let names: Vec<&String> = self.clients.book.keys().collect();
        if names.is_empty() { None } else { Some(self.chance.pick(&names).as_str().into()) }
    }

    fn fresh(&mut self) -> Document {
        let parents: Vec<String> = self.clients.book.keys().cloned().collect();
        let now = self.now;
        let document = jobs::random(&mut self.chance, &parents, now);
        self.clients.book.insert(document.job.name.clone(), document.clone());
        document
    }

    fn put_new(&mut self) {
        if self.phase == Phase::Storm {
            let document = self.fresh();
            self.want(Wish::Put { document, expected: None });
        }
    }

    fn post_again(&mut self, name: &str) {
        if let Some(document) = self.clients.book.get(name).cloned() {
            self.want(Wish::Put { document, expected: None });
        }
    }

    /// The same job a hundred times in two seconds, at times with another timing each time: no tick may suffer.
    fn post_in_a_row(&mut self, name: &str) {
        let Some(document) = self.clients.book.get(name).cloned() else { return };
        let retimed = self.chance.per_mille(400);
        for step in 0..100 {
            let request = RequestId(self.chance.wide());
            let document = if retimed { jobs::retimed(&document, step) } else { document.clone() };
            let wish = Wish::Put { document, expected: None };
            self.clients.open.insert(request, Asked { wish, tries: 0, then: Vec::new() });
            self.after(step * 20_000, Event::AskAgain(request));
        }
    }

    fn edit(&mut self, name: &str) {
        let Some(document) = self.clients.book.get(name).cloned() else { return };
        let edited = jobs::edited(&mut self.chance, &document);
        let known = self.checks.witness.state.job_named(name).map(|(_, job)| job.version());
        let expected = known.filter(|_| self.chance.per_mille(200)).map(|known| Version {
            revision: known.revision.saturating_sub(self.chance.below(2) as u32),
            ..known
        });
        self.clients.book.insert(name.to_owned(), edited.clone());
        self.want(Wish::Put { document: edited, expected });
    }

    fn backfill(&mut self, name: Arc<str>) {
        let from = self.now - Span::from_millis(self.chance.between(1_000, 12_000));
        let range = from..from + Span::from_millis(self.chance.between(1_000, 10_000));
        self.want(Wish::Backfill(Past { name, range }));
    }

    /// Several things at once about one job: what a storm of people and programs does to it.
    fn plot(&mut self, known: Arc<str>) {
        match self.chance.below(8) {
            0 => self.crowd(&known, Wish::Delete(known.clone())),
            1 => self.crowd(&known, Wish::DeleteExecutions(known.clone())),
            2 | 3 => {
                let document = self.clients.book.get(&*known).cloned();
                let edited = document.map(|document| jobs::edited(&mut self.chance, &document));
                let wish = edited.map(|document| Wish::Put { document, expected: None });
                self.crowd(&known, wish.unwrap_or(Wish::Delete(known.clone())));
            }
            4 => {
                self.backfill(known.clone());
                let zone = *self.chance.pick(&["Europe/Berlin", "Asia/Kolkata", "UTC"]);
                self.want(Wish::SetDefaultZone(zone));
                self.want_in_turn(vec![Wish::CallOff(known.clone()), Wish::Run(known)]);
            }
            5 => self.adopt(known),
            6 => self.restore(&known),
            _ => {
                self.hold(known.clone());
                self.edit(&known);
                self.cancel_something();
            }
        }
    }

    /// More runs than may be open, and then the end of something.
    fn crowd(&mut self, name: &Arc<str>, end: Wish) {
        for _ in 0..self.chance.between(2, 6) {
            self.want(Wish::Run(name.clone()));
        }
        let micros = self.chance.between(0, 400_000);
        let request = RequestId(self.chance.wide());
        self.clients.open.insert(request, Asked { wish: end, tries: 0, then: Vec::new() });
        self.after(micros, Event::AskAgain(request));
    }

    /// A job gets another parent, which may be deleted, be its own child, or run just now.
    fn adopt(&mut self, name: Arc<str>) {
        let (Some(parent), Some(document)) = (self.known_name(), self.clients.book.get(&*name).cloned())
        else {
            return;
        };
        if parent != name {
            let document = jobs::adopted(&document, &parent);
            self.clients.book.insert(name.to_string(), document.clone());
            self.want(Wish::Run(parent.clone()));
            self.want(Wish::Put { document, expected: None });
            self.want(Wish::Delete(parent));
        }
    }

    /// An older definition and its counters are put back over what is there.
    fn restore(&mut self, name: &str) {
        let Some(document) = self.clients.book.get(name).cloned() else { return };
        let document = jobs::edited(&mut self.chance, &document);
        self.clients.book.insert(name.to_owned(), document.clone());
        let last = self.now - Span::from_millis(self.chance.between(0, 60_000));
        let counters = Counters {
            success_count: self.chance.below(50),
            error_count: self.chance.below(5),
            last_success: last,
            ..Counters::default()
        };
        self.want(Wish::Restore { document, counters });
    }

    fn cancel_something(&mut self) {
        let open: Vec<OccurrenceRef> =
            self.checks.witness.state.occurrences().map(|(reference, _)| reference).collect();
        if !open.is_empty() {
            let occurrence = *self.chance.pick(&open);
            self.want(Wish::Cancel(occurrence));
        }
    }

    fn pause(&mut self) {
        self.want_in_turn(vec![Wish::Pause(true), Wish::Pause(false)]);
    }

    fn hold(&mut self, name: Arc<str>) {
        let scope = if self.chance.per_mille(300) { Scope::Cluster } else { Scope::Jobs(vec![name]) };
        let rounds = self.chance.below(3);
        let mut wishes = vec![Wish::Hold(scope.clone())];
        wishes.extend((0..rounds).map(|_| Wish::Hold(scope.clone())));
        wishes.push(Wish::Release(scope));
        self.want_in_turn(wishes);
    }

    fn import(&mut self) {
        let import = RequestId(self.chance.wide());
        let mut wishes = Vec::new();
        for _ in 0..=self.chance.below(2) {
            let mut documents: Vec<Document> = Vec::new();
            for _ in 0..self.chance.below(4) {
                let known = self.known_name().filter(|_| self.chance.per_mille(500));
                let known = known.and_then(|name| self.clients.book.get(&*name).cloned());
                let document = match known {
                    Some(document) => jobs::edited(&mut self.chance, &document),
                    None => self.fresh(),
                };
                self.clients.book.insert(document.job.name.clone(), document.clone());
                documents.push(document);
            }
            wishes.push(Wish::Stage { import, documents });
        }
        wishes.push(if self.chance.per_mille(800) {
            Wish::Commit { import }
        } else {
            Wish::Abandon { import }
        });
        self.want_in_turn(wishes);
    }

    /// A wish is forgotten if it is still the one that was meant.
    fn wish_of_some_server(&mut self) {
        let server = NodeId(self.chance.below(3).into());
        let mut errand =
            || Errand { server, wish: *self.chance.pick(&voters::Wish::ALL), process: self.chance.below(2) };
        let (first, second) = (errand(), errand());
        self.want_in_turn(vec![Wish::Server(first), Wish::Forget(second), Wish::Server(second)]);
    }

    fn mark_some_node(&mut self) {
        let agent = self.chance.below(self.agents.len() as u64) as usize;
        let node = self.agents[agent].node;
        let wishes = match *self.chance.pick(&[Some(Work::Cordoned), Some(Work::Draining), None]) {
            Some(work) => vec![Wish::Cordon(node, work), Wish::Cordon(node, Work::Open)],
            None => vec![Wish::Mark(node, Liveness::Left), Wish::Mark(node, Liveness::Alive)],
        };
        self.want_in_turn(wishes);
    }

    /// What operators kept back is given free.
    pub(crate) fn want_nodes_alive(&mut self) {
        for agent in 0..self.agents.len() {
            self.want(Wish::Mark(self.agents[agent].node, Liveness::Alive));
            self.want(Wish::Cordon(self.agents[agent].node, Work::Open));
        }
    }
}
