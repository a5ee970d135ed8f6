//! Safe updates: at which edit a job must stand for a write to count. The condition goes into the log with the write,
//! so that of two writers on two servers one is refused.

use super::jobs::tagged;
use super::{Answer, Door};
use crate::api::status::Problem;
use crate::app::{Error, Kind};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use dkron_core::command::Version;
use dkron_core::ids::JobUid;

/// What `If-Match` and `If-None-Match` say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Precondition {
    /// Nothing: whatever is there.
    None,
    /// The job must be there, at any edit.
    Exists,
    /// The job must stand at one of these edits; that of no job yet is among them if it may be new.
    OneOf(Vec<Version>),
}

impl Precondition {
    /// Reads the headers of a write.
    pub(super) fn of(headers: &HeaderMap) -> Result<Precondition, Problem> {
        let matches = read(headers, header::IF_MATCH)?;
        match (matches, headers.get(header::IF_NONE_MATCH)) {
            (Some(_), Some(_)) => Err(Problem::bad_request("If-None-Match: not allowed beside If-Match")),
            (Some(precondition), None) => Ok(precondition),
            (None, None) => Ok(Precondition::None),
            (None, Some(value)) if value.as_bytes() == b"*" => {
                Ok(Precondition::OneOf(vec![Version::default()]))
            }
            (None, Some(value)) => Err(Problem::bad_request(format!(
                "If-None-Match: '{}' is not allowed, allowed is * for a job that must be new",
                String::from_utf8_lossy(value.as_bytes())
            ))),
        }
    }

    /// Makes a change of a job under this condition; what `change` is given is the edit that the log is to check.
    ///
    /// # Errors
    /// The answer to a refusal, as `told` says it; one for this condition names the edit that the job stands at.
    pub(super) async fn guard<T, Change: Future<Output = Result<T, Error>>>(
        &self,
        (door, name): (&Door, &str),
        told: fn(Error) -> Problem,
        change: impl FnOnce(Option<Version>) -> Change,
    ) -> Result<T, Answer> {
        let changed = match self.expected(door, name).await {
            Ok(expected) => change(expected).await,
            Err(error) => Err(error),
        };
        match changed {
            Ok(changed) => Ok(changed),
            Err(error) => Err(refused(door, name, told(error)).await),
        }
    }

    /// The one edit that the log is to check, given what is there now.
    ///
    /// # Errors
    /// [`Kind::Changed`] if what is there now does not fit.
    async fn expected(&self, door: &Door, name: &str) -> Result<Option<Version>, Error> {
        let versions = match self {
            Precondition::None => return Ok(None),
            Precondition::OneOf(versions) if versions.len() == 1 => return Ok(versions.first().copied()),
            Precondition::OneOf(versions) => Some(versions),
            Precondition::Exists => None,
        };
        let present = match door.app.job(name).await {
            Ok(shown) => shown.version,
            Err(error) if error.kind() == Kind::NotFound => Version::default(),
            Err(error) => return Err(error),
        };
        let fits = match versions {
            Some(versions) => versions.contains(&present),
            None => present != Version::default(),
        };
        match fits {
            true => Ok(Some(present)),
            false => Err(Error::new(Kind::Changed, format!("job '{name}' is not what If-Match asks for"))),
        }
    }
}

/// A refusal for the condition names the edit that the job stands at, if there is one.
async fn refused(door: &Door, name: &str, problem: Problem) -> Answer {
    if problem.0 != StatusCode::PRECONDITION_FAILED {
        return Err(problem);
    }
    match door.app.job(name).await {
        Ok(shown) => Ok(tagged(problem.into_response(), shown.version)),
        Err(_) => Err(problem),
    }
}

fn read(headers: &HeaderMap, name: HeaderName) -> Result<Option<Precondition>, Problem> {
    let mut versions = Vec::new();
    let mut said = false;
    for value in headers.get_all(name) {
        said = true;
        let text = String::from_utf8_lossy(value.as_bytes());
        if text.trim() == "*" {
            return Ok(Some(Precondition::Exists));
        }
        for tag in text.split(',').map(str::trim) {
            let version = read_tag(tag).ok_or_else(|| {
                Problem::bad_request(format!(
                    "If-Match: '{tag}' is not allowed, allowed is a revision as ETag gives it, * for any, or 0 for a new job"
                ))
            })?;
            versions.push(version);
        }
    }
    Ok(said.then_some(Precondition::OneOf(versions)))
}

/// What stands in a tag, with or without quotes.
fn read_tag(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    if text == "0" {
        return Some(Version::default());
    }
    let (revision, job) = text.split_once('-')?;
    Some(Version { job: JobUid::parse(job)?, revision: revision.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(pairs: &[(&'static str, &'static str)]) -> Result<Precondition, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Precondition::of(&headers).map_err(|problem| problem.1)
    }

    #[test]
    fn headers_say_at_which_edit_a_job_must_stand() {
        let new = Version::default();
        let seventh = Version { job: JobUid(1), revision: 7 };
        let tag = r#""7-00000000000000000000000000000001""#;
        assert_eq!(of(&[]), Ok(Precondition::None));
        assert_eq!(of(&[("if-match", tag)]), Ok(Precondition::OneOf(vec![seventh])));
        assert_eq!(of(&[("if-match", "0")]), Ok(Precondition::OneOf(vec![new])));
        assert_eq!(of(&[("if-none-match", "*")]), Ok(Precondition::OneOf(vec![new])));
        assert_eq!(of(&[("if-match", "*")]), Ok(Precondition::Exists));
        assert_eq!(of(&[("if-match", "0"), ("if-match", tag)]), Ok(Precondition::OneOf(vec![new, seventh])));
        for bad in [&[("if-match", "W/\"7-1\"")][..], &[("if-match", "")], &[("if-none-match", "\"7\"")]] {
            let refused = of(bad).expect_err("it is refused");
            assert!(refused.to_lowercase().starts_with(bad[0].0), "{refused}");
        }
        assert!(of(&[("if-match", tag), ("if-none-match", "*")]).is_err());
    }
}
