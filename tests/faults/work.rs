//! Jobs of every kind that write down what they did, writes of a client, and what must be true of both in the end.

use super::cluster::Cluster;
use super::{Duration, HEALED, tell};
use crate::rig::evidence::{Check, Evidence};
use crate::rig::ledger::Ledger;
use crate::rig::patience::within;
use dkron::clock;
use dkron_core::ledger::Run;
use dkron_core::time::{Span, Time};
use serde_json::{Value, json};

/// Clocks that differ by no more count as equal, so a tick may start so early by the true time.
const SKEW_MS: u64 = 250;

/// Name, schedule, work, and what is special about it.
type Row = (&'static str, &'static str, &'static str, Value);

fn rows() -> Vec<Row> {
    let web = json!({"role": "web:1"});
    vec![
        ("each-second", "* * * * * *", "true", json!({"tags": web})),
        ("interval", "@every 1s", "true", json!({"tags": web})),
        ("forbid", "*/2 * * * * *", "sleep 0.2", json!({"tags": web, "concurrency": "forbid"})),
        ("queue", "*/3 * * * * *", "sleep 0.5", json!({"tags": web, "concurrency": "queue"})),
        ("on-a-server", "*/2 * * * * *", "true", json!({"tags": {"server": "true:1"}})),
        (
            "anywhere",
            "1/2 * * * * *",
            "sleep 0.1",
            json!({"jitter": "500ms", "tags": {"region": "global:1"}}),
        ),
        (
            "retried",
            "*/4 * * * * *",
            "[ \"$DKRON_ATTEMPT\" = 2 ]",
            json!({"tags": web, "retries": 3, "backoff": "200ms"}),
        ),
    ]
}

/// Jobs and what they wrote.
pub(super) struct Work {
    ledger: Ledger,
    jobs: Vec<String>,
    evidence: Evidence,
    from: Time,
    /// Names of jobs whose writing was answered as done.
    written: Vec<String>,
}

impl Work {
    /// Stores the jobs and sees them run.
    pub(super) fn begin(cluster: &Cluster) -> Work {
        let ledger = Ledger::new(cluster.folder().join("ledger"));
        let mut jobs = Vec::new();
        for (name, schedule, work, more) in rows() {
            let mut job = json!({"name": name, "schedule": schedule, "executor": "shell",
                "executor_config": {"shell": "true", "command": ledger.noting(work)}});
            for (key, value) in more.as_object().expect("an object") {
                job[key] = value.clone();
            }
            cluster.store(&job);
            jobs.push(name.to_owned());
        }
        let from = clock::wall().floor_second() + Span::from_seconds(1);
        let work = Work { ledger, jobs, evidence: Evidence::default(), from, written: Vec::new() };
        work.wait_for_runs_after(cluster, from);
        work
    }

    /// Waits until every job ran for a tick at or after this instant.
    pub(super) fn wait_for_runs_after(&self, cluster: &Cluster, instant: Time) {
        let mut late: Vec<&String> = Vec::new();
        let all = within(HEALED, || {
            let runs = self.ledger.runs();
            let ran = |job: &&String| runs.iter().any(|run| run.job == **job && run.scheduled_at >= instant);
            late = self.jobs.iter().filter(|job| !ran(job)).collect();
            late.is_empty().then_some(())
        });
        if all.is_none() {
            let leader = cluster.leader().unwrap_or_default();
            let explained = late.iter().map(|job| cluster.json(leader, &format!("/v1/jobs/{job}")));
            explained.for_each(|job| tell(&format!("{job:?}")));
        }
        assert!(all.is_some(), "{late:?} did not run in {HEALED:?}");
    }

    /// A client's write, by way of the servers in turn; whatever is answered as done must stay.
    pub(super) fn write(&mut self, cluster: &Cluster, number: usize) {
        let name = format!("written-{number}");
        let job = json!({"name": name, "schedule": "@manually", "executor": "shell",
            "executor_config": {"command": "true"}});
        let reply = cluster.send(number % cluster.servers, "POST /v1/jobs", &job.to_string());
        if reply.is_ok_and(|reply| reply.status == 201) {
            self.written.push(name);
        }
    }

    /// Keeps what servers know of the runs, before they forget it.
    pub(super) fn gather(&mut self, cluster: &Cluster) {
        let gathered = within(HEALED, || {
            let leader = cluster.leader()?;
            cluster.at(leader, |api| self.evidence.gather(api, &self.jobs))
        });
        assert!(gathered.is_some(), "no server told of the runs");
    }

    /// Holds the ticks, waits until all is told and judges.
    pub(super) fn judge(mut self, cluster: &Cluster, late: Duration) {
        let until = clock::wall().floor_second();
        self.wait_for_runs_after(cluster, until);
        cluster.hold();
        let told = within(HEALED, || {
            let leader = cluster.leader()?;
            cluster.at(leader, |api| self.evidence.gather(api, &self.jobs))?;
            let told = |run: &Run| self.evidence.told.contains_key(&run.execution);
            let runs = self.ledger.runs();
            let all = runs.iter().all(|run| run.ended.is_some() && told(run));
            (cluster.is_idle()? && all).then_some(())
        });
        let untold: Vec<Run> = self
            .ledger
            .runs()
            .into_iter()
            .filter(|run| run.ended.is_none() || !self.evidence.told.contains_key(&run.execution))
            .collect();
        assert!(told.is_some(), "runs without an end, or that no server tells of: {untold:?}");
        let (from, until) = (self.from.to_string(), until.to_string());
        let jobs = cluster.jobs(&self.jobs);
        let check = Check {
            ledger: self.ledger.path(),
            jobs: &jobs,
            from: &from,
            until: &until,
            late_ms: late.as_millis(),
            skew_ms: SKEW_MS,
        };
        let report = self.evidence.check(cluster.folder(), &check);
        let worst = self
            .ledger
            .runs()
            .iter()
            .filter(|run| run.attempt == 1)
            .map(|run| (run.started_at - run.scheduled_at).millis())
            .max();
        tell(&format!(
            "{} ticks, {} skipped, {} runs, latest start {} ms late",
            report["ticks"],
            report["skipped"],
            report["runs"],
            worst.unwrap_or_default()
        ));
        assert_eq!(report["findings"], json!([]), "{report}");
        assert_eq!(self.evidence.wrong, Vec::<String>::new());
        assert!(report["ticks"].as_u64() > Some(0), "it looked at nothing: {report}");
        let lost: Vec<&String> =
            self.written.iter().filter(|name| cluster.jobs(&[(*name).clone()]) == json!([])).collect();
        assert!(lost.is_empty(), "written and not there: {lost:?}");
        let last = |told: &&crate::rig::evidence::Told| !told.success && told.job != "retried";
        let failed: Vec<_> = self.evidence.told.values().filter(last).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}
