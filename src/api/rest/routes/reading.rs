//! What every read says of itself, and what it may ask for: an index, a mode.

use super::Door;
use crate::api::status::Problem;
use crate::app::reads::{Ask, Basis, Mode, Trace};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;

const INDEX: HeaderName = HeaderName::from_static("x-dkron-index");
const LEADER: HeaderName = HeaderName::from_static("x-dkron-known-leader");
const CONTACT: HeaderName = HeaderName::from_static("x-dkron-last-contact");
const AGE: HeaderName = HeaderName::from_static("x-dkron-age");
const STALE: HeaderName = HeaderName::from_static("x-dkron-stale");
const MODE: HeaderName = HeaderName::from_static("x-dkron-consistency");
const HISTORY: HeaderName = HeaderName::from_static("x-dkron-history-index");

/// Waits for what a read asks for, and says what its answer was made from.
pub(super) async fn truthful(State(door): State<Door>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let ask = match ask(&request) {
        Ok(ask) => ask,
        Err(problem) => return problem.into_response(),
    };
    let ready = match door.app.trusted() {
        Ok(()) if reads => door.app.wait_for(ask).await,
        trusted => trusted,
    };
    // Before the use case looks, so that it is not older than told.
    let basis = door.app.basis();
    let trace = Arc::new(Trace::default());
    let mut response = match ready {
        Ok(()) => trace.follow(next.run(request)).await,
        Err(error) => Problem::from(error).into_response(),
    };
    tell(response.headers_mut(), ask, basis, &trace);
    response
}

fn tell(headers: &mut HeaderMap, ask: Ask, basis: Basis, trace: &Trace) {
    let mut number = |name: HeaderName, value: Option<u64>| {
        value.map(|value| headers.insert(name, HeaderValue::from(value)));
    };
    let millis =
        |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    number(INDEX, trace.index());
    number(CONTACT, millis(basis.contact));
    number(AGE, millis(basis.age));
    number(HISTORY, trace.history());
    let (mode, stale) = match ask.mode {
        Mode::Default => ("default", basis.is_stale()),
        Mode::Stale => ("stale", basis.is_stale()),
        Mode::Consistent => ("consistent", false),
    };
    let word = |yes: bool| HeaderValue::from_static(if yes { "true" } else { "false" });
    headers.insert(LEADER, word(basis.known_leader));
    headers.insert(STALE, word(stale || trace.history().is_some()));
    headers.insert(MODE, HeaderValue::from_static(mode));
}

/// The header `X-Dkron-Index` or `min_index`, the larger one; `consistent` or `stale`.
fn ask(request: &Request) -> Result<Ask, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let pairs = || query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let says = |name: &str| pairs().any(|(key, value)| key == name && value != "false");
    let mode = match (says("consistent"), says("stale")) {
        (true, true) => return Err(Problem::bad_request("consistent: not allowed beside stale")),
        (true, false) => Mode::Consistent,
        (false, true) => Mode::Stale,
        (false, false) => Mode::Default,
    };
    let number = |name: &str, value: &str| {
        let refused = || format!("{name}: '{value}' is not allowed, allowed is a whole number from 0");
        value.trim().parse::<u64>().map_err(|_| Problem::bad_request(refused()))
    };
    let asked = pairs().filter(|(key, value)| *key == "min_index" && !value.is_empty());
    let asked = asked.map(|(key, value)| number(key, value)).max_by_key(|index| index.as_ref().ok().copied());
    let header =
        request.headers().get(&INDEX).map(|value| number("X-Dkron-Index", value.to_str().unwrap_or("?")));
    Ok(Ask { mode, index: asked.transpose()?.max(header.transpose()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn asked(path: &str, index: Option<&str>) -> Result<Ask, String> {
        let mut request = Request::builder().uri(path);
        if let Some(index) = index {
            request = request.header("X-Dkron-Index", index);
        }
        ask(&request.body(Body::empty()).expect("a request")).map_err(|problem| problem.1)
    }

    #[test]
    fn modes_and_indexes_are_read_and_bad_ones_refused_by_name() {
        let plain = |mode, index| Ok(Ask { mode, index });
        assert_eq!(asked("/v1/jobs", None), plain(Mode::Default, None));
        assert_eq!(asked("/v1/jobs?stale", None), plain(Mode::Stale, None));
        assert_eq!(asked("/v1/jobs?a=b&consistent=true", None), plain(Mode::Consistent, None));
        assert_eq!(asked("/v1/jobs?consistent=false", None), plain(Mode::Default, None));
        assert_eq!(asked("/v1/jobs?min_index=7", Some("9")), plain(Mode::Default, Some(9)));
        assert_eq!(asked("/v1/jobs?stale&min_index=12", Some("9")), plain(Mode::Stale, Some(12)));
        for (path, index, named) in [
            ("/v1/jobs?stale&consistent", None, "consistent"),
            ("/v1/jobs?min_index=-1", None, "min_index"),
            ("/v1/jobs", Some("x"), "X-Dkron-Index"),
        ] {
            let refused = asked(path, index).expect_err("refused");
            assert!(refused.contains(named), "{refused}");
        }
    }
}
