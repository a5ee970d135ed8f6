//! A second, slow schedule engine that shares no code with the first, and the comparison of both.
//!
//! It knows nothing of offsets, months or masks: it asks the date library what the clock reads at
//! every second, one after the other, and looks whether the fields' texts allow it. All zones of the
//! bundled data are tried around several of their transitions, under every policy.

use std::collections::HashSet;

use dkron_core::schedule::{Dst, Timing, Zone, parse, zone_names};
use dkron_core::time::Time;
use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

const SEED: u64 = 0x6b72_6f6e_2d64_7374;
const POLICIES: [Dst; 4] = [Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron];

/// Six fields as lists of what they allow, read item by item in the plainest way.
struct Oracle {
    allowed: [Vec<bool>; 6],
    both_days: bool,
}

impl Oracle {
    fn read(expression: &str) -> Oracle {
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let bounds = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let allowed = std::array::from_fn(|field| {
            let (low, high) = bounds[field];
            (0..=high).map(|value| value >= low && allows(fields[field], value, low, high)).collect()
        });
        let star = |text: &str| text.split(',').any(|item| matches!(item, "*" | "?" | "*/1"));
        Oracle { allowed, both_days: star(fields[3]) || star(fields[5]) }
    }

    fn matches(&self, reading: DateTime) -> bool {
        self.allowed[0][reading.second() as usize]
            && self.allowed[1][reading.minute() as usize]
            && self.allowed[2][reading.hour() as usize]
            && self.matches_date(reading.date())
    }

    fn matches_date(&self, date: Date) -> bool {
        let day = self.allowed[3][date.day() as usize];
        let weekday = self.allowed[5][date.weekday().to_sunday_zero_offset() as usize];
        let days = if self.both_days { day && weekday } else { day || weekday };
        self.allowed[4][date.month() as usize] && days
    }

    fn is_interval(&self) -> bool {
        self.allowed[2].iter().all(|allowed| *allowed)
    }
}

/// Whether a list such as `1,5-9/2,*/7,feb` allows a value.
fn allows(list: &str, value: usize, low: usize, high: usize) -> bool {
    const NAMES: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let number = |text: &str| {
        let text = text.to_lowercase();
        let month = NAMES.iter().position(|name| *name == text).map(|index| index + 1);
        month
            .or_else(|| DAYS.iter().position(|name| *name == text))
            .unwrap_or_else(|| text.parse().expect("a number"))
    };
    list.split(',').any(|item| {
        let (range, step) =
            item.split_once('/').map_or((item, None), |(range, step)| (range, Some(number(step))));
        let (first, last) = match range.split_once('-') {
            _ if range.starts_with(['*', '?']) => (low, high),
            Some((first, last)) => (number(first), number(last)),
            None if step.is_some() => (number(range), high),
            None => (number(range), number(range)),
        };
        (first..=last).contains(&value) && (value - first).is_multiple_of(step.unwrap_or(1))
    })
}

/// What a clock read at each second from `start` on.
struct Readings {
    start: i64,
    readings: Vec<DateTime>,
    /// Seconds at which the clock jumped forward, with the readings that were not shown.
    gaps: Vec<(i64, Vec<DateTime>)>,
}

impl Readings {
    fn take(zone: &TimeZone, start: i64, end: i64) -> Readings {
        let read = |second| zone.to_datetime(Timestamp::from_second(second).expect("in range"));
        let readings: Vec<DateTime> = (start..=end).map(read).collect();
        let mut gaps = Vec::new();
        for (second, pair) in (start + 1..).zip(readings.windows(2)) {
            let minute = |at: DateTime| (at.date(), at.hour(), at.minute());
            if minute(pair[0]) == minute(pair[1]) {
                continue;
            }
            let skipped: Vec<DateTime> =
                std::iter::successors(Some(pair[0]), |at| at.checked_add(1.second()).ok())
                    .skip(1)
                    .take_while(|at| *at < pair[1])
                    .collect();
            gaps.push((second, skipped));
        }
        gaps.retain(|(_, skipped)| !skipped.is_empty());
        Readings { start, readings, gaps }
    }

    /// The seconds at which an expression fires under a policy, by the policies' definition alone.
    fn fires(&self, oracle: &Oracle, dst: Dst) -> Vec<i64> {
        let dst = if oracle.is_interval() { Dst::Dkron } else { dst };
        let repeats = matches!(dst, Dst::Both | Dst::Dkron);
        let mut seen = HashSet::new();
        let shown = (self.start..).zip(&self.readings);
        let mut fires: Vec<i64> = shown
            .filter(|(_, reading)| oracle.matches(**reading) && (seen.insert(**reading) || repeats))
            .map(|(second, _)| second)
            .collect();
        if matches!(dst, Dst::Once | Dst::Both) {
            let edges = self.gaps.iter().filter(|(_, skipped)| skipped.iter().any(|at| oracle.matches(*at)));
            fires.extend(edges.map(|(second, _)| *second));
            fires.sort_unstable();
            fires.dedup();
        }
        fires
    }
}

/// Chance with a fixed seed (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// A field with one to three values, some as ranges or steps, near a value that matters.
    fn field(&mut self, near: u64, low: u64, high: u64) -> String {
        let value = |chance: &mut Chance| (near + chance.below(4)).clamp(low + 1, high + 1) - 1;
        let mut items = Vec::new();
        for _ in 0..=self.below(2) {
            let (first, second) = (value(self), value(self));
            items.push(match self.below(6) {
                0 => format!("{}-{}", first.min(second), first.max(second)),
                1 => format!("{first}/{}", self.below(5) + 1),
                2 => format!("*/{}", self.below(high) + 2),
                _ => first.to_string(),
            });
        }
        items.join(",")
    }

    /// An expression that is likely to fire around a reading.
    fn expression(&mut self, around: DateTime) -> String {
        let second = self.of(&["0", "0", "59", "30", "17", "*/20", "0,1,59"]);
        let minute = match self.below(4) {
            0 => self.of(&["0", "30", "*/7", "59", "*"]).to_owned(),
            1 => self.field(around.minute() as u64, 0, 59),
            _ => self.field(self.0 % 60, 0, 59),
        };
        let hour = match self.below(5) {
            0 => self.of(&["*", "?", "*/1", "0-23", "*/2", "*/3", "1-23/2"]).to_owned(),
            _ => self.field(around.hour() as u64, 0, 23),
        };
        let day = self.of(&["*", "*", "*", "?", "1-31", "*/2", "1,31"]);
        let day = if self.below(4) == 0 { around.day().to_string() } else { day.to_owned() };
        let month = self.of(&["*", "*", "*", "1-12", "*/3"]);
        let weekday = self.of(&["*", "*", "*", "0-6", "mon-fri", "sun", "sat,sun"]);
        format!("{second} {minute} {hour} {day} {month} {weekday}")
    }
}

/// The instants at which a zone's offset changes: the first two, the last two known, some between.
fn transitions(zone: &TimeZone, chance: &mut Chance) -> Vec<(i64, i64)> {
    let from: Timestamp = "1750-01-01T00:00:00Z".parse().expect("an instant");
    let until: Timestamp = "2060-01-01T00:00:00Z".parse().expect("an instant");
    let mut offset = zone.to_offset(from).seconds();
    let mut all = Vec::new();
    for transition in zone.following(from).take_while(|transition| transition.timestamp() < until) {
        let jump = i64::from(transition.offset().seconds() - offset);
        offset = transition.offset().seconds();
        if jump != 0 {
            all.push((transition.timestamp().as_second(), jump));
        }
    }
    let count = all.len();
    let chosen = [0, 1, count.wrapping_sub(1), count.wrapping_sub(2)];
    let mut chosen: Vec<usize> = chosen.into_iter().filter(|index| *index < count).collect();
    chosen.extend((0..2).filter(|_| count > 0).map(|_| chance.below(count as u64) as usize));
    chosen.extend((0..count).filter(|index| all[*index].1.abs() > 2 * 3600));
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().map(|index| all[index]).collect()
}

fn compare(timing: &Timing, oracle: &Oracle, readings: &Readings, chance: &mut Chance, about: &str) -> usize {
    let at = Time::from_seconds;
    let end = readings.start + readings.readings.len() as i64 - 1;
    let expected = readings.fires(oracle, timing.dst);
    let got: Vec<i64> = std::iter::successors(timing.next(at(readings.start - 1)), |fire| timing.next(*fire))
        .map(Time::seconds)
        .take_while(|fire| *fire <= end)
        .take(1_000_000)
        .collect();
    assert_eq!(got, expected, "next: {about}");
    for _ in 0..4 {
        let from = readings.start - 1 + chance.below(readings.readings.len() as u64) as i64;
        let until = from + chance.below((end - from + 1) as u64) as i64;
        let within: Vec<i64> =
            expected.iter().copied().filter(|fire| *fire > from && *fire <= until).collect();
        let (from, until) = (at(from), at(until));
        assert_eq!(timing.count(from, until), within.len() as u64, "count {from} to {until}: {about}");
        let latest = timing.latest(from, until).map(Time::seconds);
        assert_eq!(latest, within.last().copied(), "latest {from} to {until}: {about}");
    }
    expected.len()
}

#[test]
fn around_transitions_of_every_zone_all_policies_agree_with_trying_every_second() {
    println!("seed {SEED:#x}");
    let mut chance = Chance(SEED);
    let database = TimeZoneDatabase::bundled();
    let (mut zones, mut checks, mut fires) = (0, 0, 0);
    for name in zone_names() {
        let time_zone = database.get(name).expect("a bundled zone");
        let zone = Zone::lookup(name).expect("a bundled zone");
        zones += 1;
        for (transition, jump) in transitions(&time_zone, &mut chance) {
            let margin = jump.abs() + 5400;
            let readings = Readings::take(&time_zone, transition - margin, transition + margin);
            let before = readings.readings[readings.readings.len() / 2 - 1];
            for _ in 0..5 {
                let expression = chance.expression(before);
                let parsed = parse(&expression, "").expect("a valid expression");
                let oracle = Oracle::read(&expression);
                for dst in POLICIES {
                    let timing = Timing { schedule: &parsed.schedule, zone, dst, anchor: Time::EPOCH };
                    let about = format!("{expression:?} in {name}, dst {dst}, around {transition}");
                    fires += compare(&timing, &oracle, &readings, &mut chance, &about);
                    checks += 1;
                }
            }
        }
    }
    println!("{zones} zones, {checks} comparisons, {fires} fires");
    assert!(zones > 400 && checks > 40_000 && fires > 600_000);
}

/// The days on which a UTC schedule with one fire a day fires, from 1999 to 2031.
fn days_of(expression: &str) -> Vec<Date> {
    let parsed = parse(expression, "").expect("a valid expression");
    let timing =
        Timing { schedule: &parsed.schedule, zone: Zone::utc(), dst: Dst::Once, anchor: Time::EPOCH };
    let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).expect("in range");
    let instant = |date: Date| Time::from_seconds(midnight(date).as_second() - 1);
    let (from, until) = (instant(date(1999, 1, 1)), instant(date(2032, 1, 1)));
    let fires: Vec<Time> = std::iter::successors(timing.next(from), |fire| timing.next(*fire))
        .take_while(|fire| *fire <= until)
        .take(20_000)
        .collect();
    assert_eq!(timing.count(from, until), fires.len() as u64, "{expression}");
    assert_eq!(timing.latest(from, until), fires.last().copied(), "{expression}");
    let day = |fire: &Time| {
        TimeZone::UTC.to_datetime(Timestamp::from_second(fire.seconds()).expect("in range")).date()
    };
    fires.iter().map(day).collect()
}

fn every_day() -> impl Iterator<Item = Date> {
    date(1999, 1, 1).series(1.day()).take_while(|day| day.year() < 2032)
}

#[test]
fn dates_far_apart_agree_with_trying_every_day() {
    println!("seed {SEED:#x}");
    let mut chance = Chance(SEED);
    for _ in 0..300 {
        let day = match chance.below(3) {
            0 => chance.of(&["*", "?", "*/1", "*/9", "29", "31", "30,31"]).to_owned(),
            _ => chance.field(chance.0 % 31, 1, 31),
        };
        let month = match chance.below(3) {
            0 => chance.of(&["*", "feb", "*/5", "APR-jun/2"]).to_owned(),
            _ => chance.field(chance.0 % 12, 1, 12),
        };
        let weekday = chance.of(&["*", "?", "*/1", "*/2", "mon", "1,3", "sun-tue", "5/1"]);
        let expression = format!("9 8 7 {day} {month} {weekday}");
        let oracle = Oracle::read(&expression);
        let expected: Vec<Date> = every_day().filter(|day| oracle.matches_date(*day)).collect();
        assert_eq!(days_of(&expression), expected, "{expression}");
    }
}

/// The weekday nearest to a day within its month, by trying all of them.
fn nearest(day: Date) -> Date {
    (1..=day.days_in_month())
        .filter_map(|number| day.with().day(number).build().ok())
        .filter(|other| !matches!(other.weekday(), Weekday::Saturday | Weekday::Sunday))
        .min_by_key(|other| (other.day() - day.day()).abs())
        .expect("a month has weekdays")
}

#[test]
fn days_told_within_a_month_agree_with_the_date_library() {
    type Matches = fn(Date) -> bool;
    let cases: [(&str, Matches); 12] = [
        ("0 0 12 L * *", |day| day == day.last_of_month()),
        ("0 0 12 l-3 * ?", |day| day == day.last_of_month() - 3.days()),
        ("0 12 L-30 * *", |day| day.day() == 1 && day.days_in_month() == 31),
        ("0 0 12 15W * *", |day| day == nearest(day.with().day(15).build().expect("a day"))),
        ("0 12 1w * *", |day| day == nearest(day.first_of_month())),
        ("0 0 12 LW * *", |day| day == nearest(day.last_of_month())),
        ("0 0 12 31W * *", |day| day.days_in_month() == 31 && day == nearest(day.last_of_month())),
        ("0 0 12 * * 5L", |day| day.nth_weekday_of_month(-1, Weekday::Friday).is_ok_and(|last| last == day)),
        ("0 12 ? feb friL", |day| {
            day.month() == 2 && day.nth_weekday_of_month(-1, Weekday::Friday).is_ok_and(|last| last == day)
        }),
        ("0 0 12 * * mon#1", |day| {
            day.nth_weekday_of_month(1, Weekday::Monday).is_ok_and(|first| first == day)
        }),
        ("0 0 12 * * 0#5", |day| {
            day.nth_weekday_of_month(5, Weekday::Sunday).is_ok_and(|fifth| fifth == day)
        }),
        ("0 0 12 13,L 1-6 2#2,sat", |day| {
            day.month() <= 6
                && (day.day() == 13
                    || day == day.last_of_month()
                    || day.weekday() == Weekday::Saturday
                    || day.nth_weekday_of_month(2, Weekday::Tuesday).is_ok_and(|second| second == day))
        }),
    ];
    for (expression, matches) in cases {
        let expected: Vec<Date> = every_day().filter(|day| matches(*day)).collect();
        assert_eq!(days_of(expression), expected, "{expression}");
    }
}

#[test]
fn corrections_to_the_golden_table_are_what_trying_every_minute_gives() {
    let database = TimeZoneDatabase::bundled();
    for line in include_str!("data/schedule-corrections.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let zone = database.get(columns[0]).expect("a bundled zone");
        let from: i64 = columns[1].parse().expect("seconds");
        let oracle = Oracle::read(columns[2]);
        let read = |second| zone.to_datetime(Timestamp::from_second(second).expect("in range"));
        let minutes = (from / 60..).filter(|minute| {
            let reading = read(minute * 60);
            oracle.allowed[1][reading.minute() as usize]
                && oracle.allowed[2][reading.hour() as usize]
                && oracle.matches_date(reading.date())
        });
        let fires: Vec<String> = minutes
            .flat_map(|minute| minute * 60..minute * 60 + 60)
            .filter(|second| *second > from && oracle.matches(read(*second)))
            .take(6)
            .map(|second| second.to_string())
            .collect();
        assert_eq!(fires.join(","), columns[3], "{line}");
    }
}
