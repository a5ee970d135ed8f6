//! One server that wants to belong to a cluster: what it remembers, and what it makes of each message.

use super::view::View;
use super::{Answer, Hello, Own, Promise, Refusal, Relation, Stage};
use crate::ids::{ClusterId, NodeId, Stamp};
use crate::roster::Roster;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The memory of one process. Only what is in `stored`, `forsworn` and `stage` outlives it.
#[derive(Clone, Debug)]
pub struct Forming {
    pub(super) own: Own,
    pub(super) stage: Stage,
    /// What is on disk.
    pub(super) stored: Option<Promise>,
    /// What is on its way there.
    pub(super) storing: Option<Option<Promise>>,
    /// Clusters that it never serves, as its disk says.
    pub(super) forsworn: BTreeSet<ClusterId>,
    /// The same on its way there.
    pub(super) forswearing: BTreeSet<ClusterId>,
    /// Whether a person wants the promise to be cleared.
    pub(super) reset: bool,
    /// Whether the log is being initialised.
    pub(super) founding: bool,
    /// The cluster that is being joined.
    pub(super) joining: Option<Stamp>,
    /// Clusters that can never be founded, as far as this process remembers.
    pub(super) dead: BTreeSet<ClusterId>,
    /// Who has promised what the own promise asks for.
    pub(super) granted: BTreeSet<NodeId>,
    /// A refusal that ends the own attempt.
    pub(super) refused: Option<Refusal>,
    /// Whom to tell that a cluster is given up.
    pub(super) to_abort: Vec<(NodeId, ClusterId)>,
    /// The last answers to questions about the own promise, or about none if there is none.
    pub(super) answers: BTreeMap<NodeId, (Time, Answer)>,
    /// When each server was last asked.
    pub(super) asked: BTreeMap<NodeId, Time>,
    /// When the process started.
    pub(super) started: Time,
    /// When the own attempt began, or the initialiser was last heard.
    pub(super) since: Time,
    /// No attempt before.
    pub(super) not_before: Time,
    /// Attempts that came to nothing.
    pub(super) failures: u32,
}

/// What to do with another server's request for a promise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is given already: answer so.
    Granted,
    /// Put it on disk, say [`Forming::on_stored`], then answer that it is given.
    Store(Promise),
    /// Answer why not.
    Refused(Refusal),
}

/// What to do with a message of the log's protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Service {
    /// Take it.
    Serve,
    /// It proves that all have promised: carry this out as a `Found` step, then take it.
    FoundFirst(Promise),
    /// It is a stranger's.
    Refuse,
}

impl Forming {
    /// A process that starts with what it finds on its disk.
    pub fn new(own: Own, stage: Stage, stored: Option<Promise>, now: Time) -> Forming {
        Forming {
            own,
            stage,
            stored,
            storing: None,
            forsworn: BTreeSet::new(),
            forswearing: BTreeSet::new(),
            reset: false,
            founding: false,
            joining: None,
            dead: BTreeSet::new(),
            granted: BTreeSet::new(),
            refused: None,
            to_abort: Vec::new(),
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            started: now,
            since: now,
            not_before: now,
            failures: 0,
        }
    }

    /// The same, with the clusters that its disk says it never serves.
    pub fn with_forsworn(self, forsworn: BTreeSet<ClusterId>) -> Forming {
        Forming { forsworn, ..self }
    }

    /// How far the server has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The promise on its disk.
    pub fn promise(&self) -> Option<&Promise> {
        self.stored.as_ref()
    }

    /// What was to be stored is on disk.
    pub fn on_stored(&mut self, now: Time) {
        if let Some(promise) = self.storing.take() {
            self.stored = promise;
            self.since = now;
            self.granted.clear();
            self.refused = None;
            self.answers.clear();
            self.asked.clear();
        }
    }

    /// It is on disk that the server never serves this cluster.
    pub fn on_forsworn(&mut self, cluster: ClusterId) {
        self.forswearing.remove(&cluster);
        self.forsworn.insert(cluster);
    }

    /// The own log was initialised with the set of the own promise, durably.
    pub fn on_initialised(&mut self) {
        self.founding = false;
        if let (Stage::Empty, Some(promise)) = (self.stage, &self.stored) {
            self.stage = Stage::Initialised(promise.stamp());
            self.answers.clear();
        }
    }

    /// The own log is of this cluster, which is founded.
    pub fn on_formed(&mut self, stamp: Stamp) {
        self.founding = false;
        self.stage = Stage::Founded(stamp);
    }

    /// Answers a question. A cluster that comes with the answer is to be forsworn, as by [`Step::Forswear`]; the
    /// answer needs not wait for it, the next one will say so.
    pub fn on_hello(&mut self, hello: &Hello) -> (Answer, Option<ClusterId>) {
        let answer = Answer {
            stamp: self.stage.stamp(),
            founded: matches!(self.stage, Stage::Founded(_)),
            expect: self.own.expect,
            relation: hello.about.as_ref().map_or(Relation::None, |promise| self.relation(promise.cluster)),
        };
        let asked = hello.about.as_ref().filter(|promise| self.is_drawn_in(promise));
        let forsworn = asked.map(|promise| promise.cluster);
        self.forswearing.extend(forsworn);
        (answer, forsworn)
    }

    fn relation(&self, cluster: ClusterId) -> Relation {
        let is_of = |stamp: Stamp| stamp.cluster == cluster;
        match (self.stage, &self.stored) {
            (Stage::Founded(stamp), _) if is_of(stamp) => Relation::Founded,
            (Stage::Initialised(stamp), _) if is_of(stamp) => Relation::Initialised,
            (Stage::Initialised(_) | Stage::Founded(_), _) => Relation::Withdrawn,
            (_, Some(promise)) if promise.cluster == cluster && promise.withdrawn => Relation::Withdrawn,
            (_, Some(promise)) if promise.cluster == cluster => Relation::Holds,
            _ if self.dead.contains(&cluster) => Relation::Dead,
            _ if self.forsworn.contains(&cluster) => Relation::Withdrawn,
            _ => Relation::None,
        }
    }

    /// A member that withdrew is bound until enough others did. One that does not hold the promise, because it was
    /// never asked or is free again, could still be asked for it, and forswears it.
    fn is_drawn_in(&self, theirs: &Promise) -> bool {
        theirs.withdrawn
            && self.stage == Stage::Empty
            && self.is_idle()
            && self.relation(theirs.cluster) == Relation::None
            && !self.forswearing.contains(&theirs.cluster)
            && theirs.initialiser != self.own.id
            && theirs.set.contains(&self.own.id)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.storing.is_none() && !self.founding
    }

    /// A server has answered this question.
    pub fn on_answer(&mut self, peer: NodeId, hello: &Hello, answer: Answer, now: Time) {
        let asked = hello.about.as_ref().map(|promise| promise.cluster);
        let initialised = matches!(self.stage, Stage::Initialised(_));
        if asked != self.stored.as_ref().map(|promise| promise.cluster) || hello.initialised != initialised {
            return;
        }
        self.answers.insert(peer, (now, answer));
        let initialiser = self.stored.as_ref().map(|promise| promise.initialiser);
        if initialiser == Some(peer) && answer.relation == Relation::Holds {
            self.since = now;
        }
    }

    /// Another server asks for a promise.
    pub fn on_promise_request(&mut self, request: &Promise, roster: &Roster) -> Verdict {
        if let Some(refusal) = self.objection(request, roster) {
            return Verdict::Refused(refusal);
        }
        if self.stored.is_some() {
            return Verdict::Granted;
        }
        self.storing = Some(Some(request.clone()));
        Verdict::Store(request.clone())
    }

    fn objection(&self, request: &Promise, roster: &Roster) -> Option<Refusal> {
        if let Some(stamp) = self.stage.stamp().or(self.joining) {
            return Some(Refusal::Formed(stamp));
        }
        if !self.is_idle() {
            return Some(Refusal::Storing);
        }
        match &self.stored {
            Some(held) if held.cluster != request.cluster => {
                return Some(Refusal::Promised { cluster: held.cluster, initialiser: held.initialiser });
            }
            Some(held) if held.withdrawn => return Some(Refusal::Withdrawn),
            Some(held) if held == request => return None,
            Some(_) => return Some(Refusal::Malformed),
            None if self.is_forsworn(request.cluster) => return Some(Refusal::Withdrawn),
            None => {}
        }
        let in_order = request.set.first() == Some(&request.initialiser)
            && request.initialiser != self.own.id
            && request.set.contains(&self.own.id)
            && request.founder.cluster == request.cluster
            && !request.withdrawn;
        if !in_order {
            return Some(Refusal::Malformed);
        }
        if self.own.expect == 0 || request.set.len() != self.own.expect as usize {
            return Some(Refusal::Expect(self.own.expect));
        }
        View::new(&self.own, roster).formed().values().next().copied().map(Refusal::Formed)
    }

    /// A server has answered the request for the promise of this cluster.
    pub fn on_verdict(&mut self, peer: NodeId, cluster: ClusterId, verdict: Result<(), Refusal>) {
        let Some(promise) = &self.stored else { return };
        if promise.cluster != cluster || promise.initialiser != self.own.id || !promise.set.contains(&peer) {
            return;
        }
        match verdict {
            Ok(()) => {
                self.granted.insert(peer);
            }
            Err(refusal) if refusal.is_final() => self.refused = Some(refusal),
            Err(_) => {}
        }
    }

    fn is_forsworn(&self, cluster: ClusterId) -> bool {
        [&self.dead, &self.forsworn, &self.forswearing].iter().any(|all| all.contains(&cluster))
    }

    /// The initialiser gives a cluster up. True if the promise is to be cleared from the disk; then
    /// [`Forming::on_stored`].
    pub fn on_abort(&mut self, from: NodeId, cluster: ClusterId) -> bool {
        let theirs = |promise: &Promise| promise.cluster == cluster && promise.initialiser == from;
        let clears = self.stage == Stage::Empty && self.is_idle() && self.stored.as_ref().is_some_and(theirs);
        if clears {
            self.dead.insert(cluster);
            self.storing = Some(None);
        }
        clears
    }

    /// A person, who knows that too many disks of the promised set are lost, resets the promise: the next
    /// step forswears and clears it.
    pub fn on_reset(&mut self) {
        self.reset = self.stored.is_some();
    }

    /// Whether a message of the log's protocol with this stamp is to be taken.
    pub fn on_message(&mut self, stamp: Stamp) -> Service {
        if let Some(own) = self.stage.stamp() {
            return if own == stamp { Service::Serve } else { Service::Refuse };
        }
        if self.joining == Some(stamp) && self.is_idle() {
            return Service::Serve;
        }
        match &self.stored {
            Some(promise) if promise.stamp() == stamp && !promise.withdrawn && self.is_idle() => {
                self.founding = true;
                Service::FoundFirst(promise.clone())
            }
            _ => Service::Refuse,
        }
    }
}
