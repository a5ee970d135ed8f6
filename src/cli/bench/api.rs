//! The node's REST API as the benchmarks use it: the same door as everybody's.

use anyhow::{Context, bail, ensure};
use dkron_core::ids::JobUid;
use dkron_core::time::Time;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer may take: a restore of many thousand jobs is one answer.
const ANSWER: Duration = Duration::from_secs(300);
/// What parts a restore's form; no job holds it.
const BOUNDARY: &str = "dkron-bench-form-boundary";

/// A client of plain HTTP with a pool of connections.
pub(super) fn client() -> anyhow::Result<Client> {
    // The one TLS provider of the process; an error means that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().no_proxy().timeout(ANSWER);
    builder.build().context("the HTTP client does not start")
}

/// The API of a cluster, asked at the first of its addresses that answers.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    urls: Vec<String>,
}

/// What a job has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// One finished execution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Execution {
    /// None for one that ended without having started, as one that came too late for its agent.
    pub(super) started_at: Option<Time>,
    pub(super) finished_at: Time,
    pub(super) decided_at: Time,
}

impl Api {
    pub(super) fn new(urls: Vec<String>) -> anyhow::Result<Api> {
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Api { client: client()?, urls })
    }

    /// Asks the addresses in turn; the last problem if none answers.
    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Response> {
        let mut problem = None;
        for url in &self.urls {
            match self.client.request(method.clone(), format!("{url}{path}")).send().await {
                Ok(response) => return Ok(response),
                Err(error) => problem = Some(error),
            }
        }
        problem.map_or_else(|| bail!("no address to ask"), |error| Err(error.into()))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.ask(Method::GET, path).await.and_then(|response| expect_good(response, path))
    }

    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let body = self.get(path).await?.bytes().await?;
        serde_json::from_slice(&body).with_context(|| format!("{path}: the answer is no JSON"))
    }

    /// Whether writes are taken.
    pub(super) async fn is_ready(&self) -> bool {
        self.ask(Method::GET, "/readyz").await.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// Whether every server is well.
    pub(super) async fn is_healthy(&self) -> bool {
        self.json("/v1/operator/health").await.is_ok_and(|health| health["healthy"] == true)
    }

    /// The leader's name.
    pub(super) async fn leader(&self) -> anyhow::Result<String> {
        let leader = self.json("/v1/leader").await?;
        leader["Name"].as_str().map(str::to_owned).context("the answer names no leader")
    }

    /// Stores jobs, all or none.
    pub(super) async fn restore(&self, jobs: &[Value]) -> anyhow::Result<()> {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"jobs.json\"\r\n\r\n"
        );
        let list = serde_json::to_string(jobs).context("the jobs as JSON")?;
        let url = self.urls.first().context("no address to ask")?;
        let request = self
            .client
            .post(format!("{url}/v1/restore"))
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(format!("{head}{list}\r\n--{BOUNDARY}--\r\n"));
        let response = request.send().await?;
        let (status, body) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "storing {} jobs: {status}: {body}", jobs.len());
        Ok(())
    }

    /// Stores one job.
    pub(super) async fn store(&self, job: &Value) -> anyhow::Result<()> {
        let url = self.urls.first().context("no address to ask")?;
        let request = self.client.post(format!("{url}/v1/jobs")).body(job.to_string());
        expect_good(request.send().await?, "/v1/jobs")?.bytes().await?;
        Ok(())
    }

    /// Deletes a job.
    pub(super) async fn delete(&self, job: &str) -> anyhow::Result<()> {
        let path = format!("/v1/jobs/{job}");
        expect_good(self.ask(Method::DELETE, &path).await?, &path)?.bytes().await?;
        Ok(())
    }

    /// What the jobs whose names hold this text have done together.
    pub(super) async fn done(&self, text: &str) -> anyhow::Result<Done> {
        let jobs = self.json(&format!("/v1/jobs?q={text}")).await?;
        let sum = |key: &str| jobs.as_array().into_iter().flatten().filter_map(|job| job[key].as_u64()).sum();
        Ok(Done { succeeded: sum("success_count"), failed: sum("error_count") })
    }

    /// What one of the failed executions of these jobs said.
    pub(super) async fn complaint(&self, text: &str) -> anyhow::Result<Option<String>> {
        let jobs = self.json(&format!("/v1/jobs?q={text}")).await?;
        let failed = |job: &&Value| job["error_count"].as_u64().is_some_and(|count| count > 0);
        let Some(name) = jobs.as_array().and_then(|jobs| jobs.iter().find(failed)?["name"].as_str()) else {
            return Ok(None);
        };
        let list = self.json(&format!("/v1/jobs/{name}/executions?output_size_limit=200")).await?;
        let said =
            |one: &Value| (one["success"] == false).then(|| one["output"].as_str().map(str::to_owned))?;
        Ok(list.as_array().and_then(|list| list.iter().find_map(said)).map(|said| format!("{name}: {said}")))
    }

    /// A page of jobs.
    pub(super) async fn page(&self, start: usize, end: usize) -> anyhow::Result<()> {
        self.get(&format!("/v1/jobs?_start={start}&_end={end}")).await?.bytes().await?;
        Ok(())
    }

    /// How many executions run.
    pub(super) async fn busy(&self) -> anyhow::Result<u64> {
        total(&self.get("/v1/busy").await?)
    }

    /// A job's uid.
    pub(super) async fn uid(&self, job: &str) -> anyhow::Result<JobUid> {
        let response = self.get(&format!("/v1/jobs/{job}")).await?;
        let uid = response.headers().get("dkron-job-uid").and_then(|uid| uid.to_str().ok());
        let uid = uid.and_then(|uid| u128::from_str_radix(uid, 16).ok());
        uid.map(JobUid).with_context(|| format!("the answer on job '{job}' names no uid"))
    }

    /// A job's finished executions in the history.
    pub(super) async fn executions(&self, job: &str) -> anyhow::Result<Vec<Execution>> {
        let list = self.json(&format!("/v1/jobs/{job}/executions?output_size_limit=0")).await?;
        list.as_array().into_iter().flatten().filter_map(|one| execution(one).transpose()).collect()
    }

    /// The last entry of the log that is applied.
    pub(super) async fn applied(&self) -> anyhow::Result<u64> {
        self.json("/livez").await?["applied"].as_u64().context("/livez says nothing of `applied`")
    }

    /// The node's counters by name.
    pub(super) async fn counters(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let text = self.get("/metrics").await?.text().await?;
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter(|line| !line.starts_with('#')).filter_map(pair).collect())
    }
}

fn expect_good(response: Response, path: &str) -> anyhow::Result<Response> {
    response.error_for_status().with_context(|| format!("asking for {path}"))
}

fn total(response: &Response) -> anyhow::Result<u64> {
    let total = response.headers().get("x-total-count").and_then(|total| total.to_str().ok());
    total.and_then(|total| total.parse().ok()).context("the answer has no X-Total-Count")
}

/// An execution of the list; none for one that has not ended.
fn execution(value: &Value) -> anyhow::Result<Option<Execution>> {
    // No time at all is shown as Dkron shows it: the first instant of the year 1.
    let time = |key: &str| match value[key].as_str() {
        None => anyhow::bail!("an execution without {key}"),
        Some(text) if text.starts_with("0001-") => Ok(None),
        Some(text) => text.parse::<Time>().map(Some).with_context(|| format!("{key}: '{text}'")),
    };
    let Some(finished_at) = time("finished_at")? else { return Ok(None) };
    let decided_at = value["group"].as_i64().context("an execution without group")?;
    Ok(Some(Execution {
        started_at: time("started_at")?,
        finished_at,
        decided_at: Time::from_nanos(decided_at),
    }))
}
