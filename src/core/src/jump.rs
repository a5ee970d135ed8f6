//! The guard against a wall clock that jumps: an hour forward would fire an hour of ticks at once.
//!
//! The wall clock is held against the boot clock, which cannot jump. After a jump nothing is decided until
//! the two have kept step for a while (a lone server has nobody else to ask), and what must be stamped all the
//! same goes by the boot clock from where the wall clock was last believed. So a glitch leaves nothing in the
//! log, and a correction is followed as soon as it has proved steady.

use crate::time::{Span, Time};

/// A step between the clocks beyond this is a jump; slewing and rounding stay far below it.
pub const JUMP: Span = Span::from_millis(500);
/// How long the clocks must keep step before deciding goes on.
pub const STABLE: Span = Span::from_seconds(5);
/// The share of the time between two readings by which the clocks may drift apart: twice what a clock is slewed
/// by at most.
const DRIFT_PER_MILLION: i64 = 1_000;

/// What the guard says of one reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The clocks keep step: decide.
    Steady,
    /// The wall clock jumped by this much just now: decide nothing.
    Jumped(Span),
    /// It jumped a while ago: decide nothing until this reading of the boot clock.
    Settling(Span),
    /// It is ahead of the median of the servers' clocks by this much, or behind: decide nothing by it.
    Apart(Span),
    /// Too few clocks of other servers are known to say: decide nothing yet.
    Unknown,
}

/// One reading, judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// The time to go by: the wall clock, or while that is in doubt what it would show without its jump.
    pub time: Time,
    /// Whether to decide by it.
    pub verdict: Verdict,
}

/// Remembers the last readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guard {
    last: Option<(Time, Span)>,
    /// The last reading that was believed.
    believed: Option<(Time, Span)>,
    settled_at: Span,
}

impl Guard {
    /// A guard before its first reading.
    pub const fn new() -> Guard {
        Guard { last: None, believed: None, settled_at: Span::ZERO }
    }

    /// Judges one reading of both clocks, taken together.
    pub fn read(&mut self, wall: Time, boot: Span) -> Reading {
        let verdict = self.judge(wall, boot);
        if verdict == Verdict::Steady {
            self.believed = Some((wall, boot));
        }
        let time = self.believed.map_or(wall, |(time, then)| time + between(then, boot));
        Reading { time, verdict }
    }

    fn judge(&mut self, wall: Time, boot: Span) -> Verdict {
        let Some((last_wall, last_boot)) = self.last.replace((wall, boot)) else { return Verdict::Steady };
        let passed = between(last_boot, boot);
        let drift = Span::from_nanos((wall - last_wall).nanos().saturating_sub(passed.nanos()));
        let allowed = JUMP.nanos().saturating_add(passed.nanos() / 1_000_000 * DRIFT_PER_MILLION);
        if drift.nanos().saturating_abs() > allowed {
            self.settled_at = Span::from_nanos(boot.nanos().saturating_add(STABLE.nanos()));
            return Verdict::Jumped(drift);
        }
        if boot < self.settled_at { Verdict::Settling(self.settled_at) } else { Verdict::Steady }
    }
}

fn between(earlier: Span, later: Span) -> Span {
    Span::from_nanos(later.nanos().saturating_sub(earlier.nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Span {
        Span::from_seconds(seconds)
    }

    #[test]
    fn a_jump_either_way_stops_deciding_until_the_clocks_have_kept_step() {
        for jump in [3_600, -3_600] {
            let mut guard = Guard::new();
            let mut read = |seconds: i64, boot| {
                let Reading { time, verdict } = guard.read(Time::from_seconds(seconds), at(boot));
                (time.seconds(), verdict)
            };
            assert_eq!(read(1_000, 10), (1_000, Verdict::Steady));
            assert_eq!(read(1_001, 11), (1_001, Verdict::Steady));
            assert_eq!(read(1_002 + jump, 12), (1_002, Verdict::Jumped(at(jump))));
            assert_eq!(read(1_006 + jump, 16), (1_006, Verdict::Settling(at(17))));
            assert_eq!(read(1_007 + jump, 17), (1_007 + jump, Verdict::Steady));
        }
    }

    #[test]
    fn a_glitch_is_never_gone_by() {
        let mut guard = Guard::new();
        for second in 0..20 {
            let glitch = if (5..9).contains(&second) { 3_600 } else { 0 };
            let reading = guard.read(Time::from_seconds(1_000 + second + glitch), at(second));
            assert_eq!(reading.time, Time::from_seconds(1_000 + second));
            assert_eq!(reading.verdict == Verdict::Steady, !(5..14).contains(&second), "{second}");
        }
    }

    #[test]
    fn a_sleeping_machine_and_a_slewed_clock_are_no_jump() {
        let mut guard = Guard::new();
        guard.read(Time::from_seconds(0), at(0));
        assert_eq!(guard.read(Time::from_seconds(9_000), at(9_000)).verdict, Verdict::Steady);
        assert_eq!(guard.read(Time::from_seconds(18_004), at(18_000)).verdict, Verdict::Steady);
        assert_eq!(guard.read(Time::from_seconds(18_106), at(18_100)).verdict, Verdict::Jumped(at(2)));
    }
}
