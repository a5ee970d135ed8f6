//! The guard against a wall clock that jumps: an hour forward would fire an hour of ticks at once.
//!
//! The wall clock is held against the boot clock, which cannot jump. After a jump nothing is decided until
//! the two have kept step for a while; a lone server has nobody else to ask.

use crate::time::{Span, Time};

/// A step between the clocks beyond this is a jump; slewing and rounding stay far below it.
pub const JUMP: Span = Span::from_millis(500);
/// How long the clocks must keep step before deciding goes on.
pub const STABLE: Span = Span::from_seconds(5);

/// What the guard says of one reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The clocks keep step: decide.
    Steady,
    /// The wall clock jumped by this much just now: decide nothing.
    Jumped(Span),
    /// It jumped a while ago: decide nothing until this reading of the boot clock.
    Settling(Span),
}

/// Remembers the last readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guard {
    last: Option<(Time, Span)>,
    settled_at: Span,
}

impl Guard {
    /// Judges one reading of both clocks, taken together.
    pub fn check(&mut self, wall: Time, boot: Span) -> Verdict {
        let before = self.last.replace((wall, boot));
        let drift = before.map_or(Span::ZERO, |(last_wall, last_boot)| {
            Span::from_nanos((wall - last_wall).nanos().saturating_sub(boot.nanos() - last_boot.nanos()))
        });
        if drift.nanos().saturating_abs() > JUMP.nanos() {
            self.settled_at = Span::from_nanos(boot.nanos().saturating_add(STABLE.nanos()));
            return Verdict::Jumped(drift);
        }
        if boot < self.settled_at { Verdict::Settling(self.settled_at) } else { Verdict::Steady }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_either_way_stops_deciding_until_the_clocks_have_kept_step() {
        for jump in [3_600, -3_600] {
            let mut guard = Guard::default();
            let at = |seconds: i64| Span::from_seconds(seconds);
            assert_eq!(guard.check(Time::from_seconds(1_000), at(10)), Verdict::Steady);
            assert_eq!(guard.check(Time::from_seconds(1_001), at(11)), Verdict::Steady);
            let jumped = guard.check(Time::from_seconds(1_002 + jump), at(12));
            assert_eq!(jumped, Verdict::Jumped(Span::from_seconds(jump)));
            assert_eq!(guard.check(Time::from_seconds(1_006 + jump), at(16)), Verdict::Settling(at(17)));
            assert_eq!(guard.check(Time::from_seconds(1_007 + jump), at(17)), Verdict::Steady);
        }
    }

    #[test]
    fn a_sleeping_machine_is_no_jump() {
        let mut guard = Guard::default();
        guard.check(Time::from_seconds(0), Span::from_seconds(0));
        assert_eq!(guard.check(Time::from_seconds(9_000), Span::from_seconds(9_000)), Verdict::Steady);
    }
}
