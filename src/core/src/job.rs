//! A job as its owner writes it, and the rules that a definition must keep.
//!
//! The state holds a definition only as bytes; this typed form exists while somebody looks at it.

use crate::duration::DurationError;
use crate::limits;
use crate::schedule::{self, Dst, ScheduleError, UnknownZone, Zone};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;

/// A map of words, as tags and settings are. Sorted: the order is part of the definition's bytes.
pub type Words = BTreeMap<String, String>;

/// A job's definition: Dkron's fields, then ours.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Job {
    /// Unique among the living jobs: lower-case letters, digits, `_`, `-`.
    pub name: String,
    /// A title for people.
    pub display_name: String,
    /// IANA zone of the schedule; empty means the cluster's default zone.
    pub timezone: String,
    /// When it runs; may be empty for a job with a parent.
    pub schedule: String,
    /// Free text.
    pub owner: String,
    /// Who gets mail.
    pub owner_email: String,
    /// Whether its ticks are passed over.
    pub disabled: bool,
    /// Which nodes run it: tag to `value` or `value:count`.
    pub tags: Words,
    /// Free words, for filters.
    pub metadata: Words,
    /// Further attempts for each failed execution.
    pub retries: u32,
    /// The job whose success starts this one; empty for none.
    pub parent_job: String,
    /// What is done with the output, by processor name.
    pub processors: BTreeMap<String, Words>,
    /// What happens when it is due while it runs.
    pub concurrency: Concurrency,
    /// How it is run: `shell`, `http`, ...
    pub executor: String,
    /// The executor's settings.
    pub executor_config: Words,
    /// Whether it is deleted after its first success.
    pub ephemeral: bool,
    /// No tick before this instant.
    pub starts_at: Option<Time>,
    /// No tick after this instant.
    pub expires_at: Option<Time>,
    /// What happens to ticks that were missed.
    pub catchup: Catchup,
    /// How far back `catchup` looks.
    pub catchup_window: Option<Span>,
    /// How late an attempt may still start.
    pub start_deadline: Option<Span>,
    /// Spreads each tick over this span after its nominal time.
    pub jitter: Span,
    /// What a change of the clocks does to it.
    pub dst: Dst,
    /// The wait before each retry.
    pub backoff: Backoff,
    /// When an execution of a silent agent is given up.
    pub lost_after: Option<Span>,
}

/// What happens when a job is due while an occurrence of it is open.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Concurrency {
    /// Both run.
    #[default]
    Allow,
    /// The new one is skipped, with a record.
    Forbid,
    /// The new one waits its turn.
    Queue,
    /// The open one is cancelled; the new one runs when it has ended.
    Replace,
}

/// What happens to ticks that no leader could decide in time.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Catchup {
    /// All within the start deadline; if there is none so recent, the latest within the window.
    #[default]
    Latest,
    /// Only those within the start deadline.
    None,
    /// All within the window, oldest first, as many as [`limits::CATCHUP_STARTS_MAX`] at a time.
    All,
}

/// The wait before attempt n+1: `base * 2^(n-1)`, at most `max`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Backoff {
    /// The wait before the first retry.
    pub base: Span,
    /// The longest wait.
    pub max: Span,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { base: Span::from_seconds(1), max: Span::from_seconds(300) }
    }
}

impl Backoff {
    /// The wait after the failure of attempt `attempt` (from 1).
    pub fn wait(self, attempt: u16) -> Span {
        let doublings = u32::from(attempt.saturating_sub(1)).min(62);
        let nanos = self.base.nanos().max(0).saturating_mul(1i64.checked_shl(doublings).unwrap_or(i64::MAX));
        Span::from_nanos(nanos.min(self.max.nanos()))
    }
}

/// Why a definition is refused: the field, its value, and what is allowed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JobError {
    /// A job must have a name.
    #[error("name: name cannot be empty")]
    NameEmpty,
    /// The first character that a name may not hold.
    #[error(
        "name: name contains illegal character '{character}' in '{name}': lower-case letters, digits, '_' and '-' are allowed"
    )]
    NameCharacter {
        /// The whole name.
        name: String,
        /// The offender.
        character: char,
    },
    /// A text or map is larger than its limit.
    #[error("{field}: {size} {unit} are too many, at most {max} are allowed")]
    TooLarge {
        /// The field.
        field: String,
        /// Its size.
        size: usize,
        /// The largest size.
        max: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A text holds a NUL, which no environment variable or file name can.
    #[error("{field}: the value holds a NUL character, which is not allowed")]
    Nul {
        /// The field.
        field: String,
    },
    /// A job cannot wait for itself.
    #[error("parent_job: the job can not have itself as parent")]
    OwnParent,
    /// Neither a schedule nor a parent.
    #[error("schedule: can't parse job schedule: it is empty, which is allowed only with a parent_job")]
    ScheduleMissing,
    /// A schedule that cannot be read.
    #[error("schedule: can't parse job schedule: {0}")]
    Schedule(#[from] ScheduleError),
    /// A zone that is not in the zone data.
    #[error("timezone: {0}")]
    Timezone(#[from] UnknownZone),
    /// A word that is not one of the allowed ones.
    #[error("{field}: invalid value '{value}', allowed are {allowed}")]
    Choice {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The allowed words.
        allowed: &'static str,
    },
    /// A span that cannot be read or is out of its range.
    #[error("{field}: {problem}")]
    Span {
        /// The field.
        field: &'static str,
        /// What is wrong, with the value and what is allowed.
        problem: String,
    },
    /// `expires_at` is not after `starts_at`.
    #[error("expires_at: {expires_at} is not after starts_at {starts_at}")]
    Expired {
        /// The job's first instant.
        starts_at: Time,
        /// The job's last instant.
        expires_at: Time,
    },
}

impl JobError {
    /// A span field whose text could not be read.
    pub fn duration(field: &'static str, error: &DurationError) -> JobError {
        JobError::Span { field, problem: error.to_string() }
    }
}

macro_rules! words {
    ($type:ident, $field:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The words that this field may hold.
            pub const ALLOWED: &'static str = concat!($("\"", $word, "\" "),+);

            /// Reads the word; the error names the field, the value and the allowed words.
            pub fn parse(word: &str) -> Result<$type, JobError> {
                match word {
                    $($word => Ok($type::$variant),)+
                    _ => Err(JobError::Choice {
                        field: $field,
                        value: word.to_owned(),
                        allowed: Self::ALLOWED.trim_end(),
                    }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self { $($type::$variant => $word),+ })
            }
        }
    };
}

words!(Concurrency, "concurrency", Allow = "allow", Forbid = "forbid", Queue = "queue", Replace = "replace");
words!(Catchup, "catchup", Latest = "latest", None = "none", All = "all");

impl Job {
    /// Checks every field, in Dkron's order where it has one. Executor settings are the executor's to check.
    pub fn validate(&self) -> Result<(), JobError> {
        self.check_name()?;
        self.check_sizes()?;
        self.check_schedule()?;
        self.check_spans()
    }

    fn check_name(&self) -> Result<(), JobError> {
        if self.name.is_empty() {
            return Err(JobError::NameEmpty);
        }
        // Dkron allows Unicode's lower-case letters (category Ll); `is_lowercase` also takes a few
        // modifier letters, which have no upper case and do no harm.
        let legal = |c: char| c.is_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if let Some(character) = self.name.chars().find(|c| !legal(*c)) {
            return Err(JobError::NameCharacter { name: self.name.clone(), character });
        }
        if self.parent_job == self.name {
            return Err(JobError::OwnParent);
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), JobError> {
        let too_large = |field: &str, size: usize, max: usize, unit: &'static str| {
            (size > max).then(|| JobError::TooLarge { field: field.to_owned(), size, max, unit })
        };
        let mut problem = too_large("name", self.name.len(), limits::NAME_BYTES_MAX, "bytes")
            .or_else(|| too_large("retries", self.retries as usize, limits::RETRIES_MAX as usize, "retries"))
            .or_else(|| too_large("processors", self.processors.len(), limits::PROCESSORS_MAX, "processors"));
        let maps =
            [("tags", &self.tags), ("metadata", &self.metadata), ("executor_config", &self.executor_config)];
        let processors = self.processors.iter().map(|(name, words)| (name.as_str(), words));
        for (field, words) in maps.into_iter().chain(processors) {
            problem = problem.or_else(|| too_large(field, words.len(), limits::MAP_PAIRS_MAX, "pairs"));
            let nul = words.iter().any(|(key, value)| key.contains('\0') || value.contains('\0'));
            problem = problem.or_else(|| nul.then(|| JobError::Nul { field: field.to_owned() }));
        }
        problem = problem.or_else(|| {
            too_large("job", self.approximate_bytes(), limits::DEFINITION_BYTES_MAX - 4096, "bytes")
        });
        problem.map_or(Ok(()), Err)
    }

    /// The length of all texts, a few bytes less than the encoded definition.
    fn approximate_bytes(&self) -> usize {
        let texts = [
            &self.name,
            &self.display_name,
            &self.timezone,
            &self.schedule,
            &self.owner,
            &self.owner_email,
            &self.parent_job,
            &self.executor,
        ];
        let words =
            |words: &Words| words.iter().map(|(key, value)| key.len() + value.len() + 8).sum::<usize>();
        texts.iter().map(|text| text.len()).sum::<usize>()
            + words(&self.tags)
            + words(&self.metadata)
            + words(&self.executor_config)
            + self.processors.iter().map(|(name, settings)| name.len() + words(settings)).sum::<usize>()
    }

    fn check_schedule(&self) -> Result<(), JobError> {
        if !self.schedule.is_empty() {
            schedule::parse(&self.schedule, &self.name)?;
        } else if self.parent_job.is_empty() {
            return Err(JobError::ScheduleMissing);
        }
        if !matches!(self.timezone.as_str(), "" | "Local") {
            Zone::lookup(&self.timezone)?;
        }
        match (self.starts_at, self.expires_at) {
            (Some(starts_at), Some(expires_at)) if expires_at <= starts_at => {
                Err(JobError::Expired { starts_at, expires_at })
            }
            _ => Ok(()),
        }
    }

    /// An execution that is given up while it may still start would begin after all, beside the next attempt.
    fn lost_too_soon(&self) -> Option<JobError> {
        let deadline = self.start_deadline.unwrap_or(limits::START_DEADLINE);
        let lost_after = self.lost_after.filter(|lost_after| *lost_after < deadline)?;
        Some(JobError::Span {
            field: "lost_after",
            problem: format!(
                "{} s is less than start_deadline, {} s: an execution may start until then, so at least that is allowed",
                lost_after.seconds(),
                deadline.seconds()
            ),
        })
    }

    fn check_spans(&self) -> Result<(), JobError> {
        let range = |field: &'static str, span: Span, min: Span, max: Span| {
            (span < min || span > max).then(|| JobError::Span {
                field,
                problem: format!(
                    "{} s is out of range, allowed are {} s to {} s",
                    span.seconds(),
                    min.seconds(),
                    max.seconds()
                ),
            })
        };
        let second = Span::from_seconds(1);
        let year = Span::from_seconds(366 * 24 * 3_600);
        range("jitter", self.jitter, Span::ZERO, limits::JITTER_MAX)
            .or_else(|| range("start_deadline", self.start_deadline.unwrap_or(second), second, year))
            .or_else(|| range("catchup_window", self.catchup_window.unwrap_or(second), Span::ZERO, year))
            .or_else(|| range("lost_after", self.lost_after.unwrap_or(second), second, year))
            .or_else(|| self.lost_too_soon())
            .or_else(|| range("backoff", self.backoff.base, Span::ZERO, year))
            .or_else(|| range("backoff", self.backoff.max, self.backoff.base, year))
            .map_or(Ok(()), Err)
    }
}
