//! From a job to Dkron's JSON.

use super::{JobView, backoff};
use crate::api::rest::go_json::Json;
use crate::api::rest::go_time;
use dkron_core::duration::print_duration;
use dkron_core::job::{Backoff, Catchup, Job};
use dkron_core::schedule::Dst;
use dkron_core::time::{Span, Time};

/// One job as bytes; `pretty` as `?pretty` asks for.
pub fn encode_job(view: &JobView<'_>, pretty: bool) -> Vec<u8> {
    object(view).render(pretty)
}

/// A list of jobs as bytes: `[]` if there are none.
pub fn encode_jobs<'a>(views: impl IntoIterator<Item = JobView<'a>>, pretty: bool) -> Vec<u8> {
    Json::List(views.into_iter().map(|view| object(&view)).collect()).render(pretty)
}

fn object(view: &JobView<'_>) -> Json {
    let mut pairs = Vec::with_capacity(36);
    let mut put = |key: &str, value: Json| pairs.push((key.to_owned(), value));
    identity(view, &mut put);
    results(view, &mut put);
    behaviour(view, &mut put);
    ours(view.job, &mut put);
    Json::Object(pairs)
}

fn identity(view: &JobView<'_>, put: &mut impl FnMut(&str, Json)) {
    let job = view.job;
    put("id", Json::text(view.id));
    put("name", Json::text(&job.name));
    put("displayname", Json::text(&job.display_name));
    put("timezone", Json::text(&job.timezone));
    put("schedule", Json::text(&job.schedule));
    put("owner", Json::text(&job.owner));
    put("owner_email", Json::text(&job.owner_email));
}

fn results(view: &JobView<'_>, put: &mut impl FnMut(&str, Json)) {
    let ever = |time: Time| go_time::nullable(Some(time).filter(|time| *time != Time::EPOCH));
    put("success_count", Json::Number(view.counters.success_count.into()));
    put("error_count", Json::Number(view.counters.error_count.into()));
    put("last_success", ever(view.counters.last_success));
    put("last_error", ever(view.counters.last_error));
}

fn behaviour(view: &JobView<'_>, put: &mut impl FnMut(&str, Json)) {
    let job = view.job;
    put("disabled", Json::Bool(job.disabled));
    put("tags", Json::words(&job.tags));
    put("metadata", Json::words(&job.metadata));
    put("retries", Json::Number(job.retries.into()));
    put(
        "dependent_jobs",
        match view.dependent_jobs {
            [] => Json::Null,
            names => Json::List(names.iter().map(Json::text).collect()),
        },
    );
    put("parent_job", Json::text(&job.parent_job));
    put("processors", processors(view));
    put("concurrency", Json::text(job.concurrency.to_string()));
    put("executor", Json::text(&job.executor));
    put("executor_config", Json::words(&job.executor_config));
    put("status", Json::text(view.counters.status.word()));
    put("next", go_time::utc(view.next));
    put("ephemeral", Json::Bool(job.ephemeral));
    put("starts_at", go_time::nullable(job.starts_at));
    put("expires_at", go_time::nullable(job.expires_at));
}

fn processors(view: &JobView<'_>) -> Json {
    let processors = &view.job.processors;
    match processors.is_empty() && view.echo {
        true => Json::Null,
        false => {
            Json::Object(processors.iter().map(|(name, words)| (name.clone(), Json::words(words))).collect())
        }
    }
}

/// Our keys, each only where it says something else than the default.
fn ours(job: &Job, put: &mut impl FnMut(&str, Json)) {
    let duration = |span: Span| Json::text(print_duration(span));
    if job.catchup != Catchup::default() {
        put("catchup", Json::text(job.catchup.to_string()));
    }
    if let Some(window) = job.catchup_window {
        put("catchup_window", duration(window));
    }
    if let Some(deadline) = job.start_deadline {
        put("start_deadline", duration(deadline));
    }
    if job.jitter != Span::ZERO {
        put("jitter", duration(job.jitter));
    }
    if job.dst != Dst::default() {
        put("dst", Json::text(job.dst.to_string()));
    }
    if job.backoff != Backoff::default() {
        put("backoff", Json::text(backoff::print(job.backoff)));
    }
    if let Some(after) = job.lost_after {
        put("lost_after", duration(after));
    }
}
