//! The founding: the first command of a cluster, proposed by whoever leads a state that has none yet.
//!
//! The server that formed the cluster may die before it commits; so each is ready to do it, and apply takes it
//! once.

use super::batching::Priority;
use super::error::Error;
use super::leadership::{Leadership, Leading};
use super::machine::Machine;
use super::proposer::{Committed, Door};
use super::state_machine::ThreadHandle;
use dkron_core::command::{Action, Command, Founding as Contents};
use dkron_core::format::Formats;
use dkron_core::ids::Stamp;
use std::sync::Arc;
use tokio::sync::watch;

/// What a new cluster is founded with.
#[derive(Clone, Debug)]
pub struct Founder {
    /// IANA name of the zone of jobs that name none.
    pub default_zone: Arc<str>,
    /// Version of this server's zone data.
    pub zone_data: Arc<str>,
    /// The log format that all its first servers read.
    pub format: u8,
}

/// The task behind it.
pub(crate) struct Founding<M: Machine> {
    pub(crate) stamp: Stamp,
    pub(crate) founder: Founder,
    pub(crate) door: Arc<Door>,
    pub(crate) thread: ThreadHandle<M>,
    pub(crate) leadership: watch::Receiver<Leadership>,
}

impl<M: Machine> Founding<M> {
    /// Works until this server leads a cluster that is founded, or ends.
    pub(crate) async fn run(mut self) {
        let mut tried: Option<Leading> = None;
        loop {
            let again = |shown: &Leadership| shown.leading.is_some() && shown.leading != tried;
            let Ok(leading) = self.leadership.wait_for(again).await.map(|shown| shown.leading) else {
                return;
            };
            tried = leading;
            match self.thread.view().await {
                Ok(view) if M::is_founded(&view.state) => return,
                Ok(_) => {}
                Err(_) => return,
            }
            let action = Action::Found(Contents {
                cluster: self.stamp.cluster,
                incarnation: self.stamp.incarnation,
                default_zone: self.founder.default_zone.clone(),
                zone_data: self.founder.zone_data.clone(),
            });
            // Whoever leads next tries again; this server, too, in another term.
            match tokio::join!(self.propose(action), self.raise()) {
                (Ok(_), _) => return,
                (Err(error), _) => tracing::warn!(%error, "the cluster could not be founded yet"),
            }
        }
    }

    async fn propose(&self, action: Action) -> Result<Committed, Error> {
        self.door.propose(Priority::Write, Command { request: None, action }).await
    }

    /// In the same entry, so that nobody sees the new cluster in an older format. If it fails, it is raised later, as
    /// after an upgrade.
    async fn raise(&self) {
        let format = self.founder.format;
        if format > Formats::FIRST
            && let Err(error) = self.propose(Action::RaiseFormat { format }).await
        {
            tracing::debug!(%error, "the log format is raised later");
        }
    }
}
