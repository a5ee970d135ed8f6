//! Checks of the room as a whole, on cases small enough to reckon by hand.

use super::*;

fn parsed(expression: &str) -> Parsed {
    parse(expression, "job").unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn instant(text: &str) -> Time {
    let timestamp: jiff::Timestamp = text.parse().expect("an instant");
    Time::from_seconds(timestamp.as_second())
}

fn zone(name: &str) -> Zone {
    Zone::lookup(name).unwrap_or_else(|error| panic!("{error}"))
}

/// The fires of an expression after one instant and at or before another, in UTC; the latest one and
/// the count must agree with them.
fn fires(expression: &str, zone_name: &str, dst: Dst, after: &str, until: &str) -> Vec<String> {
    let schedule = parsed(expression).schedule;
    let timing = Timing { schedule: &schedule, zone: zone(zone_name), dst, anchor: instant(after) };
    let (after, until) = (instant(after), instant(until));
    let fires: Vec<Time> = std::iter::successors(timing.next(after), |fire| timing.next(*fire))
        .take_while(|fire| *fire <= until)
        .take(10_000)
        .collect();
    assert_eq!(timing.latest(after, until), fires.last().copied());
    assert_eq!(timing.count(after, until), fires.len() as u64);
    fires.iter().map(Time::to_string).collect()
}

fn message(expression: &str) -> String {
    parse(expression, "job").expect_err(expression).to_string()
}

#[test]
fn a_schedule_takes_forty_bytes() {
    assert!(size_of::<Schedule>() <= 40, "{}", size_of::<Schedule>());
    assert_eq!(size_of::<Zone>(), 8);
}

#[test]
fn expressions_of_the_same_meaning_give_equal_schedules() {
    assert_eq!(parsed("30 2 * * *").schedule, parsed("0 30 2 ? JAN-DEC *").schedule);
    assert_eq!(parsed("@minutely"), parsed("0 * * * * *"));
    assert_eq!(parsed("@manually").schedule, Schedule::NEVER);
    assert_eq!(parsed("@every 90s"), parsed("@every 1m30.9s"));
    assert_ne!(parsed("0 0 0 1 * 1-5"), parsed("0 0 0 1 * *"));
}

#[test]
fn a_zone_in_front_is_handed_back() {
    assert_eq!(parsed("TZ=Asia/Tokyo 0 0 9 * * *").zone, Some(zone("Asia/Tokyo")));
    assert_eq!(parsed("CRON_TZ=Asia/Tokyo  @daily ").zone, Some(zone("Asia/Tokyo")));
    assert_eq!(parsed("TZ= 0 0 9 * * *").zone, Some(Zone::utc()));
    assert_eq!(parsed("0 0 9 * * *").zone, None);
}

#[test]
fn messages_name_the_field_the_value_and_what_is_allowed() {
    let cases = [
        ("", &["empty", "six fields"] as &[&str]),
        ("* * *", &["\"* * *\"", "found 3 fields", "five (without second)"]),
        ("* * * * * * *", &["found 7 fields"]),
        ("60 * * * * *", &["second \"60\"", "out of range", "0 to 59"]),
        ("0 1,5-99 * * * *", &["minute \"5-99\"", "0 to 59"]),
        ("0 0 24 * * *", &["hour \"24\"", "0 to 23"]),
        ("0 0 0 0 * *", &["day of month \"0\"", "1 to 31"]),
        ("0 0 0 L-31 * *", &["day of month \"L-31\"", "L-1 to L-30"]),
        ("0 0 0 32W * *", &["day of month \"32W\"", "out of range", "1W to 31W"]),
        ("0 0 0 W * *", &["day of month \"W\"", "not a form of L, W or #"]),
        ("0 0 0 * january *", &["month \"january\"", "jan to dec"]),
        ("0 0 0 * * 7", &["day of week \"7\"", "0 (Sunday) to 6"]),
        ("0 0 0 * * L", &["day of week \"L\"", "friL"]),
        ("0 0 0 * * fri#6", &["day of week \"fri#6\"", "out of range"]),
        ("0 0 0 * * fri-mon", &["day of week \"fri-mon\"", "ends before it starts"]),
        ("0 */0 * * * *", &["minute \"*/0\"", "step"]),
        ("0 1-2-3 * * * *", &["minute \"1-2-3\"", "more than one \"-\""]),
        ("0 1/2/3 * * * *", &["minute \"1/2/3\"", "more than one \"/\""]),
        ("0  0 0 * * ~", &["day of week \"~\"", "single spaces"]),
        ("@reboot", &["descriptor \"@reboot\"", "@yearly", "@every"]),
        ("@Daily", &["descriptor \"@Daily\"", "lower case"]),
        ("@at tomorrow", &["\"@at\" \"tomorrow\"", "RFC 3339"]),
        ("@every 1d", &["\"@every\"", "\"1d\"", "unknown unit \"d\"", "ms, s, m"]),
        ("TZ=UTC @manually", &["descriptor \"@manually\"", "takes no TZ="]),
        ("TZ=UTC", &["zone prefix \"TZ=UTC\"", "nothing follows"]),
        ("TZ=Local 0 0 0 * * *", &["zone \"Local\"", "IANA"]),
        ("TZ=Europe/Berln 0 0 0 * * *", &["zone \"Europe/Berln\"", "as in Europe/Berlin"]),
    ];
    for (expression, parts) in cases {
        let message = message(expression);
        for part in parts {
            assert!(message.contains(part), "{expression:?} gives {message:?}, without {part:?}");
        }
    }
}

#[test]
fn an_instant_is_read_as_rfc_3339_and_fires_once() {
    let timing = |schedule| Timing { schedule, zone: Zone::utc(), dst: Dst::Once, anchor: Time::EPOCH };
    let schedule = parsed("@at 2019-02-04T09:20:00+06:00").schedule;
    let at = instant("2019-02-04T03:20:00Z");
    assert_eq!(timing(&schedule).next(Time::EPOCH), Some(at));
    assert_eq!(timing(&schedule).next(at), None);
    assert_eq!(timing(&schedule).latest(Time::EPOCH, at), Some(at));
    assert_eq!(timing(&schedule).count(at, Time::NEVER), 0);
    let fraction = parsed("@at 2018-01-02T15:04:00.25Z").schedule;
    assert_eq!(timing(&fraction).next(Time::EPOCH), Some(instant("2018-01-02T15:04:01Z")));
    for text in [
        "2018-01-02",
        "2018-01-02 15:04:00Z",
        "2018-01-02T15:04:00",
        "2018-01-02T15:04:60Z",
        "2018-01-02T15:04:00.Z",
        "9999-01-01T00:00:00Z",
        "2018-02-30T15:04:00Z",
        " 2018-01-02T15:04:00Z",
        "2018-01-02T15:04:00Z[UTC]",
    ] {
        assert!(parse(&format!("@at {text}"), "job").is_err(), "{text}");
    }
}

#[test]
fn every_counts_whole_seconds_from_its_anchor() {
    let schedule = parsed("@every 1.9s").schedule;
    assert_eq!(schedule, parsed("@every -5m").schedule);
    let schedule = parsed("@every 1m").schedule;
    let anchor = Time::from_nanos(100_900_000_000);
    let timing = Timing { schedule: &schedule, zone: Zone::utc(), dst: Dst::Once, anchor };
    let at = Time::from_seconds;
    assert_eq!(timing.next(Time::EPOCH), Some(at(160)));
    assert_eq!(timing.next(at(159)), Some(at(160)));
    assert_eq!(timing.next(at(160)), Some(at(220)));
    assert_eq!(timing.latest(Time::EPOCH, at(159)), None);
    assert_eq!(timing.latest(at(160), at(219)), None);
    assert_eq!(timing.latest(at(100), at(3_700)), Some(at(3_700)));
    assert_eq!(timing.count(Time::EPOCH, at(3_700)), 60);
    assert_eq!(timing.next(Time::NEVER), None);
}

#[test]
fn what_can_never_fire_is_known_and_every_question_about_it_ends() {
    for expression in ["@manually", ", * * * * *", "0 0 0 30 2 *", "0 0 0 31 4,6,9,11 *", "0 0 0 * * ,"] {
        let schedule = parsed(expression).schedule;
        assert!(!schedule.fires_ever(), "{expression}");
        for zone_name in ["UTC", "Africa/Casablanca"] {
            let timing =
                Timing { schedule: &schedule, zone: zone(zone_name), dst: Dst::Once, anchor: Time::EPOCH };
            assert_eq!(timing.next(Time::EPOCH), None);
            assert_eq!(timing.latest(Time::from_nanos(i64::MIN), Time::NEVER), None);
            assert_eq!(timing.count(Time::from_nanos(i64::MIN), Time::NEVER), 0);
        }
    }
    for expression in ["0 0 0 29 2 *", "@at 1999-01-01T00:00:00Z", "@every 1s", "0 0 0 , * 1"] {
        assert!(parsed(expression).schedule.fires_ever(), "{expression}");
    }
}

#[test]
fn the_search_ends_with_the_fifth_year_after_the_start() {
    let schedule = parsed("0 0 0 29 2 *").schedule;
    let timing = Timing { schedule: &schedule, zone: Zone::utc(), dst: Dst::Once, anchor: Time::EPOCH };
    assert_eq!(timing.next(instant("2098-12-31T23:59:58Z")), None);
    assert_eq!(timing.next(instant("2098-12-31T23:59:59Z")), Some(instant("2104-02-29T00:00:00Z")));
}

#[test]
fn a_time_in_the_gap_follows_the_policy() {
    let berlin = |expression, dst| {
        fires(expression, "Europe/Berlin", dst, "2024-03-30T22:00:00Z", "2024-03-31T04:00:00Z")
    };
    let edge = ["2024-03-31T01:00:00Z"];
    for (dst, expected) in
        [(Dst::Once, &edge[..]), (Dst::Both, &edge[..]), (Dst::Skip, &[][..]), (Dst::Dkron, &[][..])]
    {
        assert_eq!(berlin("0 30 2 * * *", dst), expected, "{dst}");
        assert_eq!(berlin("*/10 15,45 2 * * *", dst), expected, "all fires of the gap are one, {dst}");
    }
    assert_eq!(berlin("0 0 2,3 * * *", Dst::Once), edge, "no second fire beside the regular one");
    assert_eq!(berlin("0 0 0-3 * * *", Dst::Once).len(), 3);
    assert_eq!(berlin("0 7 * * * *", Dst::Once), berlin("0 7 * * * *", Dst::Dkron), "an interval");
}

#[test]
fn a_repeated_time_follows_the_policy() {
    let berlin = |expression, dst| {
        fires(expression, "Europe/Berlin", dst, "2024-10-26T22:30:00Z", "2024-10-27T03:59:59Z")
    };
    let (first, second) = ("2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z");
    for (dst, expected) in [
        (Dst::Once, &[first][..]),
        (Dst::Skip, &[first][..]),
        (Dst::Both, &[first, second][..]),
        (Dst::Dkron, &[first, second][..]),
    ] {
        assert_eq!(berlin("0 30 2 * * *", dst), expected, "{dst}");
    }
    for dst in [Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron] {
        assert_eq!(berlin("0 15 * * * *", dst).len(), 5, "an interval follows elapsed time, {dst}");
    }
    assert_eq!(berlin("0 0 */2 * * *", Dst::Once), ["2024-10-27T00:00:00Z", "2024-10-27T03:00:00Z"]);
}

#[test]
fn a_job_at_fixed_times_keeps_its_number_of_runs_on_short_and_long_days() {
    for day in ["2024-03-31", "2024-10-27", "2024-06-01"] {
        let time_zone = zone("Europe/Berlin").time_zone();
        let date: jiff::civil::Date = day.parse().expect("a date");
        let midnight = |date: jiff::civil::Date| {
            let timestamp = time_zone.to_timestamp(date.at(0, 0, 0, 0)).expect("in range");
            Time::from_seconds(timestamp.as_second() - 1)
        };
        let schedule = parsed("0 0 */2 * * *").schedule;
        let timing =
            Timing { schedule: &schedule, zone: zone("Europe/Berlin"), dst: Dst::Once, anchor: Time::EPOCH };
        assert_eq!(timing.count(midnight(date), midnight(date.tomorrow().expect("a date"))), 12, "{day}");
    }
}

#[test]
fn half_hours_midnight_gaps_and_whole_days_that_are_left_out() {
    let lord_howe = |dst| {
        fires("0 15 2 * * *", "Australia/Lord_Howe", dst, "2024-10-05T12:00:00Z", "2024-10-05T23:00:00Z")
    };
    assert_eq!(lord_howe(Dst::Once), ["2024-10-05T15:30:00Z"]);
    assert!(lord_howe(Dst::Skip).is_empty());
    let cairo = |dst| fires("@daily", "Africa/Cairo", dst, "2024-04-25T10:00:00Z", "2024-04-26T10:00:00Z");
    assert_eq!(cairo(Dst::Once), ["2024-04-25T22:00:00Z"]);
    assert!(cairo(Dst::Dkron).is_empty());
    let apia = |expression, dst| {
        fires(expression, "Pacific/Apia", dst, "2011-12-30T00:00:00Z", "2011-12-31T09:59:59Z")
    };
    assert_eq!(apia("0 0 9 * * *", Dst::Once), ["2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"]);
    assert_eq!(apia("0 0 9 30 12 *", Dst::Both), ["2011-12-30T10:00:00Z"]);
    assert!(apia("0 0 9 30 12 *", Dst::Skip).is_empty());
}

#[test]
fn under_changed_zone_rules_only_instants_after_the_cursor_come_up() {
    let schedule = parsed("0 0 9 * * *").schedule;
    let under = |name| Timing { schedule: &schedule, zone: zone(name), dst: Dst::Once, anchor: Time::EPOCH };
    let cursor = instant("2024-06-01T07:00:00Z");
    assert_eq!(under("Europe/Berlin").next(cursor - crate::time::Span::from_seconds(1)), Some(cursor));
    for name in zone_names() {
        let next = under(name).next(cursor).expect("a daily job");
        assert!(next > cursor && next - cursor <= crate::time::Span::from_seconds(86_400), "{name}");
    }
}

#[test]
fn policies_are_spelled_in_lower_case_and_default_to_once() {
    for dst in [Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron] {
        assert_eq!(dst.to_string().parse(), Ok(dst));
    }
    assert_eq!(Dst::default(), Dst::Once);
    let error = "Twice".parse::<Dst>().expect_err("no policy");
    assert_eq!(error.to_string(), "dst \"Twice\": unknown; allowed: once, skip, both, dkron");
}
