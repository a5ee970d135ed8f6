//! Processors: what is done with an output when its execution's outcome is about to be committed.
//!
//! A job names them in `processors`; they run on the server that takes the outcome, in the order of their names,
//! each with the output as the one before it left it. Without `forward` Dkron's text takes the output's place.
//!
//! A processor never costs an outcome: when it fails, or takes too long, that is logged and the output stays. An
//! outcome that is told again because its commit failed is processed again, so a processor may see one twice. A
//! server that has not yet seen the execution's decision runs none.

mod files;
mod log;
mod syslog;

use crate::task;
use dkron_core::apply::Ledger;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionRef;
use dkron_core::job::Words;
use dkron_core::limits::OUTPUT_TAIL_BYTES;
use dkron_core::time::Time;
use dkron_wire::definition;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long all processors of one execution may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Executions whose processors run at a time: a disk that hangs holds no more threads than these.
const PARALLEL_MAX: usize = 8;

/// Runs processors. Cheap to clone.
#[derive(Clone)]
pub(super) struct Processors {
    places: Arc<Semaphore>,
}

/// An execution whose job has processors.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The job's name.
    pub(super) job: Arc<str>,
    /// The name of the node that ran it.
    pub(super) node: Arc<str>,
    definition: Arc<[u8]>,
}

/// One execution, as a processor sees it.
struct Piece<'a> {
    job: &'a str,
    /// Dkron's id of it, without anything that has a meaning in a path.
    id: String,
    succeeded: bool,
    output: &'a [u8],
}

impl Subject {
    /// A finished execution; none if its job has no processors, or its outcome is in the log already.
    pub(super) fn of(ledger: &Ledger, name: ExecutionRef) -> Option<Subject> {
        let state = &ledger.state;
        let occurrence = state.occurrence(name.occurrence)?;
        let execution = occurrence.executions.get(usize::from(name.ordinal))?;
        let job = state.job(occurrence.job).filter(|job| job.rules.policy.processed)?;
        if execution.attempt != name.attempt || !execution.is_live() {
            return None;
        }
        let node = state.node(execution.node)?.registration.name.clone();
        Some(Subject { job: job.name.clone(), node, definition: job.definition.clone() })
    }
}

impl Processors {
    pub(super) fn new() -> Processors {
        Processors { places: Arc::new(Semaphore::new(PARALLEL_MAX)) }
    }

    /// Has a subject's processors look at its output; the output that takes its place, if one does.
    pub(super) async fn run(&self, subject: Subject, outcome: Outcome, output: Vec<u8>) -> Option<Vec<u8>> {
        let (job, places) = (subject.job.clone(), self.places.clone());
        let work = async move {
            let place = places.acquire_owned().await.ok()?;
            let run = move || {
                let _place = place;
                process(&subject, &outcome, output)
            };
            task::blocking("processors", run).await.ok()?
        };
        match tokio::time::timeout(TIME_MAX, work).await {
            Ok(changed) => changed,
            Err(_) => {
                let seconds = TIME_MAX.as_secs();
                tracing::warn!(%job, seconds, "processors took too long: the output stays as it is");
                None
            }
        }
    }
}

/// Makes an outcome speak of another output. Our texts are shorter than a tail, but for a path of the longest
/// kind, whose end then is what is kept.
pub(super) fn replace(outcome: &mut Outcome, output: &[u8]) {
    outcome.tail = output[output.len().saturating_sub(OUTPUT_TAIL_BYTES)..].into();
    outcome.output_bytes = outcome.tail.len() as u64;
}

fn process(subject: &Subject, outcome: &Outcome, output: Vec<u8>) -> Option<Vec<u8>> {
    let job = match definition::decode(&subject.definition) {
        Ok(job) => job,
        Err(error) => {
            tracing::error!(job = %subject.job, %error, "a definition cannot be read: its processors do not run");
            return None;
        }
    };
    let mut changed = None;
    for (name, settings) in &job.processors {
        let piece = Piece {
            job: &subject.job,
            id: id(outcome, &subject.node),
            succeeded: outcome.verdict == Verdict::Succeeded,
            output: changed.as_deref().unwrap_or(&output),
        };
        match apply(name, settings, &piece) {
            Ok(_) if is_true(settings.get("forward")) => {}
            Ok(text) => changed = Some(text.into_bytes()),
            Err(error) => {
                tracing::warn!(job = %subject.job, execution = piece.id, processor = %name, %error,
                    "a processor failed: the output stays as it is");
            }
        }
    }
    changed
}

/// Runs one processor; the text that takes the output's place.
fn apply(name: &str, settings: &Words, piece: &Piece<'_>) -> io::Result<String> {
    match name {
        "log" => log::process(piece, &mut io::stdout().lock(), &mut io::stderr().lock()),
        "syslog" => syslog::process(piece, Path::new(syslog::SOCKET)),
        "files" => files::process(piece, settings.get("log_dir").map(String::as_str)),
        _ => Err(io::Error::other("there is no processor of this name")),
    }
}

/// Dkron's id, `<started ns>-<node>`; an execution that never started has the instant of its end.
fn id(outcome: &Outcome, node: &str) -> String {
    let started = outcome.started_at != Time::EPOCH;
    let at = if started { outcome.started_at } else { outcome.finished_at };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let node: String =
        node.chars().map(|letter| if plain(letter) { letter } else { '_' }).take(200).collect();
    format!("{}-{node}", at.nanos())
}

/// Go's words for true; anything else is false, as in Dkron.
fn is_true(word: Option<&String>) -> bool {
    word.is_some_and(|word| matches!(word.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

#[cfg(test)]
mod tests;
