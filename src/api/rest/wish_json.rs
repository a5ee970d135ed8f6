//! What clients ask for beyond Dkron: a backfill, another default zone. Nothing here is left to a guess: a key that
//! is not known is refused, because a misspelt `dry_run` must not run anything.

use super::go_json::Json;
use super::go_time;
use super::read::{self, Fields, ReadError};
use crate::app::zones::{Change, DefaultZone};
use dkron_core::limits::BACKFILL_MAX;
use dkron_core::time::Time;
use serde_json::Value;

/// A backfill as a client asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SentBackfill {
    /// The first instant.
    pub from: Time,
    /// The end, which is not part of it.
    pub to: Time,
    /// The most ticks that the client expects.
    pub limit: Option<usize>,
    /// Whether the ticks are only to be shown.
    pub dry_run: bool,
}

/// Another default zone as a client asks for it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SentZone {
    /// Its name.
    pub zone: String,
    /// Whether only what would change is to be told.
    pub dry_run: bool,
}

/// The body of `POST /v1/jobs/:job/backfill`.
///
/// # Errors
/// [`ReadError`] for the first thing that cannot be understood or is missing.
pub fn decode_backfill(body: &[u8]) -> Result<SentBackfill, ReadError> {
    let fields: Fields = read::first_value(body)?;
    let (mut from, mut to, mut limit, mut dry_run) = (None, None, None, false);
    for (key, value) in fields.0 {
        match key.as_str() {
            "from" => from = instant(&key, &value)?,
            "to" => to = instant(&key, &value)?,
            "limit" if value.is_null() => limit = None,
            "limit" => read::number(&key, &value, BACKFILL_MAX as u64, limit.insert(0))?,
            "dry_run" => read::boolean(&key, &value, &mut dry_run)?,
            _ => return Err(unknown(&key, &value, "from, to, limit, dry_run")),
        }
    }
    let missing = |field| ReadError::field(field, &Value::Null, INSTANT);
    let (from, to) = (from.ok_or_else(|| missing("from"))?, to.ok_or_else(|| missing("to"))?);
    Ok(SentBackfill { from, to, limit, dry_run })
}

/// The body of `PUT /v1/default-zone`.
///
/// # Errors
/// [`ReadError`] for the first thing that cannot be understood or is missing.
pub fn decode_zone(body: &[u8]) -> Result<SentZone, ReadError> {
    let fields: Fields = read::first_value(body)?;
    let mut sent = SentZone::default();
    for (key, value) in fields.0 {
        match key.as_str() {
            "zone" => read::text(&key, value, &mut sent.zone)?,
            "dry_run" => read::boolean(&key, &value, &mut sent.dry_run)?,
            _ => return Err(unknown(&key, &value, "zone, dry_run")),
        }
    }
    if sent.zone.is_empty() {
        return Err(ReadError::field("zone", &Value::Null, "the IANA name of a zone, as Europe/Berlin"));
    }
    Ok(sent)
}

const INSTANT: &str = "an instant in RFC 3339, as 2026-03-01T00:00:00Z";

fn instant(key: &str, value: &Value) -> Result<Option<Time>, ReadError> {
    let text = value.as_str().ok_or_else(|| ReadError::field(key, value, INSTANT))?;
    let time = go_time::parse(text).ok().flatten();
    time.map(Some).ok_or_else(|| ReadError::field(key, value, INSTANT))
}

fn unknown(key: &str, value: &Value, known: &str) -> ReadError {
    ReadError::field(key, value, format!("nothing under this key; the keys are {known}"))
}

/// Ticks of a job's past: those of a stretch, those that wait, or those that were called off.
pub fn encode_ticks(job: &str, ticks: &[Time], dry_run: Option<bool>, pretty: bool) -> Vec<u8> {
    let mut pairs = vec![
        ("job".to_owned(), Json::text(job)),
        ("count".to_owned(), Json::Number(ticks.len() as i128)),
        ("ticks".to_owned(), Json::List(ticks.iter().map(|tick| go_time::utc(Some(*tick))).collect())),
    ];
    pairs.extend(dry_run.map(|dry_run| ("dry_run".to_owned(), Json::Bool(dry_run))));
    Json::Object(pairs).render(pretty)
}

/// `GET /v1/default-zone`
pub fn encode_zone(zone: &DefaultZone, pretty: bool) -> Vec<u8> {
    Json::object([
        ("zone", Json::text(&*zone.zone)),
        ("zone_data", Json::text(&*zone.zone_data)),
        ("refiling", Json::Bool(zone.refiling)),
    ])
    .render(pretty)
}

/// `PUT /v1/default-zone`: how many jobs follow the default zone, how many of them change their next time, and the
/// first of these.
pub fn encode_zone_change(change: &Change, dry_run: bool, pretty: bool) -> Vec<u8> {
    let moved = change.preview.moved.iter().map(|moved| {
        Json::object([
            ("job", Json::text(&*moved.job)),
            ("before", go_time::nullable(moved.before)),
            ("after", go_time::nullable(moved.after)),
        ])
    });
    Json::object([
        ("zone", Json::text(&*change.zone)),
        ("before", Json::text(&*change.before)),
        ("jobs", Json::Number(change.preview.jobs as i128)),
        ("changed", Json::Number(change.preview.changed as i128)),
        ("moved", Json::List(moved.collect())),
        ("dry_run", Json::Bool(dry_run)),
    ])
    .render(pretty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_is_read_and_every_mistake_is_named() {
        let sent = decode_backfill(
            br#"{"from":"2026-03-01T00:00:00Z","to":"2026-03-01T02:00:00+01:00","limit":5,"dry_run":true}"#,
        );
        let from = Time::from_seconds(1_772_323_200);
        let to = Time::from_seconds(1_772_323_200 + 3_600);
        assert_eq!(sent, Ok(SentBackfill { from, to, limit: Some(5), dry_run: true }));
        let cases: [(&[u8], &str); 8] = [
            (b"{}", "from: null"),
            (br#"{"from":"2026-03-01T00:00:00Z"}"#, "to: null"),
            (br#"{"from":"soon"}"#, "from: \"soon\""),
            (br#"{"from":"0001-01-01T00:00:00Z"}"#, "from"),
            (br#"{"limit":1001}"#, "from 0 to 1000"),
            (br#"{"dry_run":"yes"}"#, "dry_run"),
            (br#"{"dryrun":true}"#, "dryrun"),
            (b"[1]", "JSON"),
        ];
        for (body, said) in cases {
            let error = decode_backfill(body).expect_err("a mistake").to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_zone_is_read_and_a_misspelt_key_is_refused() {
        assert_eq!(decode_zone(br#"{"zone":"UTC"}"#), Ok(SentZone { zone: "UTC".into(), dry_run: false }));
        for body in [&b"{}"[..], br#"{"zone":7}"#, br#"{"zone":"UTC","dry-run":true}"#] {
            assert!(decode_zone(body).is_err());
        }
    }
}
