//! Reads ledgers, definitions and skip records from files.

use crate::api::rest::job_json::decode_jobs;
use anyhow::{Context, anyhow, ensure};
use dkron_core::execution::SkipReason;
use dkron_core::ledger::{Run, Skip, Watched, Window, read_lines};
use dkron_core::time::Time;
use std::fs;
use std::path::{Path, PathBuf};

/// What all ledgers say together.
pub(super) struct Ledgers {
    pub(super) runs: Vec<Run>,
    /// How many ledgers end in a torn line.
    pub(super) torn: u64,
    /// How many ends have no start before them.
    pub(super) startless_ends: u64,
}

/// Reads files, and of directories all files in them. A ledger's name is its file's: one for each node.
pub(super) fn read_ledgers(paths: &[PathBuf]) -> anyhow::Result<Ledgers> {
    let mut ledgers = Ledgers { runs: Vec::new(), torn: 0, startless_ends: 0 };
    for path in files(paths)? {
        let bytes = fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let lines = read_lines(&name, &text).with_context(|| path.display().to_string())?;
        ledgers.runs.extend(lines.runs);
        ledgers.torn += u64::from(lines.torn);
        ledgers.startless_ends += lines.startless_ends;
    }
    Ok(ledgers)
}

fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = || format!("{}: cannot be read", path.display());
        if !fs::metadata(path).with_context(unreadable)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        for entry in fs::read_dir(path).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?.path();
            files.extend(Some(entry).filter(|entry| entry.is_file()));
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "the directories given with --ledger hold no files");
    Ok(files)
}

/// Reads the definitions; each must be there for the whole time.
pub(super) fn read_jobs(path: &Path, from: Time, until: Time) -> anyhow::Result<Vec<Watched>> {
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let jobs = decode_jobs(&bytes).with_context(|| path.display().to_string())?;
    let windows = vec![Window::exact(from, until)];
    let watched =
        jobs.into_iter().map(|sent| Watched { job: sent.job, windows: windows.clone(), anchor: None });
    Ok(watched.collect())
}

/// A skip record in a file; further keys (`count`, `blocked_by`) are ignored.
#[derive(serde::Deserialize)]
struct SkipRecord {
    job: String,
    from: String,
    to: String,
    reason: String,
    /// What was passed over: ticks where it says nothing else.
    origin: Option<String>,
}

/// Reads the skip records of ticks; those of runs by hand and of backfills say nothing about ticks.
pub(super) fn read_skips(path: &Path) -> anyhow::Result<Vec<Skip>> {
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let records: Vec<SkipRecord> =
        serde_json::from_slice(&bytes).with_context(|| format!("{}: not skip records", path.display()))?;
    let place = |index: usize| format!("{}: record {index}", path.display());
    let of_ticks = |record: &SkipRecord| record.origin.as_deref().is_none_or(|origin| origin == "schedule");
    let ticks = records.iter().enumerate().filter(|(_, record)| of_ticks(record));
    ticks.map(|(index, record)| skip(record).with_context(|| place(index))).collect()
}

fn skip(record: &SkipRecord) -> anyhow::Result<Skip> {
    let reason = SkipReason::ALL.into_iter().find(|reason| reason.to_string() == record.reason);
    let allowed = || SkipReason::ALL.map(|reason| reason.to_string()).join(", ");
    Ok(Skip {
        job: record.job.clone(),
        from: record.from.parse().context("from")?,
        to: record.to.parse().context("to")?,
        reason: reason.ok_or_else(|| anyhow!("reason: '{}', allowed are {}", record.reason, allowed()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_runs_that_were_asked_for_say_nothing_of_ticks() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("skips.json");
        let record = |origin: &str| {
            format!(
                r#"{{"job":"a","from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z","reason":"cancelled"{origin}}}"#
            )
        };
        let all = [record(""), record(r#","origin":"schedule""#), record(r#","origin":"backfill""#)];
        fs::write(&path, format!("[{}]", all.join(","))).expect("written");
        assert_eq!(read_skips(&path).expect("read").len(), 2);
    }
}
