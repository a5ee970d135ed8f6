//! The settings of a request, read and checked.

use super::super::output::Output;
use super::super::{ExecutorError, Task};
use dkron_core::job::Words;
use regex::bytes::Regex;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use std::time::Duration;

const TIMEOUT_SECONDS: u64 = 30;

/// A request to be made.
pub(super) struct Settings {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) timeout: Duration,
    pub(super) expect_codes: Vec<u16>,
    pub(super) expect_body: Option<Regex>,
    pub(super) tls: Tls,
}

/// What makes one client different from another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tls {
    pub(super) no_verify: bool,
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) roots: String,
}

impl Settings {
    /// Reads what can be read; what Dkron only warns of, this warns of in the output.
    pub(super) fn read(task: &Task) -> Result<(Settings, Output), ExecutorError> {
        let config = &task.config;
        let mut output = Output::default();
        if !setting(config, "debug").is_empty() {
            config.iter().for_each(|(key, value)| output.push_line(&format!("{key}: {value}")));
        }
        let own = headers(config).unwrap_or_else(|error| {
            output.push_line(&format!("Error: parsing headers failed: {error}"));
            HeaderMap::new()
        });
        let timeout = timeout(config).unwrap_or_else(|error| {
            output.push_line(&format!("Warning: {error}; {TIMEOUT_SECONDS} s are used"));
            Duration::from_secs(TIMEOUT_SECONDS)
        });
        let settings = Settings {
            method: method(config)?,
            url: url(config)?,
            headers: with_names(task, own),
            body: setting(config, "body").to_owned(),
            timeout,
            expect_codes: expect_codes(config)?,
            expect_body: expect_body(config)?,
            tls: Tls {
                no_verify: matches!(
                    setting(config, "tlsNoVerifyPeer"),
                    "1" | "t" | "T" | "true" | "TRUE" | "True"
                ),
                certificate: setting(config, "tlsCertificateFile").to_owned(),
                key: setting(config, "tlsCertificateKeyFile").to_owned(),
                roots: setting(config, "tlsRootCAsFile").to_owned(),
            },
        };
        Ok((settings, output))
    }
}

/// Whether a server may store these settings.
pub(super) fn validate(config: &Words) -> Result<(), ExecutorError> {
    method(config)?;
    url(config)?;
    headers(config)?;
    timeout(config)?;
    expect_codes(config)?;
    expect_body(config).map(drop)
}

fn setting<'a>(config: &'a Words, key: &str) -> &'a str {
    config.get(key).map_or("", String::as_str)
}

fn method(config: &Words) -> Result<Method, ExecutorError> {
    match setting(config, "method") {
        "" => Err(ExecutorError::Missing { field: "method", problem: "method is empty" }),
        text => Method::from_bytes(text.as_bytes()).map_err(|_| {
            ExecutorError::invalid("method", text, "an HTTP method is allowed, such as GET or POST")
        }),
    }
}

fn url(config: &Words) -> Result<Url, ExecutorError> {
    let text = setting(config, "url");
    if text.is_empty() {
        return Err(ExecutorError::Missing { field: "url", problem: "url is empty" });
    }
    let url = Url::parse(text).map_err(|error| ExecutorError::invalid("url", text, error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(ExecutorError::invalid("url", text, "http:// and https:// are allowed")),
    }
}

fn headers(config: &Words) -> Result<HeaderMap, ExecutorError> {
    let text = setting(config, "headers");
    let mut headers = HeaderMap::new();
    if text.is_empty() {
        return Ok(headers);
    }
    let refuse = |problem: String| ExecutorError::invalid("headers", text, problem);
    let lines: Vec<String> = serde_json::from_str(text)
        .map_err(|error| refuse(format!("a JSON array of \"Name: value\" is allowed: {error}")))?;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| refuse(format!("'{line}' has no ':'")))?;
        let name: HeaderName =
            name.trim().parse().map_err(|_| refuse(format!("'{name}' is no header name")))?;
        let value: HeaderValue =
            value.trim().parse().map_err(|_| refuse(format!("'{line}' is no header")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The execution's names, where the job does not set the same header itself.
fn with_names(task: &Task, mut headers: HeaderMap) -> HeaderMap {
    let id = task.id.to_string();
    for (name, value) in [
        ("dkron-job", task.job_name.to_string()),
        ("dkron-execution-id", id.clone()),
        ("dkron-scheduled-at", task.nominal.to_string()),
        ("dkron-attempt", task.attempt.to_string()),
        ("idempotency-key", id),
        ("traceparent", task.traceparent()),
    ] {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.entry(name).or_insert(value);
        }
    }
    headers
}

fn timeout(config: &Words) -> Result<Duration, ExecutorError> {
    match setting(config, "timeout") {
        "" => Ok(Duration::from_secs(TIMEOUT_SECONDS)),
        text => match text.parse() {
            Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
            _ => Err(ExecutorError::invalid("timeout", text, "whole seconds above zero are allowed")),
        },
    }
}

fn expect_codes(config: &Words) -> Result<Vec<u16>, ExecutorError> {
    let text = setting(config, "expectCode");
    let codes = text.split(',').map(str::trim).filter(|code| !code.is_empty());
    let code = |code: &str| match code.parse() {
        Ok(code @ 100..=999) => Ok(code),
        _ => Err(ExecutorError::invalid(
            "expectCode",
            text,
            "codes separated by commas are allowed: \"200,206\"",
        )),
    };
    codes.map(code).collect()
}

fn expect_body(config: &Words) -> Result<Option<Regex>, ExecutorError> {
    match setting(config, "expectBody") {
        "" => Ok(None),
        text => Regex::new(text)
            .map(Some)
            .map_err(|error| ExecutorError::invalid("expectBody", text, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pairs: &[(&str, &str)]) -> String {
        let mut config: Words = [("method", "GET"), ("url", "http://localhost/")].map(owned).into();
        config.extend(pairs.iter().copied().map(owned));
        validate(&config).expect_err("settings are bad").to_string()
    }

    fn owned((key, value): (&str, &str)) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_refusal_names_the_setting_the_value_and_what_is_allowed() {
        assert_eq!(refusal(&[("method", "")]), "executor_config.method: method is empty");
        assert_eq!(refusal(&[("url", "")]), "executor_config.url: url is empty");
        assert!(refusal(&[("url", "ftp://x")]).contains("http:// and https:// are allowed"));
        assert!(refusal(&[("headers", "no json")]).contains("a JSON array"));
        assert!(refusal(&[("headers", "[\"lonely\"]")]).contains("'lonely' has no ':'"));
        assert!(refusal(&[("timeout", "5s")]).contains("invalid value '5s': whole seconds"));
        assert!(refusal(&[("expectCode", "2xx")]).contains("codes separated by commas"));
        assert!(refusal(&[("expectBody", "(")]).contains("invalid value '('"));
    }

    #[test]
    fn a_header_value_may_hold_colons() {
        let config: Words = [owned(("headers", r#"["Referer: http://a:80/b", "X-Y:z"]"#))].into();
        let headers = headers(&config).expect("headers are good");
        assert_eq!(headers["referer"], "http://a:80/b");
        assert_eq!(headers["x-y"], "z");
    }
}
