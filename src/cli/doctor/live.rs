//! What a running server answers to somebody without a token.

use super::{Finding, Level};
use crate::cli::wait;
use crate::client::{Access, Api};
use crate::clock;
use dkron_core::time::{Span, Time};
use reqwest::Method;
use std::path::PathBuf;

/// A server's clock in an answer is a whole second, and the answer was on its way.
const STEP: Span = Span::from_seconds(2);

pub(super) fn look(url: &str, ca_file: Option<PathBuf>) -> anyhow::Result<Vec<Finding>> {
    let api = Api::new(Access { url: url.to_owned(), ca_file, ..Access::default() })?;
    let reply = wait(api.ask(Method::GET, "/v1/jobs?_end=1", None, &[]))?;
    let mut findings = Vec::new();
    if !url.starts_with("https://") {
        findings.push(Finding {
            level: Level::Open,
            id: "api-tls",
            what: format!("{url} answers without TLS"),
            why: "whoever is on the way reads tokens, jobs and output",
            mend: "dkron tls cert create --api --dns NAME, then --http-tls-cert-file and --http-tls-key-file"
                .to_owned(),
        });
    }
    if reply.status != 401 {
        findings.push(Finding {
            level: Level::Open,
            id: "api-tokens",
            what: format!("{url} asks nobody for a token"),
            why: "whoever reaches it may run any command on all nodes",
            mend: format!("dkron token bootstrap --url {url}"),
        });
    }
    let offset = reply.date.as_deref().and_then(read_date).map(|theirs| theirs - clock::wall());
    if let Some(offset) = offset.filter(|offset| offset.nanos().unsigned_abs() > STEP.nanos().unsigned_abs())
    {
        findings.push(Finding {
            level: Level::Notice,
            id: "clock",
            what: format!(
                "the clock of {url} is {} s off from this machine's",
                offset.nanos() / 1_000_000_000
            ),
            why: "jobs run by the leader's clock, and certificates are judged by each node's own",
            mend: "timedatectl set-ntp true, on both".to_owned(),
        });
    }
    Ok(findings)
}

/// `Tue, 24 Nov 2026 13:16:47 GMT`
fn read_date(text: &str) -> Option<Time> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Time::from_seconds(time.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_clock_is_read_from_its_answer() {
        assert_eq!(read_date("Thu, 01 Jan 1970 00:01:00 GMT"), Some(Time::from_seconds(60)));
        assert_eq!(read_date("yesterday"), None);
    }
}
