//! Reading what stands behind the question mark. Bad values are refused by name, never guessed.

use crate::api::status::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use dkron_core::time::Time;

/// The parameters, in order, decoded.
pub(super) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Query, Problem> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs =
            pairs.map_err(|error| Problem::bad_request(format!("the query cannot be read: {error}")))?;
        Ok(Query(pairs.0))
    }
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slice {
    start: usize,
    end: usize,
}

impl Slice {
    /// Its places.
    pub(super) fn places(self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

impl Query {
    /// Whether `?pretty` stands there, whatever its value.
    pub(super) fn pretty(&self) -> bool {
        self.get("pretty").is_some()
    }

    /// The last value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a parameter, unless it is empty.
    pub(super) fn said(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// An instant in RFC 3339.
    pub(super) fn instant(&self, name: &str) -> Result<Option<Time>, Problem> {
        let parse = |value: &str| {
            let refused = || {
                format!(
                    "{name}: '{value}' is not allowed, allowed is an instant in RFC 3339, as 2026-03-01T00:00:00Z"
                )
            };
            // A plus that nobody encoded is a space here.
            let text = value.replace(' ', "+");
            text.parse().map_err(|_| Problem::bad_request(refused()))
        };
        self.said(name).map(parse).transpose()
    }

    /// `name[key]=value` pairs.
    pub(super) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let key = |full: &str| -> Option<String> {
            let inner = full.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            Some(inner.to_owned())
        };
        self.0.iter().filter_map(|(full, value)| Some((key(full)?, value.clone()))).collect()
    }

    /// A whole number from 0.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Problem> {
        let parse = |value: &str| {
            let refused = || format!("{name}: '{value}' is not allowed, allowed is a whole number from 0");
            value.parse().map_err(|_| Problem::bad_request(refused()))
        };
        self.said(name).map(parse).transpose()
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, Problem> {
        let parse = |value: &str| {
            let refused = || format!("{name}: '{value}' is not allowed, allowed are true and false");
            value.parse().map_err(|_| Problem::bad_request(refused()))
        };
        self.said(name).map(parse).transpose()
    }

    /// One of some words; the first of them if none is given.
    pub(super) fn choice<'a>(&self, name: &str, allowed: &[&'a str]) -> Result<&'a str, Problem> {
        let Some(value) = self.said(name) else { return Ok(allowed[0]) };
        let found = allowed.iter().find(|word| **word == value);
        let refused = || {
            let allowed = allowed.join(", ");
            Problem::bad_request(format!("{name}: '{value}' is not allowed, allowed are {allowed}"))
        };
        found.copied().ok_or_else(refused)
    }

    /// `_start` and `_end`, the latter exclusive.
    pub(super) fn slice(&self) -> Result<Slice, Problem> {
        let start = self.number("_start")?.unwrap_or(0);
        let end = self.number("_end")?.unwrap_or(usize::MAX);
        if start > end {
            return Err(Problem::bad_request(format!(
                "_start: {start} is not allowed, it lies after _end {end}"
            )));
        }
        Ok(Slice { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn hostile_numbers_are_refused_by_name() {
        for bad in ["-1", "1e3", "x", "99999999999999999999999"] {
            let refused = query(&[("_start", bad)]).slice().expect_err("it is refused");
            assert!(refused.1.contains("_start") && refused.1.contains(bad), "{}", refused.1);
        }
        assert!(query(&[("_start", "5"), ("_end", "4")]).slice().is_err());
        let past = query(&[("_start", "7"), ("_end", "9")]).slice().expect("it is allowed");
        assert_eq!(past.places(), 7..9);
    }

    #[test]
    fn bracketed_names_give_their_keys() {
        let found =
            query(&[("metadata[team]", "x"), ("metadata", "y"), ("metadata[a]", "b")]).pairs("metadata");
        assert_eq!(found, [("team".to_owned(), "x".to_owned()), ("a".to_owned(), "b".to_owned())]);
    }
}
