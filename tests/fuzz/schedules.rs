//! Schedules: an expression, a zone, a policy, an instant and a job's name, a line each.

use super::engine::{Target, equal};
use dkron_core::schedule::{Dst, Parsed, Timing, Zone, parse};
use dkron_core::time::{Span, Time};

pub(super) const TARGET: Target = Target {
    name: "schedules",
    rounds: 8_000,
    seeds: Vec::new,
    words: &[
        "@every 1s",
        "@at ",
        "@daily",
        "@minutely",
        "TZ=",
        "CRON_TZ=Europe/Berlin ",
        "*/5 ",
        "L",
        "W",
        "#2",
        "~",
        "JAN",
        "SUN",
        "1-5",
        ",",
        "?",
        "\n",
        "Asia/Kolkata",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
    ],
    run,
};

fn run(bytes: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (expression, zone, dst, from, name) = (line(), line(), line(), line(), line());
    let parsed = match parse(expression, name) {
        Ok(parsed) => parsed,
        Err(error) => {
            let told = error.to_string();
            let says = ["allowed", "at most", "write numbers", "TZ="].iter().any(|word| told.contains(word));
            return if says { Ok(told) } else { Err(format!("the refusal says nothing: {told}")) };
        }
    };
    equal("read twice", &Ok(parsed.clone()), &parse(expression, name))?;
    let from = from.trim().parse().map_or(Time::from_seconds(1_700_000_000), Time::from_nanos);
    let dst = [Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron][dst.len() % 4];
    let zone = parsed.zone.or(Zone::lookup(zone).ok()).unwrap_or(Zone::utc());
    go_forward(&parsed, Timing { schedule: &parsed.schedule, zone, dst, anchor: Time::EPOCH }, from)
}

/// Each fire is after the one before, a whole second, the first of its kind, and counted once.
fn go_forward(parsed: &Parsed, timing: Timing<'_>, from: Time) -> Result<String, String> {
    let mut last = from;
    for count in 1..=4 {
        let Some(next) = timing.next(last) else {
            let rest = timing.count(last, last + Span::from_seconds(3_600));
            equal("fires after the last", &0, &rest)?;
            return Ok(format!("{} fires, ever: {}", "i".repeat(count - 1), parsed.schedule.fires_ever()));
        };
        if next <= last || next != next.floor_second() {
            return Err(format!("after {last} comes {next}"));
        }
        equal("the fire just before itself", &Some(next), &timing.next(next - Span::from_nanos(1)))?;
        equal("the latest until the next", &Some(next), &timing.latest(last, next))?;
        equal("the fires until the next", &1, &timing.count(last, next))?;
        equal("the fires so far", &(count as u64), &timing.count(from, next))?;
        last = next;
    }
    equal("a schedule that never fires", &true, &parsed.schedule.fires_ever())?;
    Ok(format!("fires, follows a zone: {}", parsed.schedule.follows_zone()))
}
