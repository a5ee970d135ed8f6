//! What is wrong with the settings: all of it, each with its origin, the value and what is allowed.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it was written: a flag (`--rpc-port`) or a variable (`DKRON_RPC_PORT`).
    pub origin: String,
    /// What was written there.
    pub value: String,
    /// What is wrong with it and what is allowed.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.origin)?;
        if !self.value.is_empty() {
            write!(formatter, "'{}': ", self.value)?;
        }
        formatter.write_str(&self.problem)
    }
}

/// Everything that is wrong with the settings, in the order of the flags.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(formatter, "a setting is wrong: {one}"),
            many => {
                write!(formatter, "{} settings are wrong:", many.len())?;
                many.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
            }
        }
    }
}
