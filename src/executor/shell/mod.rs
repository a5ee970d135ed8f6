//! `shell`: a command as a process, with Dkron's settings.
//!
//! | key | meaning |
//! |---|---|
//! | `command` | what to run |
//! | `shell` | `true`: by `/bin/sh -c`; else split into words, and run up to the first unquoted `;`, `&`, `\|`, `<`, `>` |
//! | `env` | `K=V,K2="V, with commas"`, added to the daemon's environment |
//! | `cwd` | working folder; the daemon's if empty |
//! | `payload` | base64, given on standard input |
//! | `su` | `user[:group]`, names or numbers of the node |
//! | `timeout` | a duration: killed when it runs longer |
//! | `mem_limit` | `512MB`: killed when its processes use more resident memory |
//!
//! A job finds `ENV_JOB_NAME`, `DKRON_JOB_NAME`, `DKRON_EXECUTION_ID`, `DKRON_SCHEDULED_AT`, `DKRON_ATTEMPT`
//! and `TRACEPARENT` in its environment. Success is exit status 0.

mod environment;
mod size;
mod user;
mod words;

use super::{Executor, ExecutorError, Task, Work};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dkron_core::duration::parse_duration;
use dkron_core::job::Words;
use dkron_core::journal::Place;
use dkron_core::time::Span;
use dkron_wire::supervisor::Spawn;

/// The variable by which a process of ours is recognised, whoever its parent is by then.
pub const EXECUTION_VARIABLE: &str = "DKRON_EXECUTION_ID";

/// The executor.
pub struct Shell;

impl Executor for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn place(&self) -> Place {
        Place::Runner
    }

    fn validate(&self, config: &Words) -> Result<(), ExecutorError> {
        Settings::read(config).map(drop)
    }

    fn prepare(&self, task: &Task) -> Result<Work, ExecutorError> {
        let settings = Settings::read(&task.config)?;
        let identity = match setting(&task.config, "su") {
            "" => user::Identity::default(),
            su => user::lookup(su)?,
        };
        let spawn = Spawn {
            id: task.id,
            arguments: settings.arguments.into_iter().map(String::into_bytes).collect(),
            environment: environment::of(task, settings.environment),
            directory: setting(&task.config, "cwd").as_bytes().to_vec(),
            user: identity.user,
            group: identity.group,
            input: settings.input,
            timeout: settings.timeout,
            memory_bytes_max: settings.memory_bytes_max,
            label: setting(&task.config, "command").to_owned(),
            remark: settings.remark,
        };
        Ok(Work::Process(Box::new(spawn)))
    }
}

/// The settings, read.
struct Settings {
    arguments: Vec<String>,
    remark: String,
    environment: Vec<(String, String)>,
    input: Vec<u8>,
    timeout: Option<Span>,
    memory_bytes_max: Option<u64>,
}

impl Settings {
    fn read(config: &Words) -> Result<Settings, ExecutorError> {
        let (arguments, remark) = arguments(config)?;
        Ok(Settings {
            arguments,
            remark,
            environment: environment::parse(setting(config, "env"))?,
            input: input(setting(config, "payload"))?,
            timeout: timeout(setting(config, "timeout"))?,
            memory_bytes_max: size::parse(setting(config, "mem_limit"))?,
        })
    }
}

fn setting<'a>(config: &'a Words, key: &str) -> &'a str {
    config.get(key).map_or("", String::as_str)
}

fn arguments(config: &Words) -> Result<(Vec<String>, String), ExecutorError> {
    let command = setting(config, "command");
    if is_true(setting(config, "shell")) {
        return Ok((vec!["/bin/sh".to_owned(), "-c".to_owned(), command.to_owned()], String::new()));
    }
    let missing = ExecutorError::Missing { field: "command", problem: "shell: Command missing" };
    let split =
        words::split(command).map_err(|problem| ExecutorError::invalid("command", command, problem))?;
    if split.words.is_empty() {
        return Err(missing);
    }
    let remark = split.cut.map_or(String::new(), |cut| {
        format!(
            "shell: only the part before the unquoted '{cut}' was run; set shell to \"true\" to run all of it"
        )
    });
    Ok((split.words, remark))
}

/// Go's words for true; anything else is false, as in Dkron.
fn is_true(word: &str) -> bool {
    matches!(word, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn input(payload: &str) -> Result<Vec<u8>, ExecutorError> {
    let bare: String = payload.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let refuse = |error: base64::DecodeError| {
        ExecutorError::invalid("payload", &abridged(payload), format!("not base64: {error}"))
    };
    STANDARD.decode(bare).map_err(refuse)
}

fn abridged(text: &str) -> String {
    text.chars().take(32).collect()
}

fn timeout(text: &str) -> Result<Option<Span>, ExecutorError> {
    if text.is_empty() {
        return Ok(None);
    }
    let allowed = "a duration above zero is allowed, such as \"30s\" or \"1h30m\"";
    match parse_duration(text) {
        Ok(span) if span > Span::ZERO => Ok(Some(span)),
        Ok(_) => Err(ExecutorError::invalid("timeout", text, allowed)),
        Err(error) => Err(ExecutorError::invalid("timeout", text, format!("{allowed}: {error}"))),
    }
}

#[cfg(test)]
mod tests;
