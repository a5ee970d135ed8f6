//! How much the history keeps and where: the values that its owner decides, none of them read from elsewhere.

use dkron_core::execution::HistoryRow;
use dkron_core::time::Span;
use std::path::PathBuf;

/// The rows of one log entry, in the order in which apply made them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    /// The entry's index in the log.
    pub index: u64,
    /// Its rows; none for most entries.
    pub rows: Vec<HistoryRow>,
}

/// How the room is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder, owned by this room alone.
    pub folder: PathBuf,
    /// A segment is sealed at this size: what retention drops at once, and what a restart may have to scan.
    pub segment_bytes: u32,
    /// How many entries may wait for the writer.
    pub queue: usize,
    /// What is kept.
    pub retention: Retention,
}

impl Settings {
    /// The defaults, in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Settings {
        Settings {
            folder: folder.into(),
            segment_bytes: 64 << 20,
            queue: 1_024,
            retention: Retention::default(),
        }
    }
}

/// What is kept on this server. Each bound drops the oldest first and never anything younger than what it
/// keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// Finished executions of one job (Dkron keeps 100); at least 1.
    pub runs_per_job: u32,
    /// Skip records of one job, counted apart so that skips do not push out executions; at least 1.
    pub skips_per_job: u32,
    /// Bytes of one job's finished executions, exact to one row; outputs count if they came before their
    /// rows.
    pub bytes_per_job: Option<u64>,
    /// How long rows are kept, by the later of decision and end.
    pub age: Option<Span>,
    /// Rows in all, exact to one segment.
    pub rows: Option<u64>,
    /// Bytes of rows in all, exact to one segment.
    pub bytes: Option<u64>,
    /// Bytes of outputs in all, exact to one segment.
    pub output_bytes: u64,
    /// Outputs in all: each costs about 40 bytes of memory.
    pub outputs: usize,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            runs_per_job: 100,
            skips_per_job: 100,
            bytes_per_job: None,
            age: None,
            rows: None,
            bytes: None,
            output_bytes: 4 << 30,
            outputs: 1_000_000,
        }
    }
}
