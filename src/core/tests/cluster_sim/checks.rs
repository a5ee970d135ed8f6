//! What must never be, judged by what is on the disks and not by what the servers believe.

use crate::disk::Machine;
use crate::group::Group;
use dkron_core::bootstrap::Promise;
use dkron_core::ids::{ClusterId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// All that was ever promised, withdrawn, given up, initialised.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    promises: BTreeMap<ClusterId, Promise>,
    given: BTreeMap<NodeId, BTreeSet<ClusterId>>,
    withdrawn: BTreeMap<ClusterId, BTreeSet<NodeId>>,
    given_up: BTreeSet<ClusterId>,
    initialised: BTreeSet<ClusterId>,
    problem: Option<String>,
}

impl Checks {
    pub(crate) fn report(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    pub(crate) fn problem(&self) -> Option<&String> {
        self.problem.as_ref()
    }

    /// A server tells the initialiser that it has promised.
    pub(crate) fn gives(&mut self, machines: &[Machine], machine: usize, promise: &Promise) {
        let disk = &machines[machine].disk;
        let id = disk.id;
        let held = disk.promise.as_ref().map(|held| held.cluster);
        if held != Some(promise.cluster) && !disk.is_of(promise.cluster) {
            self.report(format!("promise of {id} for {} is given and not on its disk", promise.cluster));
        }
        let earlier = self.given.entry(id).or_default().clone();
        for cluster in earlier.into_iter().filter(|cluster| *cluster != promise.cluster) {
            if !self.is_void(machines, cluster) {
                self.report(format!(
                    "promise of {id} for {} while that for {cluster} holds",
                    promise.cluster
                ));
            }
        }
        if self.withdrawn.get(&promise.cluster).is_some_and(|all| all.contains(&id)) {
            self.report(format!("withdrawn server {id} promises {} again", promise.cluster));
        }
        self.promises.entry(promise.cluster).or_insert_with(|| promise.clone());
        self.given.entry(id).or_default().insert(promise.cluster);
    }

    /// Whether a cluster can never be founded.
    fn is_void(&self, machines: &[Machine], cluster: ClusterId) -> bool {
        let Some(promise) = self.promises.get(&cluster) else { return true };
        // A lost disk serves no more than a withdrawn one does, nor does one of another cluster.
        let withdrew = |id: &&NodeId| self.withdrawn.get(&cluster).is_some_and(|all| all.contains(*id));
        let lost = |id: &&NodeId| !machines.iter().any(|machine| machine.disk.id == **id);
        let elsewhere = |id: &&NodeId| {
            let of = |machine: &&Machine| machine.disk.id == **id && machine.disk.log.is_some();
            machines.iter().find(of).is_some_and(|machine| !machine.disk.is_of(cluster))
        };
        let withdrawn = promise.set.iter().filter(|id| withdrew(id) || lost(id) || elsewhere(id)).count();
        let held = machines.iter().any(|machine| {
            let holds = machine.disk.promise.as_ref().is_some_and(|held| held.cluster == cluster);
            machine.disk.id == promise.initialiser && holds
        });
        withdrawn >= promise.deadly() || (!held && !self.initialised.contains(&cluster))
    }

    /// A promise, or none, comes to a machine's disk in the place of another.
    pub(crate) fn stores(&mut self, machines: &[Machine], place: usize, after: Option<&Promise>) {
        let disk = &machines[place].disk;
        if let Some(promise) = after {
            self.promises.entry(promise.cluster).or_insert_with(|| promise.clone());
            if promise.withdrawn {
                self.withdrawn.entry(promise.cluster).or_default().insert(disk.id);
            } else if promise.initialiser == disk.id {
                self.given.entry(disk.id).or_default().insert(promise.cluster);
            }
        }
        let cleared = disk.promise.as_ref().filter(|_| after.is_none());
        if let Some(promise) = cleared.filter(|_| !disk.log.is_some_and(|log| log.founded)) {
            self.clears(machines, place, promise);
        }
    }

    /// A server that belongs to no founded cluster is free of its promise.
    fn clears(&mut self, machines: &[Machine], place: usize, promise: &Promise) {
        let (disk, cluster) = (&machines[place].disk, promise.cluster);
        let id = disk.id;
        if promise.initialiser == id {
            self.given_up.insert(cluster);
            if disk.is_of(cluster) {
                self.report(format!("abort of {cluster} by {id} after it was initialised"));
            }
        } else if !self.is_void(machines, cluster) {
            self.report(format!("promise of {id} for {cluster} is cleared while it holds"));
        } else if promise.withdrawn && !disk.forsworn.contains(&cluster) && !self.given_up.contains(&cluster)
        {
            self.report(format!("withdrawn server {id} is free of {cluster} and may promise it again"));
        }
    }

    /// It is on a disk that its server never serves a cluster.
    pub(crate) fn forswears(&mut self, id: NodeId, cluster: ClusterId) {
        self.withdrawn.entry(cluster).or_default().insert(id);
    }

    /// The initialiser asks for promises.
    pub(crate) fn asks(&mut self, promise: &Promise) {
        if self.given_up.contains(&promise.cluster) {
            self.report(format!("abort of {} is forgotten: it is asked for again", promise.cluster));
        }
    }

    /// A log is initialised with this set.
    pub(crate) fn initialises(&mut self, promise: &Promise, set: &BTreeSet<NodeId>) {
        let cluster = promise.cluster;
        self.initialised.insert(cluster);
        if self.given_up.contains(&cluster) {
            self.report(format!("abort of {cluster} before it is initialised"));
        }
        let lacking = set.iter().find(|id| !self.given.get(id).is_some_and(|given| given.contains(&cluster)));
        if *set != promise.set {
            self.report(format!("set of {cluster} is not the promised one"));
        } else if let Some(id) = lacking {
            self.report(format!("set of {cluster} has {id}, which has not promised"));
        }
    }

    /// A server takes the log of a cluster that is not founded.
    pub(crate) fn serves(&mut self, id: NodeId, cluster: ClusterId) {
        if self.withdrawn.get(&cluster).is_some_and(|withdrawn| withdrawn.contains(&id)) {
            self.report(format!("withdrawn server {id} serves {cluster}, which is not founded"));
        }
    }

    /// A cluster is founded.
    pub(crate) fn founds(&mut self, groups: &BTreeMap<ClusterId, Group>) {
        let founded: Vec<_> =
            groups.values().filter(|group| group.founded).map(|group| group.stamp).collect();
        if founded.len() > 1 {
            self.report(format!("two clusters: {founded:?}"));
        }
    }

    /// A server sets its data aside.
    pub(crate) fn sets_aside(&mut self, group: Option<&Group>) {
        if let Some(group) = group.filter(|group| group.founded) {
            self.report(format!("set aside: {} is founded", group.stamp));
        }
    }
}
