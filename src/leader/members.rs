//! Who votes: while this server leads, it carries out the core's plan of the membership, one change at a time.
//!
//! A change that fails is planned anew from what is true then; nothing is remembered but since when each server
//! is well or silent, for one leadership.

use crate::clock::{guarded, steady};
use crate::raft::{Error, Priority, Raft};
use crate::task::CancellationToken;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command, Errand};
use dkron_core::ids::{NodeId, Stamp};
use dkron_core::node::Liveness;
use dkron_core::roster::Roster;
use dkron_core::voters::{
    self, Change, Health, Membership, Proposal, Settings, Situation, Watch, Wish, Wished,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often servers are looked at when nothing is heard of them: silence is no event.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a change that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What the loop works with.
pub struct Members {
    /// Where changes are made.
    pub raft: Raft<Ledger>,
    /// What gossip sees.
    pub roster: watch::Receiver<Arc<Roster>>,
    /// This server's region.
    pub region: Arc<str>,
    /// How the membership is controlled.
    pub settings: Settings,
    /// How well the servers are, while this one leads.
    pub health: watch::Sender<Option<Arc<Health>>>,
}

impl Members {
    /// Works until it is told to stop or consensus ends.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut leadership = self.raft.leader();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                led = leadership.wait_for(|shown| shown.leading.is_some()) => if led.is_err() { return },
            }
            let leading = leadership.borrow().leading;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = leadership.wait_for(|shown| shown.leading != leading) => {}
                () = self.lead() => return,
            }
            self.health.send_replace(None);
        }
    }

    /// Looks and changes for one leadership; returns when consensus has ended.
    async fn lead(&mut self) {
        let mut watch = Watch::default();
        let mut upgrade = Upgrade::default();
        let mut members = self.raft.members();
        loop {
            let membership = members.borrow_and_update().clone();
            let Ok(proposal) = self.look((&mut watch, &mut upgrade), &membership).await else { return };
            match proposal {
                Some(proposal) => self.carry_out(proposal).await,
                None => tokio::select! {
                    changed = members.changed() => if changed.is_err() { return },
                    changed = self.roster.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                },
            }
        }
    }

    async fn look(
        &self,
        (watch, upgrade): (&mut Watch, &mut Upgrade),
        membership: &Membership,
    ) -> Result<Option<Proposal>, Error> {
        let stamp = self.raft.identity().stamp.ok_or(Error::NoCluster)?;
        let roster = self.roster.borrow().clone();
        let known = self.known(membership).await?;
        let mut wishes = known.wishes.iter().map(|(id, wished)| (*id, wished.wish)).collect();
        let format = known.format.max(upgrade.asked);
        let scene = Scene { stamp, format, roster: &roster, membership, agents: &known.agents };
        let over = self.over(&scene, &wishes, &known.wishes);
        for errand in &over {
            wishes.remove(&errand.server);
            self.forget(*errand).await;
        }
        let situation = self.situation(&scene, &wishes);
        upgrade.tell(&situation);
        if let Some(format) = voters::raise(&situation) {
            upgrade.asked = format;
            self.raise(format).await;
        }
        let now = steady();
        watch.look(&situation, now);
        let mut health = Health::of(&situation, watch, now);
        let ahead = self.raft.clock_offsets();
        for server in &mut health.servers {
            server.clock_ahead = ahead.get(&server.peer.id).copied();
        }
        self.health.send_if_modified(|shown| {
            let changed = shown.as_deref() != Some(&health);
            *shown = Some(Arc::new(health));
            changed
        });
        Ok(voters::plan(&situation, watch, now))
    }

    fn situation<'a>(&'a self, scene: &Scene<'a>, wishes: &'a BTreeMap<NodeId, Wish>) -> Situation<'a> {
        static NOBODY: BTreeSet<NodeId> = BTreeSet::new();
        Situation {
            stamp: scene.stamp,
            region: &self.region,
            format: scene.format,
            roster: scene.roster,
            membership: scene.membership,
            wishes,
            agents: scene.agents,
            gone: &NOBODY,
            settings: &self.settings,
        }
    }

    /// The wishes that are over.
    fn over(
        &self,
        scene: &Scene<'_>,
        wishes: &BTreeMap<NodeId, Wish>,
        wished: &BTreeMap<NodeId, Wished>,
    ) -> Vec<Errand> {
        let (situation, clock) = (self.situation(scene, wishes), guarded().time);
        let over = wished.iter().filter(|(id, wished)| voters::is_done(&situation, **id, **wished, clock));
        over.map(|(id, wished)| Errand { server: *id, wish: wished.wish, process: wished.process }).collect()
    }

    /// All members read a newer format. If the answer is lost it may be in the log all the same: from now on nobody is
    /// taken in here who does not read it.
    async fn raise(&self, format: u8) {
        let command = Command { request: None, action: Action::RaiseFormat { format } };
        match self.raft.propose(Priority::Write, command).await {
            Ok(_) => tracing::info!(format, "every server reads this log format: from now on it is written"),
            Err(error) => tracing::warn!(%error, format, "the log format is not known to be raised"),
        }
    }

    async fn forget(&self, errand: Errand) {
        let command = Command { request: None, action: Action::Forget(errand) };
        match self.raft.propose(Priority::Write, command).await {
            Ok(_) => tracing::info!(server = %errand.server, wish = %errand.wish, "a wish is over"),
            Err(error) => tracing::debug!(%error, "a wish is not forgotten yet"),
        }
    }

    /// What the state knows: the members that run as agents now, and what operators wish.
    async fn known(&self, membership: &Membership) -> Result<Known, Error> {
        let ids: Vec<NodeId> = membership.members.keys().copied().collect();
        let look = move |ledger: &mut Ledger, _: &_| {
            let is_agent = |id: &NodeId| {
                let node = ledger.state.node_slot(*id).and_then(|slot| ledger.state.node(slot));
                node.is_some_and(|node| !node.registration.server && node.liveness == Liveness::Alive)
            };
            let agents = ids.into_iter().filter(is_agent).collect();
            Known { agents, wishes: ledger.state.wishes().collect(), format: ledger.state.format() }
        };
        self.raft.look(look).await
    }

    async fn carry_out(&self, proposal: Proposal) {
        tracing::info!("{proposal}");
        let done = match proposal.change.clone() {
            Change::HandOver { to } => self.raft.transfer_leader(to).await,
            change => self.raft.change(change).await,
        };
        match done {
            Ok(()) => tracing::info!("done: {proposal}"),
            Err(error) => {
                tracing::warn!(%error, "a change of the members failed: {proposal}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What a situation is made of, but for the wishes.
struct Scene<'a> {
    stamp: Stamp,
    format: u8,
    roster: &'a Roster,
    membership: &'a Membership,
    agents: &'a BTreeSet<NodeId>,
}

/// What the state knows.
struct Known {
    agents: BTreeSet<NodeId>,
    wishes: BTreeMap<NodeId, Wished>,
    format: u8,
}

/// What one leadership remembers of formats.
#[derive(Default)]
struct Upgrade {
    /// The format that it asked for last.
    asked: u8,
    /// Who was told of as not fit.
    told: BTreeSet<String>,
}

impl Upgrade {
    /// Tells of living servers that cannot be members, each once for each cause.
    fn tell(&mut self, situation: &Situation) {
        let unfit: BTreeSet<String> = voters::strangers(situation).map(|unfit| unfit.to_string()).collect();
        for reason in unfit.difference(&self.told) {
            tracing::warn!("a server cannot be a member: {reason}");
        }
        self.told = unfit;
    }
}
