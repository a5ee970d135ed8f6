//! The zone of jobs that name none: what it is, what another would change, and the change.

use super::{App, Error, Kind};
use crate::task;
use dkron_core::command::Action;
use dkron_core::plan::preview::{self, Preview};
use dkron_core::schedule::{Zone, ZoneData};
use std::sync::Arc;

/// Moved jobs that are named one by one.
const MOVED_MAX: usize = 100;

/// The zone of jobs that name none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DefaultZone {
    /// Its IANA name.
    pub zone: Arc<str>,
    /// Version of the zone data that the leader computes by.
    pub zone_data: Arc<str>,
    /// Whether next due times are still being computed anew after a change.
    pub refiling: bool,
}

/// A change of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// What it was.
    pub before: Arc<str>,
    /// The new zone's IANA name.
    pub zone: Arc<str>,
    /// What that means for the jobs.
    pub preview: Preview,
}

impl App {
    /// The zone of jobs that name none.
    pub async fn default_zone(&self) -> Result<DefaultZone, Error> {
        let view = self.view().await?;
        let cluster = view.state.cluster().ok_or(crate::raft::Error::NoCluster)?;
        Ok(DefaultZone {
            zone: cluster.founding.default_zone.clone(),
            zone_data: cluster.filing.by.clone(),
            refiling: cluster.filing.pending,
        })
    }

    /// Sets it, unless only what would change is to be told.
    pub async fn set_default_zone(&self, name: &str, dry_run: bool) -> Result<Change, Error> {
        let zone = Zone::lookup(name).map_err(|error| Error::new(Kind::Invalid, format!("zone: {error}")))?;
        let before = self.default_zone().await?.zone;
        let (view, now) = (self.view().await?, self.now());
        let looking = task::blocking("look at zones", move || {
            preview::default_zone(&view.state, ZoneData::bundled(), zone, now, MOVED_MAX)
        });
        let preview =
            looking.await.map_err(|_| Error::new(Kind::Internal, "looking at the jobs broke off"))?;
        let name: Arc<str> = zone.name().into();
        if !dry_run {
            self.change(Action::SetDefaultZone { zone: name.clone() }).await?;
        }
        Ok(Change { before, zone: name, preview })
    }
}
