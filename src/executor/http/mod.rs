//! `http`: a request, with Dkron's settings.
//!
//! | key | meaning |
//! |---|---|
//! | `method`, `url` | what is asked of whom |
//! | `headers` | a JSON array of `"Name: value"` |
//! | `body` | sent with any method |
//! | `timeout` | whole seconds for all of it, 30 if not given |
//! | `expectCode` | the codes that are a success, `200,206`; if empty any is, even 500, as in Dkron |
//! | `expectBody` | a regular expression that the kept end of the body must match |
//! | `debug` | if not empty, the settings are written to the output |
//! | `tlsNoVerifyPeer`, `tlsCertificateFile`, `tlsCertificateKeyFile`, `tlsRootCAsFile` | for `https` |
//!
//! The body is the output; its end is kept, all of it is counted. A request carries the execution's names:
//! `Dkron-Job`, `Dkron-Execution-Id`, `Dkron-Scheduled-At`, `Dkron-Attempt`, `Idempotency-Key`, `traceparent`.

mod clients;
mod settings;

use super::output::Output;
use super::{Answer, Executor, ExecutorError, Task, Work};
use clients::Clients;
use dkron_core::execution::Verdict;
use dkron_core::job::Words;
use dkron_core::journal::Place;
use settings::Settings;
use std::sync::Arc;

/// The executor, with its pooled connections.
#[derive(Default)]
pub struct Http {
    clients: Arc<Clients>,
}

impl Executor for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn place(&self) -> Place {
        Place::Agent
    }

    fn validate(&self, config: &Words) -> Result<(), ExecutorError> {
        settings::validate(config)
    }

    fn prepare(&self, task: &Task) -> Result<Work, ExecutorError> {
        let (settings, output) = Settings::read(task)?;
        let clients = self.clients.clone();
        Ok(Work::Call(Box::pin(run(clients, settings, output))))
    }
}

async fn run(clients: Arc<Clients>, settings: Settings, mut output: Output) -> Answer {
    let client = match clients.get(&settings.tls, &mut output).await {
        Ok(client) => client,
        Err(error) => return failed(Verdict::Failed, None, error, output),
    };
    let timeout = settings.timeout;
    let exchange = exchange(&client, &settings, &mut output);
    match tokio::time::timeout(timeout, exchange).await {
        Ok(Ok(code)) => judge(&settings, code, output),
        Ok(Err(error)) => failed(Verdict::Failed, None, chain(&error), output),
        Err(_) => {
            let error =
                format!("{} {}: no answer within {} s", settings.method, settings.url, timeout.as_secs());
            failed(Verdict::TimedOut, None, error, output)
        }
    }
}

async fn exchange(
    client: &reqwest::Client,
    settings: &Settings,
    output: &mut Output,
) -> reqwest::Result<u16> {
    let request = client
        .request(settings.method.clone(), settings.url.clone())
        .headers(settings.headers.clone())
        .body(settings.body.clone());
    let mut response = request.send().await?;
    let code = response.status().as_u16();
    while let Some(piece) = response.chunk().await? {
        output.push(&piece);
    }
    Ok(code)
}

fn judge(settings: &Settings, code: u16, output: Output) -> Answer {
    let status = Some(i32::from(code));
    if !settings.expect_codes.is_empty() && !settings.expect_codes.contains(&code) {
        let error = "received response code does not match the expected code".to_owned();
        return failed(Verdict::Failed, status, error, output);
    }
    let matches = |pattern: &regex::bytes::Regex| pattern.is_match(output.kept());
    if !settings.expect_body.as_ref().is_none_or(matches) {
        let error = "received response body did not match the expected body".to_owned();
        return failed(Verdict::Failed, status, error, output);
    }
    Answer { verdict: Verdict::Succeeded, code: status, error: String::new(), output }
}

fn failed(verdict: Verdict, code: Option<i32>, error: String, output: Output) -> Answer {
    Answer { verdict, code, error, output }
}

/// The error and its causes in one line: the cause ("connection refused") is what the owner needs.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
