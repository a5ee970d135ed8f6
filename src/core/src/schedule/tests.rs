//! Checks of the room as a whole, on cases small enough to reckon by hand.

use super::*;

fn schedule(expression: &str) -> Schedule {
    parse(expression, "job").unwrap_or_else(|error| panic!("{expression}: {error}")).schedule
}

#[test]
fn a_schedule_takes_forty_bytes() {
    assert!(size_of::<Schedule>() <= 40, "{}", size_of::<Schedule>());
    assert_eq!(size_of::<Zone>(), 8);
}
