//! What clients send: a job, a backup, a backfill, a zone, as JSON, from the REST body to the core.

use super::engine::{Target, equal, in_proportion};
use dkron::api::rest::job_json::{JobView, SentJob, decode_job, decode_jobs, encode_job, encode_jobs};
use dkron::api::rest::wish_json::{decode_backfill, decode_zone};
use dkron_core::limits::DEFINITION_BYTES_MAX;
use dkron_core::rules::Rules;
use dkron_wire::definition;

pub(super) const TARGET: Target = Target {
    name: "jobs",
    rounds: 4_000,
    seeds: Vec::new,
    words: &[
        "null",
        "true",
        "{}",
        "[]",
        "\"\"",
        "\"name\":",
        "\"schedule\":",
        "\"@every 1s\"",
        "\"timezone\":",
        "\"jitter\":",
        "\"1h0m0.5s\"",
        "\"backoff\":",
        "\"1s..5m\"",
        "\"starts_at\":",
        "\"2262-04-11T23:47:16.854775807Z\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"tags\":{\"a\":\"b:2\"},",
        "1e30",
        "\\ud800",
        "\\u0000",
        "\"catchup\":\"all\",",
        "\"lost_after\":\"1s\",",
        "\"processors\":{\"log\":{}},",
        "\"executor\":\"http\",",
        "\"executor_config\":{\"timeout\":\"5s\"},",
        "\"from\":",
        "\"dry_run\":true",
    ],
    run,
};

fn run(bytes: &[u8]) -> Result<String, String> {
    let told = [
        decode_jobs(bytes).map(|jobs| several(bytes, &jobs)),
        decode_backfill(bytes).map(|_| Ok("a backfill".to_owned())),
        decode_zone(bytes).map(|_| Ok("a zone".to_owned())),
        decode_job(bytes).map(|sent| one(bytes, &sent)),
    ];
    let mut words = String::new();
    for told in told {
        match told {
            Ok(outcome) => words = outcome?,
            Err(error) => words = short(error.to_string())?,
        }
    }
    Ok(words)
}

/// A refusal is a line, not the whole body.
fn short(told: String) -> Result<String, String> {
    if told.len() < 40_000 { Ok(told) } else { Err(format!("a refusal of {} bytes", told.len())) }
}

fn shown(sent: &SentJob) -> Vec<u8> {
    encode_job(&stored(sent), false)
}

fn stored(sent: &SentJob) -> JobView<'_> {
    JobView { id: &sent.job.name, echo: false, next: None, dependent_jobs: &[], ..sent.echo() }
}

fn one(bytes: &[u8], sent: &SentJob) -> Result<String, String> {
    let told = shown(sent);
    in_proportion(bytes.len(), told.len())?;
    let again = decode_job(&told).map_err(|error| format!("what is shown is refused: {error}"))?;
    equal("the job shown and sent again", &sent.job, &again.job)?;
    equal("its counters", &sent.counters, &again.counters)?;
    equal("its bytes", &told, &shown(&again))?;
    let encoded = definition::encode(&sent.job);
    equal("its definition", &Ok(&sent.job), &definition::decode(&encoded).as_ref())?;
    let executor = dkron::executor::validate(&sent.job.executor, &sent.job.executor_config);
    let words = match sent.job.validate() {
        Err(error) => error.to_string(),
        Ok(()) if encoded.len() > DEFINITION_BYTES_MAX => {
            return Err(format!("a valid job has a definition of {} bytes", encoded.len()));
        }
        Ok(()) => {
            Rules::of(&sent.job).map_err(|error| format!("a valid job has no rules: {error}"))?;
            format!("valid {:?} {:?} {:?}", sent.job.concurrency, sent.job.catchup, sent.job.dst)
        }
    };
    short(format!("{words}; {}", executor.map_or_else(|error| error.to_string(), |()| "can run".to_owned())))
}

fn several(bytes: &[u8], jobs: &[SentJob]) -> Result<String, String> {
    let told = encode_jobs(jobs.iter().map(stored), false);
    in_proportion(bytes.len(), told.len())?;
    let again = decode_jobs(&told).map_err(|error| format!("a backup is refused: {error}"))?;
    let definitions = |jobs: &[SentJob]| jobs.iter().map(|sent| sent.job.clone()).collect::<Vec<_>>();
    equal("the backup put back", &definitions(jobs), &definitions(&again))?;
    Ok(format!("a backup of {}", if jobs.is_empty() { "nothing" } else { "jobs" }))
}
