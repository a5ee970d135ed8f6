//! Whether all servers have the same state: the leader compares the digests of all members, all the time.
//!
//! - Does: every two seconds asks each member for the digest of its state after the newest entry and after those that
//!   all remember; tells a server that differs from most.
//! - Owns: the mark of quarantine, and who differs as the leader sees it.
//! - Never: mends a state; takes a server's vote or its acknowledgements away.
//! - Fails: who does not answer is not compared this time.

mod judge;
mod quarantine;

pub(crate) use quarantine::Quarantine;

use super::error::Error;
use super::leadership::Leadership;
use super::machine::Machine;
use super::network::Network;
use super::state_machine::ThreadHandle;
use super::type_config::Peer;
use super::{Consensus, members};
use crate::clock;
use dkron_core::ids::NodeId;
use dkron_core::voters::Membership;
use dkron_wire::digests::{Account, Seal, Verdict};
use futures::future::join_all;
use judge::{Judgement, judge};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the leader compares: a state that differs is shown for so long at most while the log moves slowly.
const EVERY: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// Digests that are asked for besides the newest: a server may lag behind some.
const REMEMBERED: usize = 3;
/// Digests that one question may name.
pub(crate) const ASKED_MAX: usize = 64;

/// The digests of the state here after these entries, as far as they are known; all that are, for none.
pub(crate) async fn seals<M: Machine>(
    thread: &ThreadHandle<M>,
    indexes: Option<Vec<u64>>,
) -> Result<Vec<Seal>, Error> {
    let look = move |machine: &mut M, mark: &super::Mark| {
        let remembered = mark.digests.iter().copied();
        let now = mark.index().map(|index| (index, M::digest(&machine.view())));
        let all: BTreeMap<u64, _> = remembered.chain(now).collect();
        let wanted = all
            .into_iter()
            .rev()
            .filter(|(index, _)| indexes.as_ref().is_none_or(|indexes| indexes.contains(index)));
        let seal = |(index, digest): (u64, super::Digest)| Seal {
            index,
            value: digest.value,
            format: digest.format,
        };
        wanted.map(seal).collect()
    };
    thread.look(look).await
}

/// Whether this server's state is another one than the verdict says, by its own digest; then it is in quarantine.
pub(crate) async fn take<M: Machine>(
    thread: &ThreadHandle<M>,
    quarantine: &Quarantine,
    verdict: &Verdict,
) -> Result<bool, Error> {
    let right = verdict.seal;
    let own = seals(thread, Some(vec![right.index])).await?;
    let Some(own) = own.into_iter().find(|own| own.format == right.format && own.value != right.value) else {
        return Ok(false);
    };
    if !quarantine.is_set() {
        quarantine.set(&sentence(&own, verdict));
    }
    Ok(true)
}

/// Completes when this server leads no more; false if consensus has ended.
async fn ended(leadership: &mut watch::Receiver<Leadership>) -> bool {
    leadership.wait_for(|shown| shown.leading.is_none()).await.map(drop).is_ok()
}

fn sentence(own: &Seal, verdict: &Verdict) -> String {
    let Verdict { seal, agree, voters } = verdict;
    format!(
        "after entry {} its state has the digest {:032x}, that of {agree} of {voters} voters is {:032x}",
        own.index, own.value, seal.value
    )
}

/// The leader's part.
pub(crate) struct Comparing<M: Machine> {
    pub(crate) own: NodeId,
    pub(crate) consensus: Consensus<M>,
    pub(crate) thread: ThreadHandle<M>,
    pub(crate) network: Network,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) members: watch::Receiver<Arc<Membership>>,
    pub(crate) quarantine: Quarantine,
    /// Who differs or is in quarantine, as far as this server knows it as leader.
    pub(crate) differing: watch::Sender<BTreeSet<NodeId>>,
}

impl<M: Machine> Comparing<M> {
    /// Compares whenever this server leads, until consensus has ended.
    pub(crate) async fn run(mut self) {
        let mut told = Judgement::default();
        loop {
            self.show(BTreeSet::new());
            if self.leadership.wait_for(|shown| shown.leading.is_some()).await.map(drop).is_err() {
                return;
            }
            let mut leadership = self.leadership.clone();
            let mut rounds = tokio::time::interval(EVERY);
            rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    over = ended(&mut leadership) => if over { break } else { return },
                    _ = rounds.tick() => {}
                }
                if let Err(error) = self.round(&mut told).await {
                    tracing::debug!(%error, "the states are not compared this time");
                }
            }
        }
    }

    async fn round(&self, told: &mut Judgement) -> Result<(), Error> {
        let membership = self.members.borrow().clone();
        let mut own = seals(&self.thread, None).await?;
        own.truncate(REMEMBERED + 1);
        let indexes: Vec<u64> = own.iter().map(|seal| seal.index).collect();
        let others = membership.members.iter().filter(|(id, _)| **id != self.own);
        let asked = join_all(others.map(async |(id, member)| {
            let peer = Peer { name: member.name.clone(), address: member.address.clone() };
            Some((*id, self.network.digests(*id, &peer, &indexes, ANSWER_WAIT).await?))
        }));
        let accounts: BTreeMap<NodeId, Account> = asked.await.into_iter().flatten().collect();
        let mut seals: BTreeMap<NodeId, Vec<Seal>> =
            accounts.iter().map(|(id, account)| (*id, account.seals.clone())).collect();
        seals.insert(self.own, own);
        let judgement = judge(self.own, &membership.voters(), &seals);
        let quarantined = accounts.iter().filter(|(_, account)| account.quarantined).map(|(id, _)| *id);
        self.show(judgement.wrong.keys().copied().chain(quarantined).collect());
        if judgement != *told {
            self.tell(&judgement, &membership);
            *told = judgement.clone();
        }
        for (id, verdict) in &judgement.wrong {
            match accounts.get(id) {
                _ if *id == self.own => self.step_down(verdict, &judgement, &membership).await?,
                Some(account) if account.quarantined => {}
                _ => {
                    let member = membership.members.get(id).cloned().unwrap_or_default();
                    let peer = Peer { name: member.name, address: member.address };
                    self.network.condemn(*id, &peer, verdict, ANSWER_WAIT).await;
                }
            }
        }
        Ok(())
    }

    fn show(&self, differing: BTreeSet<NodeId>) {
        self.differing.send_if_modified(|shown| {
            let changed = *shown != differing;
            *shown = differing;
            changed
        });
    }

    fn tell(&self, judgement: &Judgement, membership: &Membership) {
        if let Some(index) = judgement.undecided {
            tracing::error!(
                index,
                "the states of the servers differ, and no majority of the voters says which is right"
            );
        }
        for (id, verdict) in &judgement.wrong {
            let name = membership.members.get(id).map(|member| member.name.to_string()).unwrap_or_default();
            let Verdict { seal, agree, voters } = verdict;
            tracing::error!(server = %id, name, index = seal.index, agree, voters,
                "the state of a server differs from that of most: it goes into quarantine until it is wiped and rejoins");
        }
    }

    /// This leader's own state is wrong: it leads no more, and hands over to one that is right.
    async fn step_down(
        &self,
        verdict: &Verdict,
        judgement: &Judgement,
        membership: &Arc<Membership>,
    ) -> Result<(), Error> {
        self.consensus.runtime_config().elect(false);
        take(&self.thread, &self.quarantine, verdict).await?;
        let right = |id: &&NodeId| **id != self.own && !judgement.wrong.contains_key(*id);
        let voters = membership.voters();
        let Some(heir) = voters.iter().find(right) else { return Ok(()) };
        let now = clock::steady();
        members::transfer(self.consensus.clone(), membership.clone(), self.leadership.clone(), now, *heir)
            .await
    }
}
