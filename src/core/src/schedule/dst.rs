//! What happens when the local clock jumps.
//!
//! A zone's time is a row of stretches, each with one offset. Where the clock jumps forward some
//! readings never appear (the gap); where it jumps back some appear twice (the repeat). A policy is
//! two answers: does a time in the gap fire at its edge, and does a repeated reading fire again?
//!
//! An expression whose hour field allows every hour (`*`, `?`, `*/1`, `0-23`) is an *interval*: it
//! follows elapsed time, so it fires at each matching reading that does appear, in both passes of a
//! repeated hour and never for the gap, under each policy. Every other expression names times of day,
//! steps such as `*/2` among them: under `once` such a job keeps its number of runs a day on the short
//! day and on the long one.
//!
//! Transitions lie farther apart than the clock jumps at them (a test holds the zone data to it),
//! so it is enough to look at a stretch and the one before it.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::zone::{END, Zone};

/// What a job with fixed times of day does when its zone's clock jumps.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Dst {
    /// Once for each time of day: times in the gap fire together, once, at the instant of the jump;
    /// repeated times fire in the first pass.
    #[default]
    Once,
    /// At most once: times in the gap do not fire; repeated times fire in the first pass.
    Skip,
    /// At least once: times in the gap fire together at the jump; repeated times fire in both passes.
    Both,
    /// As Dkron: whenever the clock reads a matching time, so not in the gap, and in both passes.
    Dkron,
}

/// The word is none of the policies.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("dst {value:?}: unknown; allowed: once, skip, both, dkron")]
pub struct UnknownDst {
    /// The word, as written.
    pub value: String,
}

/// A stretch as a policy sees it. Readings are local seconds since the epoch's local midnight.
pub(super) struct Segment {
    /// Its first instant, in seconds since the epoch.
    pub(super) start: i64,
    /// The first instant after it.
    pub(super) end: i64,
    /// A reading is an instant plus this.
    pub(super) offset: i64,
    /// The readings that fire as they appear; empty when it ends before it starts.
    pub(super) readings: Range<i64>,
    /// The readings that fall together on `start`; empty when there are none.
    pub(super) gap: Range<i64>,
}

impl Dst {
    /// The stretch of a zone with an index, as this policy sees it.
    pub(super) fn segment(self, zone: &Zone, index: usize) -> Segment {
        let stretches = zone.stretches();
        let stretch = stretches[index];
        let end = stretches.get(index + 1).map_or(END, |next| next.start);
        let start_reading = stretch.start + stretch.offset;
        let expected = match index {
            0 => start_reading,
            _ => stretch.start + stretches[index - 1].offset,
        };
        let first = if self.repeats() { start_reading } else { start_reading.max(expected) };
        Segment {
            start: stretch.start,
            end,
            offset: stretch.offset,
            readings: first..end + stretch.offset,
            gap: if self.fires_at_edge() { expected..start_reading } else { 0..0 },
        }
    }

    const fn repeats(self) -> bool {
        matches!(self, Dst::Both | Dst::Dkron)
    }

    const fn fires_at_edge(self) -> bool {
        matches!(self, Dst::Once | Dst::Both)
    }
}

impl fmt::Display for Dst {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Dst::Once => "once",
            Dst::Skip => "skip",
            Dst::Both => "both",
            Dst::Dkron => "dkron",
        })
    }
}

impl FromStr for Dst {
    type Err = UnknownDst;

    fn from_str(text: &str) -> Result<Dst, UnknownDst> {
        match text {
            "once" => Ok(Dst::Once),
            "skip" => Ok(Dst::Skip),
            "both" => Ok(Dst::Both),
            "dkron" => Ok(Dst::Dkron),
            _ => Err(UnknownDst { value: text.to_owned() }),
        }
    }
}
