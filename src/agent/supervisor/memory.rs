//! The resident memory of jobs, a job being its process group and all descendants.

use rustix::param::page_size;
use std::collections::BTreeMap;
use std::fs;

/// A process, as far as memory goes.
struct Row {
    parent: u32,
    group: u32,
    bytes: u64,
}

/// The bytes that the jobs led by these processes use, one look at the process table for all.
pub(super) fn resident(leaders: &[u32]) -> BTreeMap<u32, u64> {
    let table = table();
    let mut sums: BTreeMap<u32, u64> = leaders.iter().map(|leader| (*leader, 0)).collect();
    for (pid, row) in &table {
        let leader =
            if sums.contains_key(&row.group) { Some(row.group) } else { ancestor(&table, *pid, &sums) };
        if let Some(sum) = leader.and_then(|leader| sums.get_mut(&leader)) {
            *sum += row.bytes;
        }
    }
    sums
}

fn ancestor(table: &BTreeMap<u32, Row>, pid: u32, sums: &BTreeMap<u32, u64>) -> Option<u32> {
    let lineage = std::iter::successors(Some(pid), |pid| table.get(pid).map(|row| row.parent));
    lineage.take(64).find(|pid| sums.contains_key(pid))
}

fn table() -> BTreeMap<u32, Row> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, row(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

fn row(stat: &str) -> Option<Row> {
    let fields: Vec<&str> = fields_after_name(stat)?.collect();
    Some(Row {
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        bytes: fields.get(21)?.parse::<u64>().ok()? * page_size() as u64,
    })
}

/// The fields of a `stat` from the state on: the name before it may hold anything.
fn fields_after_name(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

/// When a process started, in the kernel's ticks since boot; none if it is gone (or waits to be reaped).
pub(in super::super) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = fields_after_name(&stat)?;
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_is_seen() {
        let own = std::process::id();
        assert!(resident(&[own])[&own] > 100_000);
        assert!(start_ticks(own).is_some());
        assert_eq!(start_ticks(u32::MAX), None);
    }
}
