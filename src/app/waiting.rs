//! A server that belongs to no cluster yet: what it waits for, and whom it sees.

use super::cluster::{Member, members};
use crate::formation::Status;
use dkron_core::roster::Roster;
use dkron_core::state::State;
use dkron_core::voters;
use std::sync::Arc;
use tokio::sync::watch;

/// What can be asked of it. Cheap to clone.
#[derive(Clone)]
pub struct Waiting {
    status: watch::Receiver<Status>,
    roster: watch::Receiver<Arc<Roster>>,
}

impl Waiting {
    /// The view of a server that is on its way.
    pub fn new(status: watch::Receiver<Status>, roster: watch::Receiver<Arc<Roster>>) -> Waiting {
        Waiting { status, roster }
    }

    /// What it waits for and what is wrong, in sentences.
    pub fn reasons(&self) -> Vec<String> {
        let status = self.status.borrow();
        let wait = status
            .wait
            .as_ref()
            .map_or("this server starts".to_owned(), |wait| format!("this server {wait}"));
        let gap = voters::gap(&self.roster.borrow()).map(|gap| gap.to_string());
        std::iter::once(wait).chain(status.warnings.iter().map(ToString::to_string)).chain(gap).collect()
    }

    /// The servers that it sees, itself included.
    pub fn members(&self) -> Vec<Member> {
        members(&self.roster.borrow().clone(), &State::default())
    }
}
