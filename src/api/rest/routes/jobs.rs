//! `/v1/jobs` and what hangs on one job.

use super::query::Query;
use super::{Answer, Door, json, listed, located, request_id};
use crate::api::rest::job_json::{JobView, SentJob, decode_job, decode_jobs, encode_job, encode_jobs};
use crate::api::rest::read::BODY_BYTES_MAX;
use crate::api::rest::replies::encode_restored;
use crate::api::status::Problem;
use crate::app::access::Caller;
use crate::app::jobs::{Filter, Shown, Submit};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Multipart, OriginalUri, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use dkron_core::access::Capability;
use dkron_core::command::{Scope, Version};
use dkron_core::ids::JobUid;
use std::cmp::Ordering;

/// What `_sort` may say; the first one where it says nothing.
const SORTS: [&str; 9] = [
    "id",
    "name",
    "displayname",
    "schedule",
    "success_count",
    "error_count",
    "last_success",
    "last_error",
    "next",
];

pub(super) async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Answer {
    let filter = Filter {
        text: query.said("q").map(str::to_owned),
        metadata: query.pairs("metadata"),
        status: query.said("status").map(str::to_owned),
        disabled: query.boolean("disabled")?,
    };
    let (sort, slice) = (query.choice("_sort", &SORTS)?, query.slice()?);
    let descending = query.get("_order") == Some("DESC");
    // Of all jobs by name, which is what a client asks for who says nothing, only the page is looked at.
    let by_name = filter == Filter::default() && matches!(sort, "id" | "name");
    let (total, page) = if by_name && !caller.is_limited() {
        door.app.page(slice.places(), descending).await?
    } else {
        let mut jobs = door.app.jobs(filter).await?;
        jobs.retain(|shown| caller.means(&shown.job.name));
        jobs.sort_by(|one, other| compare(sort, one, other));
        if descending {
            jobs.reverse();
        }
        (jobs.len(), slice.of(jobs))
    };
    let dependents: Vec<Vec<String>> = page.iter().map(names).collect();
    let views = page.iter().zip(&dependents).map(|(shown, dependents)| view(shown, dependents));
    Ok(listed(total, encode_jobs(views, query.pretty())))
}

fn compare(sort: &str, one: &Shown, other: &Shown) -> Ordering {
    let text = |shown: &Shown| match sort {
        "displayname" => shown.job.display_name.to_lowercase(),
        "schedule" => shown.job.schedule.to_lowercase(),
        _ => String::new(),
    };
    let number = |shown: &Shown| match sort {
        "success_count" => shown.counters.success_count as i64,
        "error_count" => shown.counters.error_count as i64,
        "last_success" => shown.counters.last_success.nanos(),
        "last_error" => shown.counters.last_error.nanos(),
        "next" => shown.next.map_or(0, |next| next.nanos()),
        _ => 0,
    };
    text(one)
        .cmp(&text(other))
        .then_with(|| number(one).cmp(&number(other)))
        .then_with(|| one.job.name.cmp(&other.job.name))
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
    let expected = expected_version(&headers)?;
    let stored = door
        .app
        .put_job(Submit {
            job: sent.job.clone(),
            counters: Some(sent.counters),
            expected,
            request: request_id(&headers),
        })
        .await;
    let version = stored.map_err(|error| match error.kind() {
        crate::app::Kind::Invalid => Problem::bad_request(format!("Job validation failed: {error}.")),
        _ => error.into(),
    })?;
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

pub(super) async fn delete(State(door): State<Door>, Path(name): Path<String>, query: Query) -> Answer {
    let deleted = door.app.delete_job(&name).await.map_err(Problem::as_dkron)?;
    Ok(answer(StatusCode::OK, &deleted, query.pretty()))
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
    query: Query,
) -> Answer {
    let shown = door.app.toggle_job(&name).await?;
    Ok(located(answer(StatusCode::OK, &shown, query.pretty()), uri.path()))
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

/// The edit of a job that a client names, as `ETag` gave it, with or without quotes; `0` for no job yet.
fn expected_version(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    let Some(value) = headers.get("if-match") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let refused = || {
        Problem::bad_request(format!(
            "If-Match: '{text}' is not allowed, allowed is a revision as ETag gives it, or 0 for a new job"
        ))
    };
    match text.trim_matches('"') {
        "0" => Ok(Some(Version::default())),
        text => read_tag(text).map(Some).ok_or_else(refused),
    }
}

/// What stands in a tag.
fn read_tag(text: &str) -> Option<Version> {
    let (revision, job) = text.split_once('-')?;
    Some(Version { job: JobUid::parse(job)?, revision: revision.parse().ok()? })
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
fn tagged(mut response: Response, version: Version) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}-{}\"", version.revision, version.job)) {
        response.headers_mut().insert(HeaderName::from_static("etag"), tag);
    }
    response
}
