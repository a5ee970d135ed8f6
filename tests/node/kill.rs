//! kill -9 at any moment, round after round; then the jobs' own ledger says whether a tick was lost or doubled.
//!
//! `KILL_ROUNDS` and `KILL_SEED` ask for more rounds and for a seed again. The seed settles when the node is killed,
//! not what the machine does meanwhile.

use super::harness::Node;
use super::workload::{self, BY_HAND};
use crate::rig::evidence::{Check, Evidence};
use crate::rig::http::{self, Reply};
use crate::rig::ledger::Ledger;
use crate::rig::patience::{PATIENCE, eventually, within};
use crate::rig::sink;
use dkron::clock;
use dkron_core::time::{Span, Time};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// The longest that a node lives in a round.
const LIFE_MS: u64 = 1_500;
/// A node that lived less may not have started all that was due.
const USEFUL_LIFE: Duration = Duration::from_millis(500);
/// How late a tick may start beyond the time in which there was no node.
const LATE_MS: u128 = 1_000;

/// A generator of which the seed says all (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The longest time without a useful node.
struct Downtime {
    down_since: Option<Instant>,
    up_since: Instant,
    longest: Duration,
}

impl Downtime {
    fn killed(&mut self, at: Instant) {
        let useful = at.duration_since(self.up_since) >= USEFUL_LIFE;
        if self.down_since.is_none() || useful {
            self.close(self.up_since);
            self.down_since = Some(at);
        }
    }

    fn close(&mut self, at: Instant) {
        if let Some(since) = self.down_since.take() {
            self.longest = self.longest.max(at.saturating_duration_since(since));
        }
    }
}

/// How long this machine itself takes for what a start costs: lateness that is not the node's.
struct Weather {
    stop: Arc<AtomicBool>,
    worst_ms: Arc<AtomicU64>,
}

impl Weather {
    fn watch() -> Weather {
        let weather = Weather { stop: Arc::default(), worst_ms: Arc::default() };
        let (stop, worst) = (weather.stop.clone(), weather.worst_ms.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let start = clock::monotonic();
                sleep(Duration::from_millis(50));
                let _ = Command::new("sh").args(["-c", "date +%s%N"]).stdout(Stdio::null()).status();
                let took = start.elapsed().saturating_sub(Duration::from_millis(50));
                worst.fetch_max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        weather
    }
}

impl Drop for Weather {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A node under fire and what is known of it.
struct Loop {
    node: Node,
    dice: Dice,
    evidence: Evidence,
    downtime: Downtime,
    ledger: Ledger,
    hand_ledger: Ledger,
    jobs: Vec<String>,
    from: Time,
    /// Runs by hand that were asked for; all but perhaps the last were acknowledged.
    asked: u64,
    acknowledged: u64,
}

impl Loop {
    fn start(seed: u64) -> Loop {
        let node = Node::start();
        let ledger = Ledger::new(node.folder().join("ledger"));
        let hand_ledger = Ledger::new(node.folder().join("hand-ledger"));
        let jobs = workload::scheduled(&ledger, sink::start(ledger.clone()));
        jobs.iter().for_each(|job| node.store(job));
        node.store(&workload::by_hand(&hand_ledger));
        let name = |job: &Value| job["name"].as_str().expect("a name").to_owned();
        Loop {
            jobs: jobs.iter().map(name).chain([BY_HAND.to_owned()]).collect(),
            from: clock::wall().floor_second() + Span::from_seconds(1),
            downtime: Downtime { down_since: None, up_since: clock::monotonic(), longest: Duration::ZERO },
            dice: Dice(seed),
            evidence: Evidence::default(),
            node,
            ledger,
            hand_ledger,
            asked: 0,
            acknowledged: 0,
        }
    }

    /// Lets the node live for a while, from its start or from when it is ready, kills it, starts it again.
    fn round(&mut self, also_supervisor: bool) {
        if self.dice.below(4) != 0 {
            self.node.wait_until_ready();
        }
        let end = clock::monotonic() + Duration::from_millis(self.dice.below(LIFE_MS));
        if self.is_up_before(end) {
            self.ask_for_a_run();
            let known = self.evidence.gather(self.node.api(), &self.jobs);
            known.expect("a living node tells what it knows");
        }
        // The kill's moment is the matter of the test, not a wait for something.
        sleep(end.saturating_duration_since(clock::monotonic()));
        let asking = self.ask_meanwhile();
        sleep(Duration::from_millis(self.dice.below(10)));
        self.downtime.killed(clock::monotonic());
        self.node.kill();
        if asking.join().expect("it only asks").is_ok_and(|reply| reply.status == 200) {
            self.acknowledged = self.asked;
        }
        if also_supervisor {
            self.node.kill_supervisor();
        }
        self.node.spawn();
        self.downtime.up_since = clock::monotonic() + PATIENCE;
    }

    fn is_up_before(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(clock::monotonic());
        let up = within(left, || self.node.is_ready().then_some(())).is_some();
        if up {
            self.downtime.up_since = clock::monotonic();
        }
        up
    }

    /// Asks for the next run by hand while the node is being killed: perhaps it acts, perhaps it answers.
    fn ask_meanwhile(&mut self) -> JoinHandle<io::Result<Reply>> {
        self.asked = self.acknowledged + 1;
        let (api, key) = (self.node.api(), format!("run {}", self.asked));
        let line = format!("POST /v1/jobs/{BY_HAND}/run");
        std::thread::spawn(move || http::send(api, &line, &[("idempotency-key", &key)], b""))
    }

    /// Asks for a run by hand; what was not acknowledged in an earlier life is asked for with its key again.
    fn ask_for_a_run(&mut self) {
        self.asked = self.acknowledged + 1;
        let key = format!("run {}", self.asked);
        let line = format!("POST /v1/jobs/{BY_HAND}/run");
        let reply = self.node.send(&line, &[("idempotency-key", &key)], b"");
        reply.expect(200);
        self.acknowledged = self.asked;
    }

    /// Waits until all that is due has run. The instant before which every tick had its time.
    fn settle(&mut self) -> Time {
        self.node.wait_until_ready();
        let up = clock::monotonic();
        self.downtime.close(up);
        self.ask_for_a_run();
        let until = clock::wall().floor_second();
        let mut calm_since = None;
        let latest = until + Span::from_seconds(2);
        eventually("the last ticks", || (clock::wall() > latest).then_some(()));
        self.node.post("/v1/hold", "").expect(200);
        // Calm: nothing runs, nothing new was written, over more than the longest wait between two attempts.
        eventually("calm", || {
            let written = (self.ledger.runs().len(), self.hand_ledger.runs().len());
            let quiet = self.node.list("/v1/busy").is_empty();
            let (since, before) = *calm_since.get_or_insert((clock::monotonic(), written));
            if !quiet || before != written {
                calm_since = None;
            }
            (calm_since.is_some() && since.elapsed() > Duration::from_secs(2)).then_some(())
        });
        self.evidence.gather(self.node.api(), &self.jobs).expect("a living node");
        until
    }

    fn report(&self, until: Time, late_ms: u128) -> Value {
        let mut jobs = self.node.json("/v1/jobs");
        jobs.as_array_mut().expect("a list").retain(|job| job["name"] != BY_HAND);
        let (from, until) = (self.from.to_string(), until.to_string());
        let check = Check {
            ledger: self.ledger.path(),
            jobs: &jobs,
            from: &from,
            until: &until,
            late_ms,
            skew_ms: 0,
        };
        self.evidence.check(self.node.folder(), &check)
    }

    /// What the checker found, what the jobs wrote and what the API tells, held against one another. Of a job
    /// that is `lossy` an execution may end as lost: then its tick may be missing, its lines may be without
    /// an answer, but each such gap is told as a failure.
    fn wrong(&self, report: &Value, lossy: impl Fn(&str) -> bool) -> Vec<String> {
        let mut wrong = self.evidence.wrong.clone();
        let mut gaps: BTreeMap<String, i64> = BTreeMap::new();
        for finding in report["findings"].as_array().expect("findings") {
            let job = finding["job"].as_str().expect("a name");
            match finding["kind"].as_str() {
                Some("missed" | "silent") if lossy(job) => {
                    *gaps.entry(job.to_owned()).or_default() += finding["count"].as_i64().expect("a count");
                }
                _ => wrong.push(finding.to_string()),
            }
        }
        let mut written = BTreeMap::new();
        for run in self.ledger.runs().into_iter().chain(self.hand_ledger.runs()) {
            if let Some(twice) = written.insert(run.execution.clone(), run) {
                wrong.push(format!("started twice: {twice:?}"));
            }
        }
        for (id, run) in &written {
            let succeeded = run.ended.map(|(_, exit)| exit == 0);
            match self.evidence.told.get(id) {
                Some(told) if Some(told.success) == succeeded && told.attempt == u64::from(run.attempt) => {}
                Some(told) if lossy(&run.job) && !told.success => {}
                None if lossy(&run.job) => *gaps.entry(run.job.clone()).or_default() += 1,
                told => wrong.push(format!("the job wrote {run:?}, the node tells {told:?}")),
            }
        }
        for (_, told) in self.evidence.told.iter().filter(|(id, _)| !written.contains_key(*id)) {
            if lossy(&told.job) && !told.success {
                *gaps.entry(told.job.clone()).or_default() -= 1;
            } else {
                wrong.push(format!("the node tells {told:?}, no job wrote it"));
            }
        }
        let untold = gaps.into_iter().filter(|(_, gap)| *gap > 0);
        wrong.extend(untold.map(|(job, gap)| format!("{job}: {gap} ticks or runs are missing and not told")));
        wrong
    }

    /// Runs of a job that it wrote down.
    fn written(&self, job: &str) -> u64 {
        let runs = self.ledger.runs().into_iter().chain(self.hand_ledger.runs());
        runs.filter(|run| run.job == job).count() as u64
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seed() -> u64 {
    number("KILL_SEED").unwrap_or_else(|| clock::wall().nanos().unsigned_abs() % 1_000_000)
}

#[test]
fn no_tick_is_lost_or_doubled_however_often_the_daemon_is_killed() {
    let (seed, rounds) = (seed(), number("KILL_ROUNDS").unwrap_or(50));
    let weather = Weather::watch();
    let mut fire = Loop::start(seed);
    println!("KILL_SEED={seed} KILL_ROUNDS={rounds} in {}", fire.node.folder().display());
    (0..rounds).for_each(|_| fire.round(false));
    let until = fire.settle();
    let stall_ms = u128::from(weather.worst_ms.load(Ordering::Relaxed));
    let late_ms = fire.downtime.longest.as_millis() + LATE_MS + stall_ms;
    let report = fire.report(until, late_ms);
    println!(
        "allowed lateness {late_ms} ms, of which the machine's {stall_ms} ms; {} runs by hand",
        fire.asked
    );
    println!("{} ticks, {} skipped, {} runs", report["ticks"], report["skipped"], report["runs"]);
    assert!(report["ticks"].as_u64() > Some(rounds), "it looked at too little: {report}");
    // A request lives in the daemon and dies with it; a command does not.
    let wrong = fire.wrong(&report, |job| job == "web");
    assert!(wrong.is_empty(), "KILL_SEED={seed}:\n{}\n{}", wrong.join("\n"), fire.node.log());
    let (by_hand, parents, last) =
        (fire.written(BY_HAND), fire.written("parent"), fire.written("grandchild"));
    assert_eq!(by_hand, fire.acknowledged, "KILL_SEED={seed}: runs by hand");
    assert_eq!(parents, last, "KILL_SEED={seed}: parents and grandchildren");
}

#[test]
fn killing_the_supervisor_too_may_lose_results_but_doubles_nothing() {
    let seed = seed();
    let mut fire = Loop::start(seed);
    println!("KILL_SEED={seed} in {}", fire.node.folder().display());
    (0..number("KILL_ROUNDS").unwrap_or(12)).for_each(|round| fire.round(round % 2 == 0));
    let until = fire.settle();
    let report = fire.report(until, PATIENCE.as_millis());
    println!("{} ticks, {} skipped, {} runs", report["ticks"], report["skipped"], report["runs"]);
    let wrong = fire.wrong(&report, |_| true);
    assert!(wrong.is_empty(), "KILL_SEED={seed}:\n{}\n{}", wrong.join("\n"), fire.node.log());
}
