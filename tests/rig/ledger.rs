//! What the jobs of a test wrote down.

use dkron_core::ledger::{Run, read_lines};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file to which jobs append.
#[derive(Clone)]
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    pub(crate) fn new(path: PathBuf) -> Ledger {
        fs::write(&path, "").expect("a ledger");
        Ledger(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// One write a line, so that writers may share the file.
    pub(crate) fn append(&self, line: &str) {
        let mut file = OpenOptions::new().append(true).open(&self.0).expect("the ledger");
        file.write_all(line.as_bytes()).expect("a line");
    }

    /// The executions so far.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let text = fs::read_to_string(&self.0).expect("the ledger");
        read_lines("node1", &text).expect("a readable ledger").runs
    }

    /// What a shell job writes before and after `work`; its output begins with its execution's id.
    pub(crate) fn noting(&self, work: &str) -> String {
        let path = self.0.display();
        format!(
            "note() {{ printf '%s %s %s %s %s %s%s\\n' \"$1\" \"$DKRON_JOB_NAME\" \"$DKRON_SCHEDULED_AT\" \
             \"$DKRON_EXECUTION_ID\" \"$DKRON_ATTEMPT\" \"$(date +%s%N)\" \"${{2:+ $2}}\" >> '{path}'; }}; \
             note start; trap 'note end $?' EXIT; echo \"$DKRON_EXECUTION_ID $DKRON_ATTEMPT\"; {work}"
        )
    }
}
