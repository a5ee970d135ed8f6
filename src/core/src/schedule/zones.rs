//! What a schedule's zone means: the cluster's default for those that name none, and by which data.
//!
//! Servers of two versions judge a schedule by two sets of zone data. Which one a next due time was computed by
//! is in the state; the data themselves are a value, so that a leader says which it has, and so that a cluster
//! of two versions can be simulated by one binary.

use super::zone::{Zone, zone_data_version};

/// Zone data that a planner computes by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ZoneData {
    version: &'static str,
    changed: &'static [(&'static str, &'static str)],
}

impl ZoneData {
    /// The data in this binary.
    pub fn bundled() -> ZoneData {
        ZoneData { version: zone_data_version(), changed: &[] }
    }

    /// Data of another version, which differ from those in this binary: each of these zones has the rules that
    /// the second one has here.
    pub const fn differing(
        version: &'static str,
        changed: &'static [(&'static str, &'static str)],
    ) -> ZoneData {
        ZoneData { version, changed }
    }

    /// Their version, as in `2026a`. Later versions are greater as texts.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// A zone by the rules of these data.
    fn rules_of(&self, zone: Zone) -> Zone {
        let other = self.changed.iter().find(|(name, _)| *name == zone.name());
        other.and_then(|(_, rules)| Zone::lookup(rules).ok()).unwrap_or(zone)
    }
}

/// Whose clock a schedule is about.
#[derive(Clone, Copy, Debug)]
pub struct Zones {
    default: Zone,
    data: ZoneData,
}

impl Zones {
    /// With this zone for schedules that name none.
    pub fn new(default: Zone, data: ZoneData) -> Zones {
        Zones { default, data }
    }

    /// The zone of a schedule that names this one, or none.
    pub fn of(&self, named: Option<Zone>) -> Zone {
        self.data.rules_of(named.unwrap_or(self.default))
    }
}

impl From<&Zone> for Zones {
    /// By the data in this binary.
    fn from(default: &Zone) -> Zones {
        Zones::new(*default, ZoneData::bundled())
    }
}
