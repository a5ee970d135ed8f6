//! What a server does next on its way into a cluster: a function of its disk, of what it sees, and of what it
//! was told.

use super::view::View;
use super::{Forming, Hello, Plan, Promise, Relation, Stage, Step, Wait, Warning};
use crate::command::Founding;
use crate::ids::{NodeId, Stamp};
use crate::limits;
use crate::roster::Roster;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What one branch comes to.
type Next = (Vec<Step>, Wait);

impl Forming {
    /// What to do now. To be asked again after every event, and each [`limits::HELLO_EVERY`]. The draft is what a
    /// new cluster is founded with, its cluster id made anew for every call.
    pub fn step(&mut self, roster: &Roster, draft: &Founding, now: Time) -> Plan {
        let own = self.own.clone();
        let view = View::new(&own, roster);
        let mut warnings = self.clusters(&view);
        let (steps, wait) = match (self.storing.is_some(), self.stage) {
            (true, _) => (Vec::new(), Wait::Storing),
            (false, Stage::Founded(stamp)) => (self.settle(), Wait::Formed(stamp)),
            (false, Stage::Initialised(stamp)) => self.watch(stamp, now, &mut warnings),
            (false, Stage::Empty) => self.enter(&view, draft, now, &mut warnings),
        };
        warnings.sort();
        Plan { steps, wait, warnings }
    }

    fn clusters(&self, view: &View) -> Vec<Warning> {
        let formed = view.formed().into_values().chain(self.stage.stamp());
        let clusters: BTreeSet<_> = formed.map(|stamp| stamp.cluster).collect();
        if clusters.len() > 1 { vec![Warning::Clusters(clusters)] } else { Vec::new() }
    }

    fn enter(&mut self, view: &View, draft: &Founding, now: Time, warnings: &mut Vec<Warning>) -> Next {
        let told = std::mem::take(&mut self.to_abort);
        let mut steps: Vec<Step> =
            told.into_iter().map(|(peer, cluster)| Step::Abort(peer, cluster)).collect();
        let (next, wait) = match self.stored.clone() {
            Some(promise) if self.founding => (vec![Step::Found(promise)], Wait::Founding),
            Some(promise) if std::mem::take(&mut self.reset) => self.forswear(&promise),
            Some(promise) if promise.initialiser == self.own.id => self.lead(promise, view, now, warnings),
            Some(promise) if promise.withdrawn => self.unbind(promise, now, warnings),
            Some(promise) => self.follow(promise, now, warnings),
            None => self.look(view, draft, now, warnings),
        };
        steps.extend(next);
        (steps, wait)
    }

    /// A founded cluster needs no promise any more.
    fn settle(&mut self) -> Vec<Step> {
        if self.stored.is_some() { vec![self.store(None)] } else { Vec::new() }
    }

    fn store(&mut self, promise: Option<Promise>) -> Step {
        self.storing = Some(promise.clone());
        Step::Store(promise)
    }

    /// Without a promise: join what is formed, or begin, or wait for who is to begin.
    fn look(&mut self, view: &View, draft: &Founding, now: Time, warnings: &mut Vec<Warning>) -> Next {
        let formed = view.formed();
        if !formed.is_empty() {
            return self.join(&formed, now);
        }
        if let Some(stamp) = self.joining {
            return (Vec::new(), Wait::Admission(stamp));
        }
        let obstacles = view.obstacles();
        if self.own.expect == 0 || !obstacles.is_empty() {
            let wait = if obstacles.is_empty() { Wait::Cluster } else { Wait::Person };
            warnings.extend(obstacles);
            return (Vec::new(), wait);
        }
        let waiting = view.waiting();
        let (seen, expect) = (waiting.len() as u32, self.own.expect);
        if seen < expect {
            return (Vec::new(), Wait::Servers { seen, expect });
        }
        if seen > expect {
            warnings.push(Warning::TooMany { seen, expect });
        }
        let set: BTreeSet<NodeId> = waiting.into_iter().take(expect as usize).collect();
        self.begin(set, draft, now)
    }

    fn begin(&mut self, set: BTreeSet<NodeId>, draft: &Founding, now: Time) -> Next {
        let lowest = set.first().copied().unwrap_or(self.own.id);
        let wait = if lowest != self.own.id {
            Wait::Begin(lowest)
        } else if set.len() == 1 && self.own.has_seeds && now < self.started + limits::LOOK_FOR {
            Wait::Looking
        } else if now < self.not_before {
            Wait::Pause
        } else {
            let cluster = draft.cluster;
            let promise =
                Promise { cluster, initialiser: self.own.id, set, founder: draft.clone(), withdrawn: false };
            return (vec![self.store(Some(promise))], Wait::Storing);
        };
        (Vec::new(), wait)
    }

    /// Servers say that they belong to a cluster: join it on the word of one of them that a quorum founded it.
    fn join(&mut self, formed: &BTreeMap<NodeId, Stamp>, now: Time) -> Next {
        let clusters: BTreeSet<_> = formed.values().map(|stamp| stamp.cluster).collect();
        if clusters.len() > 1 {
            return (Vec::new(), Wait::Person);
        }
        let mut steps = self.hellos(formed.keys().copied().collect(), now);
        let fresh = now - limits::ATTEMPT_FOR;
        let told = self.answers.iter().filter(|(peer, (at, _))| *at >= fresh && formed.contains_key(peer));
        let told = told.filter_map(|(peer, (_, answer))| Some((answer.founded, answer.stamp?, *peer)));
        let Some((founded, stamp, via)) =
            told.filter(|(_, stamp, _)| clusters.contains(&stamp.cluster)).max()
        else {
            return (steps, Wait::Confirmation);
        };
        if !founded {
            return (steps, Wait::Quorum(stamp));
        }
        self.joining = Some(stamp);
        steps.push(Step::Join { stamp, via });
        (steps, Wait::Admission(stamp))
    }

    /// The own attempt: gather all promises, then initialise; or give it up, which is safe until then.
    fn lead(&mut self, promise: Promise, view: &View, now: Time, warnings: &mut Vec<Warning>) -> Next {
        let formed = view.formed();
        if formed.values().any(|stamp| stamp.cluster == promise.cluster) {
            warnings.push(Warning::LostLog(promise.cluster));
            return (Vec::new(), Wait::Person);
        }
        let missing = |id: &&NodeId| **id != self.own.id && !self.granted.contains(id);
        let missing: BTreeSet<NodeId> = promise.set.iter().filter(missing).copied().collect();
        let stale = !missing.is_empty() && now >= self.since + limits::ATTEMPT_FOR;
        let changed = promise.set.len() != self.own.expect as usize;
        if stale || changed || self.refused.is_some() || !formed.is_empty() {
            return (vec![self.give_up(&promise, now)], Wait::Storing);
        }
        if missing.is_empty() {
            self.founding = true;
            return (vec![Step::Found(promise)], Wait::Founding);
        }
        let asked = missing.iter().filter(|id| due(&mut self.asked, **id, now));
        (asked.map(|id| Step::Ask(*id, promise.clone())).collect(), Wait::Promises(missing.clone()))
    }

    fn give_up(&mut self, promise: &Promise, now: Time) -> Step {
        let doubled = self.failures.min(4);
        self.failures += 1;
        let pause = limits::ATTEMPT_PAUSE.millis() << doubled;
        let spread = (promise.cluster.0 % 1_000) as i64 * pause / 1_000;
        self.not_before = now + Span::from_millis(pause / 2 + spread);
        let others = promise.set.iter().filter(|id| **id != self.own.id);
        self.to_abort.extend(others.map(|id| (*id, promise.cluster)));
        self.release(promise)
    }

    /// The promise of another's attempt: see what becomes of it.
    fn follow(&mut self, promise: Promise, now: Time, warnings: &mut Vec<Warning>) -> Next {
        if self.is_void(&promise) {
            return (vec![self.release(&promise)], Wait::Storing);
        }
        if let Some(next) = self.admitted(&promise) {
            return next;
        }
        if self.relations().any(|(_, relation)| relation == Relation::Initialised) {
            self.founding = true;
            return (vec![Step::Found(promise)], Wait::Founding);
        }
        let silence = now - self.since;
        if silence >= limits::WITHDRAW_AFTER {
            let withdrawn = Promise { withdrawn: true, ..promise };
            return (vec![self.store(Some(withdrawn))], Wait::Storing);
        }
        if silence >= limits::ATTEMPT_FOR {
            warnings.push(silent(&promise));
        }
        (self.hellos(self.others(&promise), now), Wait::Initialiser(promise.initialiser))
    }

    /// A withdrawn promise binds until it is void, or until its cluster turns out to live.
    fn unbind(&mut self, promise: Promise, now: Time, warnings: &mut Vec<Warning>) -> Next {
        let withdrawn = self.relations().filter(|(_, relation)| *relation == Relation::Withdrawn).count();
        if self.is_void(&promise) || 1 + withdrawn >= promise.deadly() {
            return self.forswear(&promise);
        }
        if let Some(next) = self.admitted(&promise) {
            return next;
        }
        warnings.push(silent(&promise));
        let others = self.others(&promise);
        (self.hellos(others.clone(), now), Wait::Withdrawals(others))
    }

    /// The cluster of the promise is founded: its leader brings the log. The promise stays on disk until then.
    fn admitted(&mut self, promise: &Promise) -> Option<Next> {
        let (via, _) = self.relations().find(|(_, relation)| *relation == Relation::Founded)?;
        let stamp = promise.stamp();
        self.joining = Some(stamp);
        Some((vec![Step::Join { stamp, via }], Wait::Admission(stamp)))
    }

    /// Whether it was given up by its initialiser, or is known to be dead by one of its members.
    fn is_void(&self, promise: &Promise) -> bool {
        let gives_up = |relation| matches!(relation, Relation::None | Relation::Withdrawn);
        self.relations().any(|(peer, relation)| {
            relation == Relation::Dead || (peer == promise.initialiser && gives_up(relation))
        })
    }

    /// Who counted the own withdrawal may count on it for ever, also when the promise is gone and forgotten.
    fn forswear(&mut self, promise: &Promise) -> Next {
        self.forswearing.insert(promise.cluster);
        (vec![Step::Forswear(promise.cluster), self.release(promise)], Wait::Storing)
    }

    fn release(&mut self, promise: &Promise) -> Step {
        self.dead.insert(promise.cluster);
        self.store(None)
    }

    /// The own log is initialised and nothing is agreed upon: most likely a matter of milliseconds. But if too
    /// many members serve the cluster no more, it never will be.
    fn watch(&mut self, stamp: Stamp, now: Time, warnings: &mut Vec<Warning>) -> Next {
        let Some(promise) = self.stored.clone() else { return (Vec::new(), Wait::Quorum(stamp)) };
        let gone = |relation| matches!(relation, Relation::None | Relation::Withdrawn | Relation::Dead);
        let others = self.others(&promise);
        let fresh = now - limits::ATTEMPT_FOR;
        let serves = |id: &NodeId| {
            self.answers.get(id).is_some_and(|(at, answer)| *at >= fresh && !gone(answer.relation))
        };
        let missing: BTreeSet<NodeId> = others.iter().filter(|id| !serves(id)).copied().collect();
        if now - self.since >= limits::WITHDRAW_AFTER && missing.len() >= promise.deadly() {
            warnings.push(Warning::NoQuorum { cluster: promise.cluster, missing });
        }
        if self.relations().filter(|(_, relation)| gone(*relation)).count() >= promise.deadly() {
            return (vec![Step::SetAside(promise.cluster)], Wait::Quorum(stamp));
        }
        (self.hellos(others, now), Wait::Quorum(stamp))
    }

    fn relations(&self) -> impl Iterator<Item = (NodeId, Relation)> {
        let others = |peer: &NodeId| {
            *peer != self.own.id && self.stored.as_ref().is_some_and(|promise| promise.set.contains(peer))
        };
        self.answers
            .iter()
            .filter(move |(peer, _)| others(peer))
            .map(|(peer, (_, answer))| (*peer, answer.relation))
    }

    fn others(&self, promise: &Promise) -> BTreeSet<NodeId> {
        promise.set.iter().copied().filter(|id| *id != self.own.id).collect()
    }

    /// The question to each of these that is due for one.
    fn hellos(&mut self, peers: BTreeSet<NodeId>, now: Time) -> Vec<Step> {
        let initialised = matches!(self.stage, Stage::Initialised(_));
        let hello = Hello { from: self.own.id, about: self.stored.clone(), initialised };
        let asked = peers.into_iter().filter(|peer| due(&mut self.asked, *peer, now));
        asked.map(|peer| Step::Hello(peer, hello.clone())).collect()
    }
}

fn due(asked: &mut BTreeMap<NodeId, Time>, peer: NodeId, now: Time) -> bool {
    let due = asked.get(&peer).is_none_or(|at| now >= *at + limits::HELLO_EVERY);
    if due {
        asked.insert(peer, now);
    }
    due
}

fn silent(promise: &Promise) -> Warning {
    Warning::Silent { initialiser: promise.initialiser, cluster: promise.cluster }
}
