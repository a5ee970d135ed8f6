//! Tokens of the API as JSON. Dkron has none; the shapes are our own.

use super::go_json::Json;
use super::go_time;
use super::read::{Fields, ReadError, first_value, list, text};
use crate::app::access::{Made, Order, Shown};
use dkron_core::access::{Capability, Policy};
use dkron_core::duration::parse_duration;
use dkron_core::time::Time;
use serde_json::Value;

/// A token without its secret, which nobody knows.
pub fn token(shown: &Shown) -> Json {
    let policy = &shown.token.policy;
    let allow = policy.capabilities.iter().map(|capability| Json::text(capability.word())).collect();
    Json::object([
        ("id", Json::text(shown.id.to_string())),
        ("name", Json::text(&*shown.token.name)),
        ("allow", Json::List(allow)),
        ("jobs", Json::List(policy.jobs.iter().map(|prefix| Json::text(&**prefix)).collect())),
        ("created_at", go_time::utc(Some(shown.token.created_at))),
        ("expires_at", go_time::nullable(shown.token.expires_at)),
        ("expired", Json::Bool(shown.expired)),
    ])
}

/// A token that was just made, with its secret.
pub fn made(made: &Made) -> Json {
    match token(&made.shown) {
        Json::Object(mut pairs) => {
            pairs.push(("token".to_owned(), Json::text(&made.secret)));
            Json::Object(pairs)
        }
        other => other,
    }
}

/// `POST /v1/tokens`: `name`, `allow` (words, or `all`), `jobs` (beginnings of names), and one of `ttl` and
/// `expires_at` or neither.
///
/// # Errors
/// [`ReadError`] with the field and what is allowed.
pub fn decode_order(body: &[u8], now: Time) -> Result<Order, ReadError> {
    let Fields(fields) = first_value(body)?;
    let (mut name, mut allow, mut jobs) = (String::new(), Vec::new(), Vec::new());
    let mut expires_at = None;
    for (key, value) in fields {
        match key.as_str() {
            "name" => text("name", value, &mut name)?,
            "allow" => list("allow", value, &mut allow)?,
            "jobs" => list("jobs", value, &mut jobs)?,
            "ttl" => expires_at = ttl(value, now)?,
            "expires_at" => expires_at = end(value)?,
            // A key that is passed over could have been meant to limit the token.
            _ => {
                let allowed = "name, allow, jobs, ttl or expires_at as a key";
                return Err(ReadError::field(&key, &value, allowed));
            }
        }
    }
    let capabilities = capabilities(&allow)?;
    let jobs = jobs.into_iter().map(Into::into).collect();
    Ok(Order { name: name.into(), policy: Policy { capabilities, jobs }, expires_at })
}

fn capabilities(words: &[String]) -> Result<std::collections::BTreeSet<Capability>, ReadError> {
    if words == ["all"] {
        return Ok(Capability::ALL.into());
    }
    let read = |word: &String| {
        Capability::from_word(word).ok_or_else(|| {
            let known: Vec<&str> = Capability::ALL.into_iter().map(Capability::word).collect();
            ReadError::field(
                "allow",
                &Value::from(word.as_str()),
                format!("all, or some of {}", known.join(", ")),
            )
        })
    };
    words.iter().map(read).collect()
}

fn ttl(value: Value, now: Time) -> Result<Option<Time>, ReadError> {
    let mut word = String::new();
    text("ttl", value.clone(), &mut word)?;
    if word.is_empty() {
        return Ok(None);
    }
    let span = parse_duration(&word).ok().filter(|span| span.nanos() > 0);
    let span = span.ok_or_else(|| ReadError::field("ttl", &value, "a duration as 24h or 30m, above 0"))?;
    Ok(Some(now + span))
}

fn end(value: Value) -> Result<Option<Time>, ReadError> {
    let mut word = String::new();
    text("expires_at", value.clone(), &mut word)?;
    if word.is_empty() {
        return Ok(None);
    }
    go_time::parse(&word).map_err(|allowed| ReadError::field("expires_at", &value, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Order, String> {
        decode_order(body.as_bytes(), Time::from_seconds(100)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_order_names_what_it_allows_for_which_jobs_and_how_long() {
        let order =
            read(r#"{"name": "ci", "allow": ["read-jobs", "run-jobs"], "jobs": ["ci/"], "ttl": "1h"}"#);
        let order = order.expect("an order");
        assert_eq!(order.policy.capabilities, [Capability::ReadJobs, Capability::RunJobs].into());
        assert_eq!((order.policy.jobs.len(), order.expires_at), (1, Some(Time::from_seconds(3_700))));
        assert_eq!(read(r#"{"name": "x", "allow": ["all"]}"#).expect("an order").policy, Policy::all());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_field() {
        let said = |body: &str| read(body).expect_err("refused");
        assert!(said(r#"{"allow": ["fly"]}"#).contains("read-jobs, write-jobs"));
        assert!(said(r#"{"allow": ["all"], "job": ["x"]}"#).starts_with("job:"), "a key that limits nothing");
        assert!(said(r#"{"ttl": "0s"}"#).starts_with("ttl:"));
        assert!(said(r#"{"expires_at": "tomorrow"}"#).starts_with("expires_at:"));
    }
}
