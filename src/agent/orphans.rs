//! Processes whose supervisor died: nobody will see how they end, but while they live they are not lost.
//!
//! A process is recognised by its number and start time, or by the execution's id in its environment, which its
//! own children carry too.

use super::supervisor::start_ticks;
use crate::executor::shell::EXECUTION_VARIABLE;
use dkron_core::ids::ExecutionId;
use dkron_core::journal::Process;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The living processes of these executions. Reads the whole process table: blocking work.
pub(super) fn alive(sought: &BTreeMap<ExecutionId, Option<Process>>) -> BTreeMap<ExecutionId, BTreeSet<u32>> {
    let mut found: BTreeMap<ExecutionId, BTreeSet<u32>> = BTreeMap::new();
    for (id, process) in sought {
        if let Some(process) = process.filter(|process| start_ticks(process.pid) == Some(process.start_ticks))
        {
            found.entry(*id).or_default().insert(process.pid);
        }
    }
    let Ok(entries) = fs::read_dir("/proc") else { return found };
    for pid in entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(id) = execution_of(pid).filter(|id| sought.contains_key(id)) {
            found.entry(id).or_default().insert(pid);
        }
    }
    found
}

/// The execution that a process belongs to, by its environment; a process that waits to be reaped has none.
fn execution_of(pid: u32) -> Option<ExecutionId> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables
        .find_map(|variable| variable.strip_prefix(EXECUTION_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    u128::from_str_radix(std::str::from_utf8(value).ok()?, 16).ok().map(ExecutionId)
}

/// Kills these processes. They were seen alive a moment ago; there is no politer way without a supervisor.
pub(super) fn kill(pids: &BTreeSet<u32>) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, Signal::KILL);
    }
}
