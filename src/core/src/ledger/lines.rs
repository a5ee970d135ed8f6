//! The lines of a ledger, simple enough for any job to write with `printf`.
//!
//! ```text
//! start <job> <scheduled at> <execution id> <attempt> <unix nanoseconds>
//! end <job> <scheduled at> <execution id> <attempt> <unix nanoseconds> <exit status>
//! ```
//!
//! A line without its line feed is torn: its last word may be cut, so it is left out, whatever it says.

use super::Run;
use crate::time::Time;
use std::collections::BTreeMap;

/// What stands in one ledger.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lines {
    /// The executions, in the order of their starts.
    pub runs: Vec<Run>,
    /// Whether the last line is torn.
    pub torn: bool,
    /// Ends whose start stands in no earlier line.
    pub startless_ends: u64,
}

/// A line that is neither a start nor an end, though it is whole.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "line {line}: {problem} in {text:?}; allowed are 'start JOB SCHEDULED_AT EXECUTION_ID ATTEMPT \
     UNIX_NANOSECONDS' and 'end', the same words and EXIT_STATUS"
)]
pub struct UnreadableLine {
    /// Its number, from 1.
    pub line: usize,
    /// The line, cut to a readable length.
    pub text: String,
    /// Which word is wrong.
    pub problem: String,
}

/// Reads a ledger; `node` names it in findings. Empty lines and those that start with `#` say nothing.
///
/// # Errors
/// [`UnreadableLine`] for the first whole line that is neither a start nor an end.
pub fn read_lines(node: &str, text: &str) -> Result<Lines, UnreadableLine> {
    let mut lines = Lines::default();
    let mut open: BTreeMap<(&str, u16), Vec<usize>> = BTreeMap::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else {
            lines.torn = true;
            break;
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let event = Event::parse(line).map_err(|problem| UnreadableLine {
            line: number + 1,
            text: line.chars().take(200).collect(),
            problem,
        })?;
        let key = (event.execution, event.attempt);
        match event.exit {
            None => {
                open.entry(key).or_default().push(lines.runs.len());
                lines.runs.push(event.run(node));
            }
            Some(exit) => match open.get_mut(&key).and_then(Vec::pop) {
                Some(start) => lines.runs[start].ended = Some((event.at, exit)),
                None => lines.startless_ends += 1,
            },
        }
    }
    Ok(lines)
}

struct Event<'a> {
    job: &'a str,
    scheduled_at: Time,
    execution: &'a str,
    attempt: u16,
    at: Time,
    /// None for a start.
    exit: Option<i32>,
}

impl<'a> Event<'a> {
    fn parse(line: &'a str) -> Result<Event<'a>, String> {
        let mut words = line.split(' ');
        let mut word = |what: &str| words.next().filter(|word| !word.is_empty()).ok_or(format!("no {what}"));
        let kind = word("kind")?;
        let event = Event {
            job: word("job")?,
            scheduled_at: instant(word("scheduled time")?)?,
            execution: word("execution id")?,
            attempt: number("attempt", word("attempt")?)?,
            at: Time::from_nanos(number("time", word("time")?)?),
            exit: match kind {
                "start" => None,
                "end" => Some(number("exit status", word("exit status")?)?),
                _ => return Err(format!("unknown kind {kind:?}")),
            },
        };
        match words.next() {
            None => Ok(event),
            Some(more) => Err(format!("{more:?} is too much")),
        }
    }

    fn run(&self, node: &str) -> Run {
        Run {
            job: self.job.to_owned(),
            scheduled_at: self.scheduled_at,
            execution: self.execution.to_owned(),
            attempt: self.attempt,
            node: node.to_owned(),
            started_at: self.at,
            ended: None,
        }
    }
}

fn instant(word: &str) -> Result<Time, String> {
    word.parse().map_err(|error| format!("scheduled time: {error}"))
}

fn number<T: std::str::FromStr>(what: &str, word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{what} {word:?} is not a whole number in its range"))
}
