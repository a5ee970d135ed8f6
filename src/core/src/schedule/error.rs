//! Why an expression is refused, in words that let its author mend it.
//!
//! Every message names the field, the value found and what is allowed there: these reach people
//! through the API, often with nothing but the message at hand.

use std::fmt;

use super::zone::UnknownZone;
use crate::duration::DurationError;

/// Why a schedule expression is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression is empty.
    #[error("schedule: the expression is empty; {FORMS}")]
    Empty,
    /// Neither six fields nor five.
    #[error("schedule {expression:?}: found {found} fields; {FORMS}")]
    FieldCount {
        /// The fields, without a zone prefix.
        expression: String,
        /// How many there are.
        found: usize,
    },
    /// A value in one of the fields.
    #[error("{field} {value:?}: {problem}; allowed: {}", field.allowed())]
    Field {
        /// Which field.
        field: Field,
        /// The item of the field's list that is wrong.
        value: String,
        /// What is wrong with it.
        problem: FieldProblem,
    },
    /// A word with `@` that does not exist.
    #[error("descriptor {value:?}: unknown; allowed: {DESCRIPTORS}, in lower case")]
    Descriptor {
        /// The word, as written.
        value: String,
    },
    /// A zone before a descriptor that has no use for one.
    #[error("descriptor {value:?}: takes no TZ= or CRON_TZ= before it; leave the zone out")]
    DescriptorZone {
        /// The descriptor, as written.
        value: String,
    },
    /// What follows `@at` is not an instant.
    #[error(
        "descriptor \"@at\" {value:?}: not an instant between 1678 and 2261; allowed: RFC 3339, as in \
         2030-01-02T15:04:05Z or 2030-01-02T15:04:05+02:00"
    )]
    At {
        /// What follows `@at `.
        value: String,
    },
    /// What follows `@every` is not a duration.
    #[error("descriptor \"@every\": {0}")]
    Every(#[from] DurationError),
    /// A zone prefix with nothing behind it.
    #[error("zone prefix {value:?}: nothing follows it; {FORMS}")]
    OnlyZone {
        /// The whole expression.
        value: String,
    },
    /// The zone of the machine, which would differ from server to server.
    #[error(
        "zone \"Local\": differs from server to server; allowed: a name of the IANA database, as in Europe/Berlin"
    )]
    LocalZone,
    /// A zone that the bundled data do not have.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
}

const FORMS: &str = "allowed: six fields (second minute hour day-of-month month day-of-week), five \
                     (without second) or a descriptor such as @daily";

const DESCRIPTORS: &str = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @minutely, \
                           @manually, @at <RFC 3339> and @every <duration>";

/// What is wrong with an item of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldProblem {
    /// Neither a number nor a name that the field knows.
    Unknown,
    /// A number outside the field's range.
    OutOfRange,
    /// A range that ends before it starts.
    Reversed,
    /// More than one `-`.
    Hyphens,
    /// More than one `/`.
    Slashes,
    /// A step of zero or one that is not a number.
    Step,
    /// An `L`, `W` or `#` that does not read.
    Special,
    /// A `~` where the job's name cannot stand in: the fields are not separated by single spaces.
    Tilde,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FieldProblem::Unknown => "not a value of this field",
            FieldProblem::OutOfRange => "out of range",
            FieldProblem::Reversed => "the range ends before it starts",
            FieldProblem::Hyphens => "more than one \"-\"",
            FieldProblem::Slashes => "more than one \"/\"",
            FieldProblem::Step => "the step is not a number of 1 or more",
            FieldProblem::Special => "not a form of L, W or #",
            FieldProblem::Tilde => "\"~\" needs the fields separated by single spaces",
        })
    }
}

/// A field of a cron expression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// 0 to 59.
    Second,
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12.
    Month,
    /// 0, Sunday, to 6.
    DayOfWeek,
}

impl Field {
    /// The field's lowest and highest value.
    pub(super) fn bounds(self) -> (u32, u32) {
        match self {
            Field::Second | Field::Minute => (0, 59),
            Field::Hour => (0, 23),
            Field::DayOfMonth => (1, 31),
            Field::Month => (1, 12),
            Field::DayOfWeek => (0, 6),
        }
    }

    /// The names that stand for values, the first for the lowest.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Field::Month => {
                &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
            }
            Field::DayOfWeek => &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
            Field::Second | Field::Minute | Field::Hour | Field::DayOfMonth => &[],
        }
    }

    fn allowed(self) -> &'static str {
        match self {
            Field::Second | Field::Minute => "0 to 59, as *, a value, a range a-b, with a step /n, or a list",
            Field::Hour => "0 to 23, as *, a value, a range a-b, with a step /n, or a list",
            Field::DayOfMonth => {
                "1 to 31, as *, a value, a range a-b, with a step /n, L, L-1 to L-30, LW, 1W to 31W, or a list"
            }
            Field::Month => "1 to 12 or jan to dec, as *, a value, a range a-b, with a step /n, or a list",
            Field::DayOfWeek => {
                "0 (Sunday) to 6 or sun to sat, as *, a value, a range a-b, with a step /n, friL (the last), \
                 fri#1 to fri#5, or a list"
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::DayOfMonth => "day of month",
            Field::Month => "month",
            Field::DayOfWeek => "day of week",
        })
    }
}
