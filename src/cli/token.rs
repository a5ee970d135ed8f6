//! `dkron token`: closes the API, makes tokens and takes them back.

use super::remote::Remote;
use super::{Failure, Output, wait};
use crate::app::access::RECOVERY_FILE;
use anyhow::{Context, anyhow};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The commands on tokens of the API.
#[derive(clap::Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Wish,
}

#[derive(Subcommand)]
enum Wish {
    /// Make the first token, which may do everything: from then on the API asks everybody for one
    Bootstrap(Plain),
    /// Make a token on a server's machine, by its data directory, where all others are lost
    Recover(Recover),
    /// Make a token
    Create(Create),
    /// List the tokens, without their secrets
    List(Plain),
    /// Show one token, or the one that is sent
    Show(Show),
    /// Take a token back
    Revoke(Revoke),
}

#[derive(clap::Args)]
struct Plain {
    #[command(flatten)]
    remote: Remote,
    /// How to print the answer
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
}

#[derive(clap::Args)]
struct Recover {
    /// The data directory of the server that --url names, which must be on this machine
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
    #[command(flatten)]
    plain: Plain,
}

#[derive(clap::Args)]
struct Create {
    /// What to call it
    #[arg(long)]
    name: String,
    /// What it allows: all, or some of read-jobs, write-jobs, run-jobs, read-executions, read-cluster,
    /// operate-cluster, manage-tokens
    #[arg(long, required = true, value_delimiter = ',', value_name = "CAPABILITY")]
    allow: Vec<String>,
    /// Only for jobs whose names begin so; may be given several times
    #[arg(long, value_name = "PREFIX")]
    jobs: Vec<String>,
    /// How long it counts, as 24h; for ever if not given
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    #[command(flatten)]
    plain: Plain,
}

#[derive(clap::Args)]
struct Show {
    /// Its id; the token that is sent if not given
    id: Option<String>,
    #[command(flatten)]
    plain: Plain,
}

#[derive(clap::Args)]
struct Revoke {
    /// Its id, as `dkron token list` shows it
    id: String,
    #[command(flatten)]
    plain: Plain,
}

impl Token {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Wish::Bootstrap(plain) => plain.make("/v1/tokens/bootstrap", None, &[], &CLOSED),
            Wish::Recover(recover) => recover.run(),
            Wish::Create(create) => create.run(),
            Wish::List(plain) => plain.print("/v1/tokens"),
            Wish::Show(Show { id: Some(id), plain }) => plain.print(&format!("/v1/tokens/{id}")),
            Wish::Show(Show { id: None, plain }) => plain.print("/v1/tokens/self"),
            Wish::Revoke(Revoke { id, plain }) => plain.revoke(&id),
        }
    }
}

/// What to do with a new token.
const KEEP: [&str; 1] = [
    "Keep it now: nobody can show it again. Send it as DKRON_API_TOKEN, 'Authorization: Bearer', or X-Dkron-Token.",
];
const CLOSED: [&str; 2] = [
    KEEP[0],
    "From now on the API of every server asks for a token. Make one for each user and program with `dkron token create`.",
];

impl Plain {
    fn print(&self, path: &str) -> Result<ExitCode, Failure> {
        let api = self.remote.api()?;
        let answer = wait(api.json(Method::GET, path, None, &[]))?;
        self.say(&answer);
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, answer: &Value) {
        match (self.output, answer) {
            (Output::Json, answer) => println!("{answer}"),
            (Output::Table, Value::Array(tokens)) => println!("{}", table(tokens)),
            (Output::Table, token) => println!("{}", page(token)),
        }
    }

    fn make(
        &self,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
        words: &[&str],
    ) -> Result<ExitCode, Failure> {
        let api = self.remote.api()?;
        let made = wait(api.json(Method::POST, path, body, headers))?;
        self.say(&made);
        if matches!(self.output, Output::Table) {
            words.iter().for_each(|word| eprintln!("{word}"));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn revoke(&self, id: &str) -> Result<ExitCode, Failure> {
        let api = self.remote.api()?;
        let revoked = wait(api.json(Method::DELETE, &format!("/v1/tokens/{id}"), None, &[]))?;
        match self.output {
            Output::Json => println!("{revoked}"),
            Output::Table => println!("revoked: {} ({id})", word(&revoked, "name")),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    fn run(self) -> Result<ExitCode, Failure> {
        let mut body = json!({"name": self.name, "allow": self.allow, "jobs": self.jobs});
        if let Some(ttl) = self.ttl {
            body["ttl"] = ttl.into();
        }
        self.plain.make("/v1/tokens", Some(&body), &[], &KEEP)
    }
}

impl Recover {
    /// Writes a word where only who has the disk can, and sends it.
    fn run(self) -> Result<ExitCode, Failure> {
        let path = self.data_dir.join(RECOVERY_FILE);
        let word = fresh_word().map_err(|error| anyhow!("the system has no random bytes: {error}"))?;
        write(&path, &word).with_context(|| format!("--data-dir: '{}' cannot be written", path.display()))?;
        let headers = [("x-dkron-recovery", word.as_str())];
        let made = self.plain.make("/v1/tokens/recover", None, &headers, &CLOSED);
        // The server takes it away; where it was not asked, nothing stays behind.
        let _ = fs::remove_file(&path);
        made
    }
}

fn fresh_word() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// For the owner of the data directory, who may be another user than the one who runs this.
fn write(path: &Path, word: &str) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(word.as_bytes())?;
    let owner = path.parent().map(fs::metadata).transpose()?;
    if let Some(owner) = owner {
        use std::os::unix::fs::MetadataExt;
        std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.sync_all()
}

fn word(token: &Value, key: &str) -> String {
    match &token[key] {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "all".to_owned(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        _ => "-".to_owned(),
    }
}

const COLUMNS: [(&str, &str); 6] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("ALLOW", "allow"),
    ("JOBS", "jobs"),
    ("EXPIRES", "expires_at"),
    ("EXPIRED", "expired"),
];

fn table(tokens: &[Value]) -> String {
    let rows: Vec<_> = tokens.iter().map(|token| COLUMNS.map(|(_, key)| word(token, key))).collect();
    super::table::table(COLUMNS.map(|(head, _)| head), &rows)
}

fn page(token: &Value) -> String {
    let keys = ["id", "name", "allow", "jobs", "created_at", "expires_at", "token"];
    let lines = keys.iter().filter(|key| !token[**key].is_null());
    lines.map(|key| format!("{key:12}{}", word(token, key))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_a_table_and_one_is_a_page_with_its_secret_only_when_it_is_new() {
        let token = json!({"id": "7f", "name": "ci", "allow": ["read-jobs", "run-jobs"], "jobs": [],
            "created_at": "2026-01-01T00:00:00Z", "expires_at": null, "expired": false});
        let lines = table(std::slice::from_ref(&token));
        assert_eq!(
            lines,
            "ID  NAME  ALLOW               JOBS  EXPIRES  EXPIRED\n7f  ci    read-jobs,run-jobs  all   -        no"
        );
        assert!(!page(&token).contains("token"));
        let mut made = token;
        made["token"] = "dkron_1".into();
        assert!(page(&made).ends_with("token       dkron_1"));
    }
}
