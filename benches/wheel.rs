//! A million timers due in one second: `cargo bench --bench wheel`.

mod measure;

use dkron_core::ids::JobSlot;
use dkron_core::limits::DECISIONS_MAX;
use dkron_core::time::{Span, Time};
use dkron_core::wheel::Wheel;
use measure::{millis, print_machine, rate, row, timed};

const TIMERS: u32 = 1_000_000;
const SECOND: Time = Time::from_seconds(1_783_922_700);

/// A wheel with all timers in the second after [`SECOND`], `spread` milliseconds wide, in no order.
fn filled(spread: i64) -> Wheel {
    let mut wheel = Wheel::default();
    for slot in 0..TIMERS {
        let phase = i64::from(slot.wrapping_mul(0x9E37_79B1)) % spread;
        wheel.file(JobSlot(slot), SECOND + Span::from_millis(phase));
    }
    wheel
}

/// Takes all that is due at the end of the second, as many at a time as one plan takes.
fn pop_all(wheel: &mut Wheel) -> usize {
    let now = SECOND + Span::from_millis(999);
    let mut popped = 0;
    loop {
        let due = wheel.take_due(now, DECISIONS_MAX);
        if due.is_empty() {
            return popped;
        }
        popped += due.len();
    }
}

fn main() {
    print_machine();
    for (what, spread) in [("on the whole second", 1), ("spread over the second", 1_000)] {
        let (_, filing) = timed(|| filled(spread));
        row(&format!("a million timers filed, {what}"), rate(TIMERS as usize, filing), "");
        let mut times = Vec::new();
        for _ in 0..9 {
            let mut wheel = filled(spread);
            let (popped, time) = timed(|| pop_all(&mut wheel));
            assert_eq!(popped, TIMERS as usize, "every timer rings once");
            times.push(time);
        }
        times.sort_unstable();
        row(&format!("a million timers popped, {what} (median of 9)"), millis(times[4]), "10 ms");
    }
}
