//! Why settings cannot be used: the setting, its value, what is allowed.

/// Why an executor refuses its settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExecutorError {
    /// No executor of this name.
    #[error("executor: unknown executor '{name}', this node has {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// A setting that must be there is not.
    #[error("executor_config.{field}: {problem}")]
    Missing {
        /// The setting.
        field: &'static str,
        /// What Dkron says of it.
        problem: &'static str,
    },
    /// A setting cannot be used as it stands.
    #[error("executor_config.{field}: invalid value '{value}': {allowed}")]
    Invalid {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong or what is allowed.
        allowed: String,
    },
}

impl ExecutorError {
    pub(super) fn invalid(field: &'static str, value: &str, allowed: impl Into<String>) -> ExecutorError {
        ExecutorError::Invalid { field, value: value.to_owned(), allowed: allowed.into() }
    }
}
