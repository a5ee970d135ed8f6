//! The worst day: the quorum is gone for good, and the disk of one stopped server becomes the whole cluster.
//!
//! The log stays as it is: what was agreed upon is in it, and what was not may have been, on the disks that are
//! lost. After it comes a membership with this server as its only voter, under a raised incarnation. Entries and
//! snapshots of earlier incarnations stay readable, messages of them are refused. All of it is one write: after a
//! crash there is the old cluster or the new one, nothing between.

use super::codec::{self, Own};
use super::error::Error;
use super::ground::Ground;
use super::log::disk::{Disk, Write};
use super::log::identity::Identity;
use super::log::keys::Slot;
use super::log::store::{LogStore, read_disk};
use super::log::{promise, record};
use super::machine::Machine;
use super::snapshot::whole_files;
use super::state_thread::{Mark, View};
use super::type_config::{
    Entry, LeaderId, LogId, Membership, Payload, Peer, ServerId, StoredMembership, Vote, next_index,
};
use crate::task::blocking;
use dkron_core::bootstrap::Promise;
use dkron_core::command::{Batch, Command};
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_core::jump::JUMP;
use dkron_core::time::Time;
use dkron_wire::entry::encode_batch_in;
use openraft::EntryPayload;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Entries that are read in one go, weighed as in memory.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// What a stopped server's disk holds.
pub struct Survey<M: Machine> {
    /// Whose it is.
    pub server: NodeId,
    /// Of which cluster.
    pub stamp: Stamp,
    /// The state with all that is in the log, known to be agreed upon or not.
    pub view: View<M>,
    /// The last entry that is known to be committed.
    pub committed: Option<u64>,
    /// Who votes, by the newest membership in the log, which counts as soon as it is there.
    pub voters: BTreeSet<NodeId>,
    /// Who belongs to the group besides.
    pub others: BTreeSet<NodeId>,
    own: Peer,
    vote: Option<Vote>,
}

impl<M: Machine> Survey<M> {
    /// The last entry.
    pub fn last(&self) -> Option<u64> {
        self.view.mark.index()
    }

    /// How many entries at the log's end are not known to be committed.
    pub fn uncertain(&self) -> u64 {
        let after = |index: Option<u64>| index.map_or(0, |index| index + 1);
        after(self.last()).saturating_sub(after(self.committed))
    }

    /// Whose the directory is after a recovery.
    pub fn next_stamp(&self) -> Stamp {
        let Incarnation(number) = self.stamp.incarnation;
        Stamp { incarnation: Incarnation(number.saturating_add(1)), ..self.stamp }
    }
}

impl Ground {
    /// Reads what the disk holds, and changes nothing.
    ///
    /// # Errors
    /// [`Error::NoCluster`] if it belongs to none; of a log or a snapshot that is damaged.
    pub async fn survey<M: Machine>(&self) -> Result<Survey<M>, Error> {
        let identity = self.identity();
        let stamp = identity.stamp.ok_or(Error::NoCluster)?;
        let (disk, folder) = (self.disk.clone(), self.data_dir.join("snapshots"));
        let own = Own { stamp, formats: self.formats };
        let reading = blocking("raft survey", move || survey(&disk, &folder, identity.server, own));
        reading.await.map_err(|_| Error::Stopped)?
    }

    /// Makes this disk the whole cluster, in one write: its server the only voter, the incarnation raised, the
    /// commands the first of it.
    ///
    /// # Errors
    /// Of the disk; then nothing has changed.
    pub async fn recover<M: Machine>(
        &self,
        survey: &Survey<M>,
        commands: Vec<Command>,
        now: Time,
    ) -> Result<Stamp, Error> {
        let stamp = survey.next_stamp();
        let term = survey.vote.map_or(0, |vote| vote.leader_id.term).max(survey.view.mark.term()) + 1;
        let leader = LeaderId { term, node_id: ServerId(survey.server) };
        let mut entries = vec![EntryPayload::Membership(alone(survey)?)];
        if !commands.is_empty() {
            let batch = Batch { time: not_before(now, M::time(&survey.view.state)), commands };
            let bytes = encode_batch_in(survey.view.mark.format, stamp, &batch).into();
            entries.push(EntryPayload::Normal(Payload { batch: Arc::new(batch), bytes }));
        }
        let first = next_index(survey.view.mark.applied);
        let entries = (first..).zip(entries).map(|(index, payload)| {
            let entry = Entry { log_id: LogId::new(leader, index), payload };
            (index, record::frame(&codec::encode_entry(&entry)))
        });
        let vote = Vote { leader_id: leader, committed: true };
        let records = vec![
            (Slot::Identity, Identity { server: survey.server, stamp: Some(stamp) }.encode()),
            (Slot::Vote, record::frame(&codec::encode_vote(&vote))),
            (Slot::Promise, promise::encode(None)),
        ];
        let entries = entries.collect();
        let written = self.disk.write_through(|done| Write::Step { records, entries, done }).await;
        written.map_err(Error::file(self.disk.path(), "writing the new beginning"))?;
        Ok(stamp)
    }

    /// Takes back the promise for a person who knows that its cluster cannot come to be, and forswears that cluster
    /// for ever, in one write; what was promised.
    ///
    /// # Errors
    /// Of the disk; then nothing has changed.
    pub async fn reset_promise(&self) -> Result<Option<Promise>, Error> {
        let Some(promise) = self.promise() else { return Ok(None) };
        let mut forsworn: BTreeSet<ClusterId> = self.forsworn().clone();
        forsworn.insert(promise.cluster);
        let records = vec![
            (Slot::Forsworn, promise::encode_forsworn(&forsworn)),
            (Slot::Promise, promise::encode(None)),
        ];
        let written = self.disk.pen().write_records(records).await;
        written.map_err(Error::file(self.disk.path(), "taking back the promise"))?;
        Ok(Some(promise.clone()))
    }
}

/// This server and nobody else.
fn alone<M: Machine>(survey: &Survey<M>) -> Result<Membership, Error> {
    let nodes = BTreeMap::from([(ServerId(survey.server), survey.own.clone())]);
    Membership::new(vec![BTreeSet::from([ServerId(survey.server)])], nodes)
        .map_err(|error| Error::Membership(error.to_string()))
}

/// The clock here may be a little behind the one of the leader that is gone.
fn not_before(now: Time, last: Time) -> Time {
    if last - now <= JUMP { now.max(last) } else { now }
}

fn survey<M: Machine>(disk: &Disk, folder: &Path, server: NodeId, own: Own) -> Result<Survey<M>, Error> {
    let store = LogStore::open(disk.clone(), own)?;
    let (purged, next) = store.ends();
    let (mut machine, mut mark) = newest::<M>(folder, own)?;
    if purged > mark.index() {
        let first = purged.map_or(0, |index| index + 1);
        return Err(Error::NoSnapshot { path: disk.path().to_path_buf(), first });
    }
    let (vote, noted) = store.vote_and_commit();
    let committed = noted.max(mark.index());
    let mut index = next_index(mark.applied);
    while index < next {
        for entry in read_disk(disk, own, index, next - 1, READ_BYTES)? {
            index = entry.log_id.index + 1;
            fold(&mut machine, &mut mark, entry);
        }
    }
    let ids = |ids: BTreeSet<ServerId>| ids.into_iter().map(|id| id.0).collect();
    let voters: BTreeSet<ServerId> = mark.membership.voter_ids().collect();
    let others = mark.membership.membership().learner_ids().collect();
    let peer = mark.membership.membership().get_node(&ServerId(server)).cloned().unwrap_or_default();
    mark.format = machine.format();
    let state = machine.view();
    Ok(Survey {
        server,
        stamp: own.stamp,
        view: View { mark, state },
        committed,
        voters: ids(voters),
        others: ids(others),
        own: peer,
        vote,
    })
}

/// The newest state in the folder that can be read. Unlike a start, it leaves all files where they are.
fn newest<M: Machine>(folder: &Path, own: Own) -> Result<(M, Mark), Error> {
    for file in whole_files(folder, own)? {
        match file.load::<M>() {
            Ok(machine) => return Ok((machine, file.mark())),
            Err(error @ Error::DamagedSnapshot { .. }) => {
                tracing::warn!(%error, "a snapshot cannot be used; the one before is tried");
            }
            Err(error) => return Err(error),
        }
    }
    Ok((M::empty(), Mark::default()))
}

fn fold<M: Machine>(machine: &mut M, mark: &mut Mark, entry: Entry) {
    let id = entry.log_id;
    match entry.payload {
        EntryPayload::Blank => machine.pass(id.index),
        EntryPayload::Membership(membership) => {
            machine.pass(id.index);
            mark.membership = Arc::new(StoredMembership::new(Some(id), membership));
        }
        EntryPayload::Normal(payload) => drop(machine.apply(id.index, &payload.batch)),
    }
    mark.applied = Some(id);
}
