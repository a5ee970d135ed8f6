//! What servers told over their lives, gathered while they forget: they keep only the last executions of a job.

use super::http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An execution that has ended, as the API told it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) job: String,
    /// Dkron's id, `<started ns>-<node>`.
    pub(crate) id: String,
    pub(crate) success: bool,
    pub(crate) attempt: u64,
    pub(crate) output: String,
}

/// Executions and skip records of some jobs.
#[derive(Default)]
pub(crate) struct Evidence {
    /// What is sent to servers that ask for a token.
    pub(crate) token: Option<String>,
    /// By the execution's own id, which jobs write out; of those that wrote nothing, by Dkron's.
    pub(crate) told: BTreeMap<String, Told>,
    skips: BTreeMap<String, Value>,
    /// What can never be right, however they were killed.
    pub(crate) wrong: Vec<String>,
}

impl Evidence {
    /// Asks a server for all that it still knows of these jobs. None if it was killed meanwhile or refuses.
    pub(crate) fn gather(&mut self, api: SocketAddr, jobs: &[String]) -> Option<()> {
        let token = self.token.clone();
        for job in jobs {
            let list = |what: &str| -> Option<Vec<Value>> {
                let token = token.as_deref().map(|token| ("x-dkron-token", token));
                let line = format!("GET /v1/jobs/{job}/{what}");
                let reply = http::send(api, &line, token.as_slice(), b"").ok()?;
                (reply.status == 200).then(|| reply.json())?.as_array().cloned()
            };
            self.take_executions(job, &list("executions")?);
            for skip in list("skips")? {
                self.skips.insert(format!("{job} {} {}", skip["from"], skip["decided_at"]), skip);
            }
        }
        Some(())
    }

    fn take_executions(&mut self, job: &str, executions: &[Value]) {
        let mut here = BTreeMap::new();
        for one in executions.iter().filter(|one| one["finished_at"] != "0001-01-01T00:00:00Z") {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let told = Told {
                job: job.to_owned(),
                id: text("id"),
                success: one["success"] == true,
                attempt: one["attempt"].as_u64().unwrap_or(0),
                output: text("output"),
            };
            let own = told.output.split([' ', '\n']).find(|word| is_execution_id(word));
            let key = own.map_or_else(|| format!("{job} {} {}", told.id, one["group"]), str::to_owned);
            if let Some(twice) = here.insert(key, told) {
                self.wrong.push(format!("told twice in one list: {twice:?}"));
            }
        }
        for (key, told) in here {
            match self.told.get(&key) {
                Some(before) if *before != told => {
                    self.wrong.push(format!("told first as {before:?}, then as {told:?}"));
                }
                _ => drop(self.told.insert(key, told)),
            }
        }
    }

    /// Holds a ledger against the definitions and the skip records, with the program's own command; its inputs stay in the folder.
    pub(crate) fn check(&self, folder: &Path, check: &Check<'_>) -> Value {
        let write = |name: &str, value: &Value| -> PathBuf {
            let path = folder.join(name);
            fs::write(&path, value.to_string()).expect("a file");
            path
        };
        let skips = write("skips.json", &Value::from_iter(self.skips.values().cloned()));
        let jobs = write("jobs.json", check.jobs);
        let output = Command::new(env!("CARGO_BIN_EXE_dkron"))
            .arg("check-ledger")
            .arg("--ledger")
            .arg(check.ledger)
            .arg("--jobs")
            .arg(jobs)
            .arg("--skips")
            .arg(skips)
            .args(["--from", check.from, "--until", check.until, "--output", "json"])
            .args(["--late-ms", &check.late_ms.to_string(), "--skew-ms", &check.skew_ms.to_string()])
            .args(["--nodes", "1"])
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "check-ledger: {said}");
        serde_json::from_slice(&output.stdout).expect("a report")
    }
}

/// What is to be checked.
pub(crate) struct Check<'a> {
    pub(crate) ledger: &'a Path,
    pub(crate) jobs: &'a Value,
    pub(crate) from: &'a str,
    pub(crate) until: &'a str,
    pub(crate) late_ms: u128,
    /// How far the clocks were made to differ.
    pub(crate) skew_ms: u64,
}

fn is_execution_id(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}
