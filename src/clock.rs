//! The only reader of the clocks, so that whoever decides can be handed a time.

use dkron_core::jump::{Guard, Reading, Verdict};
use dkron_core::time::{Span, Time};
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock. It may jump either way.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn wall() -> Time {
    let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    };
    Time::from_nanos(nanos)
}

/// The wall clock, held against the boot clock: what decides, stamps an entry or computes a due time goes by
/// this. One guard for the process, for it has one wall clock.
pub fn guarded() -> Reading {
    static GUARD: Mutex<Guard> = Mutex::new(Guard::new());
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    let reading = guard.read(wall(), boot());
    if let Verdict::Jumped(by) = reading.verdict {
        tracing::error!(by_ms = by.millis(), "the wall clock jumped: nothing is decided until it is steady");
    }
    reading
}

/// For measuring and waiting; never goes back, stands still while the machine sleeps.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The runtime's clock, on which its timers run: a test may stop it and let hours pass at once.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn runtime() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Time since the machine started, its sleep included: what leases are timed on.
pub fn boot() -> Span {
    let time = clock_gettime(ClockId::Boottime);
    Span::from_nanos(time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec))
}

/// The boot clock as a time, which nobody sets: only good for differences within one process.
pub fn steady() -> Time {
    Time::from_nanos(boot().nanos())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_boot_clock_goes_on() {
        let before = super::boot();
        assert!(super::boot() >= before);
    }
}
