//! The only reader of the clocks: whoever needs the time asks here, so that nothing else can.

use dkron_core::time::Time;

/// The wall clock. It may jump: never measure with it.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn wall() -> Time {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since_epoch.map_or(0, |elapsed| elapsed.as_nanos());
    Time::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
