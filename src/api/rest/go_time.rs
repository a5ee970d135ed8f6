//! Instants as Go writes them: RFC 3339 with as many decimals as needed, in UTC or in a zone, and Go's zero
//! time, which stands for "not yet" and lies in the year 1, outside of what a [`Time`] holds.

use super::go_json::Json;
use dkron_core::schedule::Zone;
use dkron_core::time::Time;
use jiff::Timestamp;

/// Go's zero time, in UTC.
pub const ZERO: &str = "0001-01-01T00:00:00Z";

/// Seconds from the epoch to Go's zero time.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// An instant in UTC, or the zero time.
pub fn utc(time: Option<Time>) -> Json {
    in_zone(time, Zone::utc())
}

/// An instant in UTC, or `null`.
pub fn nullable(time: Option<Time>) -> Json {
    time.map_or(Json::Null, |time| utc(Some(time)))
}

/// An instant as the clocks of a zone read it. The zero time too: its offset is the local mean time of
/// before there were zones, cut to minutes, as Go prints it.
pub fn in_zone(time: Option<Time>, zone: Zone) -> Json {
    let timestamp = match time {
        Some(time) => Timestamp::from_nanosecond(i128::from(time.nanos())),
        None => Timestamp::from_second(ZERO_SECONDS),
    };
    timestamp.map_or(Json::text(ZERO), |timestamp| Json::text(print(timestamp, zone)))
}

fn print(timestamp: Timestamp, zone: Zone) -> String {
    let local = timestamp.to_zoned_datetime(zone.time_zone().clone());
    let offset_seconds = local.offset().seconds();
    let reading = local.strftime("%Y-%m-%dT%H:%M:%S%.f");
    match offset_seconds / 60 {
        _ if offset_seconds == 0 => format!("{reading}Z"),
        minutes => {
            let sign = if offset_seconds < 0 { '-' } else { '+' };
            format!("{reading}{sign}{:02}:{:02}", (minutes / 60).abs(), (minutes % 60).abs())
        }
    }
}

/// Reads RFC 3339 or `YYYY-MM-DDTHH:MM` in UTC. The zero time, and all before 1678, is none.
///
/// # Errors
/// What is allowed, for a text that is neither.
pub fn parse(text: &str) -> Result<Option<Time>, &'static str> {
    const ALLOWED: &str = "RFC 3339, as in 2026-03-29T01:00:00Z, or YYYY-MM-DDTHH:MM in UTC";
    let short = text.len() == "2006-01-02T15:04".len();
    let whole = if short { format!("{text}:00Z") } else { text.to_owned() };
    let timestamp: Timestamp = whole.parse().map_err(|_| ALLOWED)?;
    match i64::try_from(timestamp.as_nanosecond()) {
        Ok(nanos) => Ok(Some(Time::from_nanos(nanos))),
        Err(_) if timestamp.as_second() < 0 => Ok(None),
        Err(_) => Err("an instant before 2262"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(time: Option<Time>, zone: &str) -> String {
        let zone = Zone::lookup(zone).expect("a zone");
        String::from_utf8(in_zone(time, zone).render(false)).expect("JSON").trim_matches('"').to_owned()
    }

    #[test]
    fn instants_have_as_many_decimals_as_needed_and_the_zones_offset() {
        let time = Time::from_nanos(1_766_197_802_000_123_456);
        assert_eq!(shown(Some(time), "Europe/Berlin"), "2025-12-20T03:30:02.000123456+01:00");
        assert_eq!(shown(Some(time), "America/New_York"), "2025-12-19T21:30:02.000123456-05:00");
        assert_eq!(shown(Some(time), "Asia/Kolkata"), "2025-12-20T08:00:02.000123456+05:30");
        assert_eq!(shown(Some(time.floor_second()), "Europe/London"), "2025-12-20T02:30:02Z");
        assert_eq!(
            shown(Some(Time::from_nanos(1_766_197_802_517_000_000)), "UTC"),
            "2025-12-20T02:30:02.517Z"
        );
    }

    #[test]
    fn the_zero_time_is_shifted_to_the_zones_local_mean_time() {
        assert_eq!(shown(None, "UTC"), ZERO);
        assert_eq!(shown(None, "Europe/Berlin"), "0001-01-01T00:53:28+00:53");
        assert_eq!(shown(None, "America/New_York"), "0000-12-31T19:03:58-04:56");
    }

    #[test]
    fn both_forms_of_instants_are_read_and_the_zero_time_is_none() {
        assert_eq!(
            parse("2025-12-20T03:30:02.5+01:00"),
            Ok(Some(Time::from_nanos(1_766_197_802_500_000_000)))
        );
        assert_eq!(parse("2025-12-20T02:30"), Ok(Some(Time::from_seconds(1_766_197_800))));
        assert_eq!(parse(ZERO), Ok(None));
        for text in ["", "tomorrow", "2025-12-20", "2025-12-20T02:30:00", "9000-01-01T00:00:00Z"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
