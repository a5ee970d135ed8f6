//! `/v1/jobs` and what hangs on one job.

use super::paging::paged;
use super::precondition::Precondition;
use super::query::Query;
use super::{Answer, Door, json, located, request_id};
use crate::api::rest::cursor;
use crate::api::rest::job_json::{JobView, SentJob, decode_job, decode_jobs, encode_job, encode_jobs};
use crate::api::rest::read::BODY_BYTES_MAX;
use crate::api::rest::replies::encode_restored;
use crate::api::status::Problem;
use crate::app::access::Caller;
use crate::app::jobs::{Filter, Part, Shown, Sort, Submit, Wanted};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Multipart, OriginalUri, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use dkron_core::access::Capability;
use dkron_core::command::{Scope, Version};

/// What `_sort` may say, and what it means; the first one where it says nothing.
pub(in crate::api::rest) const SORTS: [(&str, Sort); 9] = [
    ("id", Sort::Name),
    ("name", Sort::Name),
    ("displayname", Sort::DisplayName),
    ("schedule", Sort::Schedule),
    ("success_count", Sort::SuccessCount),
    ("error_count", Sort::ErrorCount),
    ("last_success", Sort::LastSuccess),
    ("last_error", Sort::LastError),
    ("next", Sort::Next),
];

pub(super) async fn list(
    State(door): State<Door>,
    (Extension(caller), OriginalUri(uri)): (Extension<Caller>, OriginalUri),
    query: Query,
) -> Answer {
    let words = SORTS.map(|(word, _)| word);
    let word = query.choice("_sort", &words)?;
    let sort = SORTS.iter().find(|(known, _)| *known == word).map(|(_, sort)| *sort).unwrap_or_default();
    let wanted = Wanted {
        filter: Filter {
            text: query.said("q").map(str::to_owned),
            prefix: query.said("job_prefix").map(str::to_owned),
            metadata: query.pairs("metadata"),
            status: query.said("status").map(str::to_owned),
            disabled: query.boolean("disabled")?,
        },
        sort,
        descending: query.get("_order") == Some("DESC"),
        part: part(&query, uri.path())?,
        caller,
    };
    let listed = door.app.jobs(wanted).await?;
    let dependents: Vec<Vec<String>> = listed.jobs.iter().map(names).collect();
    let views = listed.jobs.iter().zip(&dependents).map(|(shown, dependents)| view(shown, dependents));
    let response = super::listed(listed.total, encode_jobs(views, query.pretty()));
    let next = listed.next.filter(|_| query.get("_start").is_none() && query.get("_end").is_none());
    let next = next.map(|place| cursor::encode_jobs(query.question(uri.path()), &place));
    Ok(paged(response, &uri, next))
}

/// Dkron's `_start` and `_end`, or a page: one of the two.
fn part(query: &Query, path: &str) -> Result<Part, Problem> {
    let places = query.slice()?.places();
    let Some(limit) = query.limit()? else { return Ok(Part::Places(places)) };
    if query.said("_start").is_some() || query.said("_end").is_some() {
        return Err(Problem::bad_request("limit: not allowed beside _start and _end"));
    }
    Ok(Part::After(query.place(cursor::decode_jobs, path)?, limit))
}

pub(super) async fn get(State(door): State<Door>, Path(name): Path<String>, query: Query) -> Answer {
    Ok(answer(StatusCode::OK, &door.app.job(&name).await?, query.pretty()))
}

/// POST, PUT and PATCH: stores the job of the body, new or in place of the one of its name. A revision in
/// `If-Match` makes it a safe update.
pub(super) async fn submit(
    State(door): State<Door>,
    (Extension(caller), OriginalUri(uri)): (Extension<Caller>, OriginalUri),
    headers: HeaderMap,
    query: Query,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body.map_err(unread)?;
    let sent = decode_job(&body)
        .map_err(|error| Problem::bad_request(format!("Unable to parse payload: {error}.")))?;
    let runs = query.get("runoncreate").is_some();
    caller.may(Capability::WriteJobs, Some(&sent.job.name))?;
    if runs {
        caller.may(Capability::RunJobs, Some(&sent.job.name))?;
    }
    let put = |expected| {
        let (counters, request) = (Some(sent.counters), request_id(&headers));
        door.app.put_job(Submit { job: sent.job.clone(), counters, expected, request })
    };
    let precondition = Precondition::of(&headers)?;
    let version = match precondition.guard((&door, &sent.job.name), unstored, put).await {
        Ok(version) => version,
        Err(answer) => return answer,
    };
    if runs {
        // As Dkron: the answer is that of the store, which is done.
        let run = door.app.run_job(&sent.job.name, None).await;
        let _ =
            run.inspect_err(|error| tracing::warn!(%error, job = sent.job.name, "runoncreate runs nothing"));
    }
    let response = json(StatusCode::CREATED, encode_job(&sent.echo(), query.pretty()));
    let path = format!("{}/{}", uri.path().trim_end_matches('/'), sent.job.name);
    Ok(tagged(located(response, &path), version))
}

/// What Dkron says of a job that cannot be stored.
fn unstored(error: crate::app::Error) -> Problem {
    match error.kind() {
        crate::app::Kind::Invalid => Problem::bad_request(format!("Job validation failed: {error}.")),
        _ => error.into(),
    }
}

pub(super) async fn delete(
    State(door): State<Door>,
    Path(name): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let delete = |expected| door.app.delete_job(&name, expected);
    match Precondition::of(&headers)?.guard((&door, &name), Problem::as_dkron, delete).await {
        Ok(deleted) => Ok(answer(StatusCode::OK, &deleted, query.pretty())),
        Err(answer) => answer,
    }
}

pub(super) async fn run(
    State(door): State<Door>,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let run = door.app.run_job(&name, request_id(&headers)).await;
    let (shown, _) = run.map_err(Problem::as_dkron)?;
    Ok(located(answer(StatusCode::OK, &shown, query.pretty()), uri.path()))
}

pub(super) async fn toggle(
    State(door): State<Door>,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let toggle = |expected| door.app.toggle_job(&name, expected);
    match Precondition::of(&headers)?.guard((&door, &name), Problem::from, toggle).await {
        Ok(shown) => Ok(located(answer(StatusCode::OK, &shown, query.pretty()), uri.path())),
        Err(answer) => answer,
    }
}

pub(super) async fn hold(State(door): State<Door>, Path(name): Path<String>, query: Query) -> Answer {
    door.app.hold(Scope::Jobs(vec![name.as_str().into()])).await?;
    Ok(answer(StatusCode::OK, &door.app.job(&name).await?, query.pretty()))
}

pub(super) async fn release(State(door): State<Door>, Path(name): Path<String>, query: Query) -> Answer {
    door.app.release(Scope::Jobs(vec![name.as_str().into()])).await?;
    Ok(answer(StatusCode::OK, &door.app.job(&name).await?, query.pretty()))
}

/// A backup: the multipart field `file` holds the array of `GET /v1/jobs`. All jobs are stored, or none.
pub(super) async fn restore(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    mut form: Multipart,
) -> Answer {
    let unreadable = |error: axum::extract::multipart::MultipartError| {
        Problem(error.status(), format!("file: {}", error.body_text()))
    };
    let missing = || Problem(StatusCode::NOT_FOUND, "file: the form has no such field".to_owned());
    let backup = loop {
        let field = form.next_field().await.map_err(unreadable)?.ok_or_else(missing)?;
        if field.name() == Some("file") {
            break field.bytes().await.map_err(unreadable)?;
        }
    };
    let jobs = decode_jobs(&backup).map_err(|error| Problem::bad_request(format!("file: {error}")))?;
    for sent in &jobs {
        caller.may(Capability::WriteJobs, Some(&sent.job.name))?;
    }
    let submit = |sent: SentJob| Submit {
        job: sent.job,
        counters: Some(sent.counters),
        expected: None,
        request: None,
    };
    let names = door.app.restore(jobs.into_iter().map(submit).collect()).await?;
    let lines = names.iter().map(|name| (name.as_str(), true));
    Ok(json(StatusCode::OK, encode_restored(lines)))
}

/// A body that is refused for its size says which one is allowed.
pub(super) fn unread(error: BytesRejection) -> Problem {
    match error.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => {
            Problem(status, format!("the body is too large, at most {BODY_BYTES_MAX} bytes are allowed"))
        }
        status => Problem(status, error.body_text()),
    }
}

fn names(shown: &Shown) -> Vec<String> {
    shown.dependents.iter().map(|name| name.to_string()).collect()
}

fn view<'a>(shown: &'a Shown, dependents: &'a [String]) -> JobView<'a> {
    JobView {
        job: &shown.job,
        id: &shown.job.name,
        counters: shown.counters,
        dependent_jobs: dependents,
        next: shown.next,
        echo: false,
    }
}

fn answer(status: StatusCode, shown: &Shown, pretty: bool) -> Response {
    let mut response = tagged(json(status, encode(shown, pretty)), shown.version);
    if let Ok(uid) = HeaderValue::from_str(&shown.version.job.to_string()) {
        response.headers_mut().insert(HeaderName::from_static("dkron-job-uid"), uid);
    }
    response
}

/// A job as it is, as `GET` gives it.
pub(super) fn encode(shown: &Shown, pretty: bool) -> Vec<u8> {
    encode_job(&view(shown, &names(shown)), pretty)
}

/// The job's uid is in the tag: one that was deleted and created again has the same revisions.
pub(super) fn tagged(mut response: Response, version: Version) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}-{}\"", version.revision, version.job)) {
        response.headers_mut().insert(HeaderName::from_static("etag"), tag);
    }
    response
}
