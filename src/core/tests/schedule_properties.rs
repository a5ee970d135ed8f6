//! What must hold for every schedule, zone, policy and instant, tried on arbitrary ones.

use dkron_core::schedule::{Dst, Schedule, Timing, Zone, parse, zone_names};
use dkron_core::time::{Span, Time};
use proptest::prelude::*;

/// Text that looks like one field, valid or not.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => "[0-9]{1,2}(-[0-9]{1,2})?(/[0-9])?(,[0-9]{1,2})?",
        1 => "[*?]/[1-9]",
        1 => "[0-9]{0,2}(L|W|LW|L-[0-9]|#[0-9])|(mon|TUE|feb|dec)(-(fri|nov))?(L|#2)?",
        1 => "[-+*?,/~LW#0-9a-z]{0,8}",
    ]
}

/// Text that looks like an expression, valid or not.
fn expression() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(field(), 5..=6).prop_map(|fields| fields.join(" ")),
        1 => "@(every [0-9]{1,5}(s|m|h|ms)|daily|hourly|weekly|minutely|manually|at 20[0-9]{2}-01-02T03:04:05Z)",
    ]
}

fn schedule() -> impl Strategy<Value = Schedule> {
    expression().prop_filter_map("not valid", |text| parse(&text, "job").ok().map(|parsed| parsed.schedule))
}

fn zone() -> impl Strategy<Value = Zone> {
    let names: Vec<&'static str> = zone_names().collect();
    prop::sample::select(names).prop_map(|name| Zone::lookup(name).expect("a bundled zone"))
}

fn dst() -> impl Strategy<Value = Dst> {
    prop::sample::select(vec![Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron])
}

/// Mostly of our time, sometimes any that can be written.
fn instant() -> impl Strategy<Value = Time> {
    prop_oneof![
        8 => (0..4_000_000_000_000_000_000_i64).prop_map(Time::from_nanos),
        1 => any::<i64>().prop_map(Time::from_nanos),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX])
            .prop_map(Time::from_nanos),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_next_fire_is_strictly_later_and_a_whole_second(
        schedule in schedule(), zone in zone(), dst in dst(), after in instant(), anchor in instant()
    ) {
        let timing = Timing { schedule: &schedule, zone, dst, anchor };
        if let Some(next) = timing.next(after) {
            prop_assert!(next > after);
            prop_assert_eq!(next, next.floor_second());
            prop_assert!(schedule.fires_ever());
            prop_assert_eq!(timing.next(next - Span::from_nanos(1)), Some(next));
            prop_assert_eq!(timing.latest(after, next), Some(next));
            prop_assert_eq!(timing.latest(after, next - Span::from_nanos(1)), None);
            prop_assert_eq!(timing.count(after, next), 1);
            prop_assert_eq!(timing.count(after, next - Span::from_nanos(1)), 0);
        }
    }

    #[test]
    fn the_latest_fire_and_the_count_agree_with_stepping_through_all(
        schedule in schedule(), zone in zone(), dst in dst(), after in instant(), anchor in instant(),
        steps in 1..300_usize, rest in 0..10_000_000_000_000_i64,
    ) {
        let timing = Timing { schedule: &schedule, zone, dst, anchor };
        let mut fires: Vec<Time> =
            std::iter::successors(timing.next(after), |fire| timing.next(*fire)).take(steps).collect();
        let until = fires.last().copied().unwrap_or(after) + Span::from_nanos(rest);
        while let Some(fire) = fires.last().and_then(|fire| timing.next(*fire)).filter(|fire| *fire <= until) {
            prop_assert!(Some(&fire) > fires.last());
            fires.push(fire);
        }
        prop_assert_eq!(timing.count(after, until), fires.len() as u64);
        prop_assert_eq!(timing.latest(after, until), fires.last().copied());
    }

    #[test]
    fn counts_of_adjoining_times_add_up(
        schedule in schedule(), zone in zone(), dst in dst(), anchor in instant(),
        mut cuts in prop::collection::vec(instant(), 3)
    ) {
        cuts.sort_unstable();
        let timing = Timing { schedule: &schedule, zone, dst, anchor };
        let whole = timing.count(cuts[0], cuts[2]);
        prop_assert_eq!(timing.count(cuts[0], cuts[1]) + timing.count(cuts[1], cuts[2]), whole);
        prop_assert_eq!(timing.latest(cuts[0], cuts[2]).is_some(), whole > 0);
        prop_assert_eq!(timing.count(cuts[2], cuts[0]), 0);
        prop_assert_eq!(timing.latest(cuts[2], cuts[0]), None);
    }

    #[test]
    fn policies_differ_only_by_fires_in_gaps_and_repeats(
        schedule in schedule(), zone in zone(), after in instant(), until in instant()
    ) {
        let count = |dst| Timing { schedule: &schedule, zone, dst, anchor: Time::EPOCH }.count(after, until);
        prop_assert!(count(Dst::Skip) <= count(Dst::Once));
        prop_assert!(count(Dst::Once) <= count(Dst::Both));
        prop_assert!(count(Dst::Skip) <= count(Dst::Dkron));
        prop_assert!(count(Dst::Dkron) <= count(Dst::Both));
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in prop_oneof![".{0,60}", "(TZ=|CRON_TZ=)?[ -~\t]{0,40}", expression()], name in ".{0,20}"
    ) {
        if let Err(error) = parse(&text, &name) {
            prop_assert!(error.to_string().contains("allowed") || error.to_string().contains("TZ="));
        }
    }
}
