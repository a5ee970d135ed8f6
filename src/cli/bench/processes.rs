//! What processes use, as Linux tells it in `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// What some processes have used since they started.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// Processor time by name of thread; what a process's reaped children used stands under `jobs`.
    pub(super) cpu: BTreeMap<String, Duration>,
    /// Bytes that went to disks.
    pub(super) written: u64,
}

impl Usage {
    /// What these processes have used so far.
    pub(super) fn of(pids: &[u32]) -> Usage {
        let mut usage = Usage::default();
        for pid in pids {
            usage.written += written(*pid);
            let children = times(&format!("/proc/{pid}/stat")).map_or(Duration::ZERO, |times| times.children);
            *usage.cpu.entry("jobs".to_owned()).or_default() += children;
            for (name, time) in threads(*pid) {
                *usage.cpu.entry(name).or_default() += time;
            }
        }
        usage
    }

    /// What was used since an earlier look.
    pub(super) fn since(&self, before: &Usage) -> Usage {
        let earlier = |name: &String| before.cpu.get(name).copied().unwrap_or_default();
        let cpu = self.cpu.iter().map(|(name, time)| (name.clone(), time.saturating_sub(earlier(name))));
        Usage { cpu: cpu.collect(), written: self.written.saturating_sub(before.written) }
    }

    /// All processor time.
    pub(super) fn total(&self) -> Duration {
        self.cpu.values().sum()
    }

    /// The busiest threads with their share of all, as one line.
    pub(super) fn shares(&self) -> String {
        let total = self.total().as_secs_f64();
        let mut shares: Vec<(f64, &str)> =
            self.cpu.iter().map(|(name, time)| (time.as_secs_f64() / total * 100.0, name.as_str())).collect();
        shares.sort_by(|one, other| other.0.total_cmp(&one.0));
        let shown = shares.iter().filter(|(share, _)| *share >= 1.0);
        shown.map(|(share, name)| format!("{name} {share:.0} %")).collect::<Vec<_>>().join(", ")
    }
}

/// The memory of processes in bytes: resident, and with shared pages counted in part.
pub(super) fn memory(pids: &[u32]) -> (u64, u64) {
    let sum = |file: &str, key: &str| pids.iter().map(|pid| kibibytes(*pid, file, key) * 1024).sum();
    (sum("status", "VmRSS:"), sum("smaps_rollup", "Pss:"))
}

/// The children of a process.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>()).collect()
}

fn kibibytes(pid: u32, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn written(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

fn threads(pid: u32) -> Vec<(String, Duration)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let one = |path: std::path::PathBuf| {
        let times = times(path.join("stat").to_str()?)?;
        Some((times.name, times.own))
    };
    threads.filter_map(|thread| one(thread.path())).collect()
}

struct Times {
    name: String,
    own: Duration,
    children: Duration,
}

/// Reads a `stat`: the name stands in brackets and may hold anything, the times are fields 14 to 17.
fn times(path: &str) -> Option<Times> {
    let text = fs::read_to_string(path).ok()?;
    let (head, rest) = text.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    let ticks: Vec<u64> = rest.split(' ').skip(11).take(4).flat_map(str::parse).collect();
    let &[user, system, children_user, children_system] = ticks.as_slice() else { return None };
    let seconds =
        |ticks: u64| Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Some(Times { name, own: seconds(user + system), children: seconds(children_user + children_system) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_threads() {
        let own = std::process::id();
        let (resident, proportional) = memory(&[own]);
        assert!(resident > 0 && proportional > 0 && proportional <= resident);
        let usage = Usage::of(&[own]);
        assert!(usage.cpu.len() >= 2, "{usage:?}");
        assert_eq!(usage.since(&usage).total(), Duration::ZERO);
    }

    #[test]
    fn a_child_is_found_at_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a child");
        let found = children(std::process::id());
        child.kill().expect("killed");
        child.wait().expect("reaped");
        assert!(found.contains(&child.id()));
    }
}
