//! How many due times a second one core computes: `cargo bench --bench schedule`.
//!
//! Each expression is followed from fire to fire, through changes of the clocks where its zone has them.

mod measure;

use dkron_core::job::Job;
use dkron_core::rules::{Rules, Timing};
use dkron_core::schedule::{Dst, Zone};
use dkron_core::time::Time;
use measure::{print_machine, rate, row, timed};
use std::hint::black_box;

const FROM: Time = Time::from_seconds(1_767_225_600);
/// Next fires of each expression.
const FIRES: usize = 50_000;

/// What it is called, the expression, its zone.
const MIX: [(&str, &str, &str); 12] = [
    ("every second", "* * * * * *", ""),
    ("every 5 minutes", "0 */5 * * * *", "Europe/Berlin"),
    ("every interval", "@every 90s", ""),
    ("hourly", "@hourly", "America/New_York"),
    ("nightly", "0 30 2 * * *", "Europe/Berlin"),
    ("nightly without a zone", "0 30 2 * * *", "UTC"),
    ("working days", "0 0 9 * * MON-FRI", "America/New_York"),
    ("office hours", "0 */10 9-17 * * MON-FRI", "Asia/Kolkata"),
    ("monthly", "0 0 4 1 * *", "Australia/Sydney"),
    ("last day of the month", "0 0 4 L * *", "Europe/London"),
    ("quarterly", "0 0 6 1 1,4,7,10 *", "America/Sao_Paulo"),
    ("a leap day", "0 0 0 29 2 *", "UTC"),
];

fn timing(schedule: &str, zone: &str) -> Timing {
    let job = Job {
        name: "bench".to_owned(),
        schedule: schedule.to_owned(),
        timezone: zone.to_owned(),
        dst: Dst::Once,
        ..Job::default()
    };
    Rules::of(&job).expect("a good expression").timing
}

/// Follows an expression; from the start again where it ends.
fn follow(timing: &Timing) {
    let mut after = FROM;
    for _ in 0..FIRES {
        after = black_box(timing.next(after, FROM, &Zone::utc())).unwrap_or(FROM);
    }
}

fn main() {
    print_machine();
    let timings = MIX.map(|(name, schedule, zone)| (name, schedule, zone, timing(schedule, zone)));
    timings.iter().for_each(|(.., timing)| follow(timing));
    let (_, all) = timed(|| {
        for (name, schedule, zone, timing) in &timings {
            let (_, time) = timed(|| follow(timing));
            row(
                &format!("next fire: {name} ({schedule}{}{zone})", if zone.is_empty() { "" } else { ", " }),
                rate(FIRES, time),
                "",
            );
        }
    });
    row("next fire: all of these, mixed evenly", rate(FIRES * MIX.len(), all), "1.00 M/s");
}
