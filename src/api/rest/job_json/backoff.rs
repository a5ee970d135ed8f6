//! The wait before retries as one word: `10s` before each, `1s..5m` doubling from the first to the second.

use dkron_core::duration::{parse_duration, print_duration};
use dkron_core::job::{Backoff, JobError};

const FIELD: &str = "backoff";

/// Reads the word.
///
/// # Errors
/// [`JobError::Span`] with the word and what is allowed.
pub(super) fn parse(word: &str) -> Result<Backoff, JobError> {
    let (base, max) = word.split_once("..").unwrap_or((word, word));
    let span = |part: &str| parse_duration(part).map_err(|error| JobError::duration(FIELD, &error));
    Ok(Backoff { base: span(base)?, max: span(max)? })
}

/// Writes the word.
pub(super) fn print(backoff: Backoff) -> String {
    match backoff.base == backoff.max {
        true => print_duration(backoff.base),
        false => format!("{}..{}", print_duration(backoff.base), print_duration(backoff.max)),
    }
}
