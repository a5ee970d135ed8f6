//! The only reader of the clocks, so that whoever decides can be handed a time.

use dkron_core::clocks::Told;
use dkron_core::jump::{Guard, Reading, Verdict};
use dkron_core::time::{Span, Time};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How wrong the wall clock is made, on purpose.
static WRONG: OnceLock<Wrong> = OnceLock::new();
/// How long a reading of that is good for.
const WRONG_FOR: Duration = Duration::from_millis(10);

struct Wrong {
    file: PathBuf,
    last: Mutex<Option<(Instant, Span)>>,
}

/// Makes the wall clock of this process wrong by the milliseconds that stand in a file, which may change at any time:
/// for tests of what wrong clocks do.
pub fn be_wrong_by(file: PathBuf) {
    drop(WRONG.set(Wrong { file, last: Mutex::new(None) }));
}

impl Wrong {
    fn by(&self) -> Span {
        let now = monotonic();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, by)) if now.saturating_duration_since(at) < WRONG_FOR => by,
            _ => {
                let text = std::fs::read_to_string(&self.file).unwrap_or_default();
                let by = Span::from_millis(text.trim().parse().unwrap_or(0));
                *last = Some((now, by));
                by
            }
        }
    }
}

/// The wall clock. It may jump either way.
pub fn wall() -> Time {
    let true_time = system();
    WRONG.get().map_or(true_time, |wrong| true_time + wrong.by())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn system() -> Time {
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
    match *corrected() {
        Some(base) => {
            let time = Time::from_nanos(base.nanos().saturating_add(boot().nanos()));
            Reading { time, verdict: Verdict::Apart(reading.time - time) }
        }
        None => reading,
    }
}

/// What the servers agree on less the boot clock, while this server's wall clock is out of step with it.
fn corrected() -> MutexGuard<'static, Option<Span>> {
    static CORRECTED: Mutex<Option<Span>> = Mutex::new(None);
    CORRECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on [`guarded`] goes by this time, which other servers' clocks show now, and decides nothing; or again by
/// the wall clock. Who asks the others says so.
pub fn correct(shown: Option<Time>) {
    *corrected() = shown.map(|shown| Span::from_nanos(shown.nanos().saturating_sub(boot().nanos())));
}

fn leaders() -> MutexGuard<'static, Told> {
    static LEADERS: Mutex<Told> = Mutex::new(Told::new());
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a leader's clock showed when it sent what is here now.
pub fn told(shown: Time) {
    leaders().tell(shown, boot());
}

/// The time that an agent goes by: the leader's, as far as it told, so that the own clock may be wrong.
pub fn agreed() -> Time {
    leaders().time(boot()).unwrap_or_else(wall)
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
