//! Breaking it on purpose: servers and agents on hosts of their own, faults of all kinds drawn from a seed, jobs that
//! write down what they did, and `dkron check-ledger` as the judge. See docs/faults.md.
//!
//! Reading order: `host` and `switch` (what the kernel gives us), `cluster` (nodes on them), `plot` (what happens),
//! `work` (what must have been done all the same), then the test below.

mod chance;
mod cluster;
mod host;
mod plot;
mod switch;
mod work;

use crate::rig::patience::within;
use cluster::Cluster;
use dkron::clock;
use plot::{KINDS, Kind, Plot};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::time::Duration;
use work::Work;

/// How many faults CI has time for.
const FAULTS: usize = 64;
/// How late a tick may start: the longest fault, what it takes to notice its end, an election, a reconnection.
const LATE: Duration = Duration::from_secs(25);
/// How long it may take until all is well again, on a machine that is busy with something else.
const HEALED: Duration = Duration::from_secs(60);
/// Set for the process that was given namespaces of its own.
const INSIDE: &str = "DKRON_FAULTS_INSIDE";

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Says something now, whether the test passes or not.
fn tell(words: &str) {
    drop(writeln!(std::io::stderr(), "{words}"));
}

/// Runs a test again in namespaces of its own, as whoever is not root must. False if this process has what it needs.
fn is_done_inside(test: &str) -> bool {
    if rustix::process::geteuid().is_root() || std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let inside = |words: &[&std::ffi::OsStr]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--mount"]).args(words).env(INSIDE, "1");
        command.status().is_ok_and(|status| status.success())
    };
    if !inside(&["true".as_ref()]) {
        leave_out("this user may make no namespaces");
        return true;
    }
    let itself = std::env::current_exe().expect("this program's file");
    let words = [itself.as_os_str(), "--exact".as_ref(), test.as_ref(), "--nocapture".as_ref()];
    assert!(inside(&words), "{test} failed in namespaces of its own");
    true
}

/// A cluster on hosts of its own; none where there can be none.
fn begin(seed: u64) -> Option<Cluster> {
    Cluster::new(3, 2, seed).map_err(|error| leave_out(&error.to_string())).ok()
}

/// A test that breaks nothing proves nothing, so it is told, past the harness that hides what passes; and whoever asked
/// for faults by their number is told by a failure.
fn leave_out(missing: &str) {
    let words = format!(
        "LEFT OUT: nothing was broken, nothing is proved. No hosts for the faults: {missing}. They are network and mount \
         namespaces, joined by TUN devices: that takes root (in a container --privileged), or else user namespaces and \
         a /dev/net/tun that anybody may open, and the tools ip, mount, mkfs.ext4 and fsfreeze"
    );
    assert!(number("DKRON_FAULTS").is_none(), "{words}");
    tell(&words);
}

#[test]
fn no_tick_is_missed_doubled_early_or_silent_whatever_breaks() {
    let most = number("DKRON_FAULTS").map_or(FAULTS, |most| most as usize);
    if most == 0 {
        return tell("LEFT OUT, for DKRON_FAULTS=0: nothing was broken, nothing is proved");
    }
    if is_done_inside("faults::no_tick_is_missed_doubled_early_or_silent_whatever_breaks") {
        return;
    }
    let seed = number("DKRON_SEED").unwrap_or_else(|| clock::wall().nanos().unsigned_abs() % 1_000_000);
    tell(&format!("{most} faults; again with DKRON_SEED={seed}"));
    let Some(mut cluster) = begin(seed) else { return };
    let kinds = drawn_kinds(&cluster);
    let first = within(HEALED, || cluster.whole());
    assert!(first.is_some(), "the cluster did not form");
    let mut work = Work::begin(&cluster);
    let mut plot = Plot::new(seed, kinds);
    let (mut count, mut counts) = (0, BTreeMap::<Kind, usize>::new());
    while count < most {
        let scene = plot.next(&cluster, most - count);
        let begun = clock::monotonic();
        tell(&format!("{count:4} {} {}", clock::wall(), scene.words(&cluster)));
        work.write(&cluster, count);
        scene.play(&mut cluster);
        count += scene.faults.len();
        scene.faults.iter().for_each(|fault| *counts.entry(fault.kind).or_default() += 1);
        let healed = within(HEALED, || cluster.whole());
        assert!(healed.is_some(), "not whole again {HEALED:?} after the fault; seed {seed}");
        work.wait_for_runs_after(&cluster, clock::wall().floor_second());
        work.gather(&cluster);
        tell(&format!("     well again, {} ms in all", begun.elapsed().as_millis()));
    }
    tell(&format!("{count} faults: {counts:?}; {} daemons ended by themselves", cluster.deaths()));
    work.judge(&cluster, LATE);
}

/// All kinds, but those that only a real disk can have, and only those that are asked for.
fn drawn_kinds(cluster: &Cluster) -> Vec<Kind> {
    let mut kinds = KINDS.to_vec();
    if !cluster.has_real_disks() {
        tell("LEFT OUT: slow disks, which take root: there are no loop devices for whoever is not");
        kinds.retain(|kind| *kind != Kind::DiskSlow);
    }
    if let Ok(wanted) = std::env::var("DKRON_FAULT_KINDS") {
        kinds.retain(|kind| wanted.split(',').any(|name| name == format!("{kind:?}")));
        assert!(!kinds.is_empty(), "DKRON_FAULT_KINDS={wanted} names none of {KINDS:?}");
    }
    kinds
}
