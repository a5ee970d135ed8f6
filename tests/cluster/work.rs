//! Jobs that write down what they did, on all nodes into one ledger, and the judgement over them.

use super::harness::Cluster;
use crate::rig::evidence::{Check, Evidence};
use crate::rig::ledger::Ledger;
use crate::rig::patience::eventually;
use dkron::clock;
use dkron_core::time::{Span, Time};
use serde_json::{Value, json};
use std::time::Duration;

/// How often runs are written while a cluster is watched.
const EVERY_SECOND: &str = "* * * * * *";

/// Jobs and what they wrote.
pub(super) struct Work {
    ledger: Ledger,
    jobs: Vec<String>,
    evidence: Evidence,
    from: Time,
}

impl Work {
    /// Stores the jobs: one a second for each selection of nodes.
    pub(super) fn begin(cluster: &Cluster, selections: &[(&str, Value)]) -> Work {
        let ledger = Ledger::new(cluster.folder().join("ledger"));
        for (name, tags) in selections {
            let job = json!({"name": name, "schedule": EVERY_SECOND, "executor": "shell", "tags": tags,
                "executor_config": {"shell": "true", "command": ledger.noting("true")}});
            cluster.store(cluster.leader(), &job);
        }
        let jobs = selections.iter().map(|(name, _)| (*name).to_owned()).collect();
        let from = clock::wall().floor_second() + Span::from_seconds(1);
        let work = Work { ledger, jobs, evidence: Evidence::default(), from };
        work.wait_for_runs_after(from);
        work
    }

    /// Waits until every job ran for a tick at or after this instant.
    #[track_caller]
    pub(super) fn wait_for_runs_after(&self, instant: Time) {
        eventually("a run of every job", || {
            let runs = self.ledger.runs();
            let ran = |job: &String| runs.iter().any(|run| run.job == *job && run.scheduled_at >= instant);
            self.jobs.iter().all(ran).then_some(())
        });
    }

    /// How many runs started in this time.
    pub(super) fn started_between(&self, from: Time, until: Time) -> usize {
        let runs = self.ledger.runs();
        runs.iter().filter(|run| from <= run.started_at && run.started_at < until).count()
    }

    /// The latest start of a job's ticks from this instant on: the gap that a failure made.
    pub(super) fn worst_lateness_ms(&self, job: &str, from: Time) -> i64 {
        let runs = self.ledger.runs().into_iter().filter(|run| run.job == job && run.scheduled_at >= from);
        runs.map(|run| (run.started_at - run.scheduled_at).millis()).max().unwrap_or_default()
    }

    /// Keeps what servers know of the runs, before they forget it.
    pub(super) fn gather(&mut self, cluster: &Cluster) {
        let leader = cluster.leader();
        self.evidence.token = cluster.token().map(str::to_owned);
        eventually("an account of the runs", || self.evidence.gather(cluster.api(leader), &self.jobs));
    }

    /// Holds the ticks, waits until all is told and judges. The lateness allowed is that of the whole outage.
    pub(super) fn judge(mut self, cluster: &Cluster, late: Duration) {
        let until = clock::wall().floor_second();
        self.wait_for_runs_after(until);
        cluster.send(cluster.leader(), "POST /v1/hold", "").expect(200);
        let leader = cluster.leader();
        self.evidence.token = cluster.token().map(str::to_owned);
        eventually("all runs to be told", || {
            self.evidence.gather(cluster.api(leader), &self.jobs)?;
            let told = |run: &dkron_core::ledger::Run| self.evidence.told.contains_key(&run.execution);
            let is_idle = cluster.json(leader, "/v1/busy")? == json!([]);
            (is_idle && self.ledger.runs().iter().all(|run| run.ended.is_some() && told(run))).then_some(())
        });
        let jobs = cluster.json(leader, "/v1/jobs").expect("the jobs");
        let jobs = jobs.as_array().expect("a list").iter();
        let jobs = jobs.filter(|job| self.jobs.iter().any(|name| job["name"] == name.as_str())).cloned();
        let (from, until) = (self.from.to_string(), until.to_string());
        let check = Check {
            ledger: self.ledger.path(),
            jobs: &Value::from_iter(jobs),
            from: &from,
            until: &until,
            late_ms: late.as_millis(),
            skew_ms: 0,
        };
        let report = self.evidence.check(cluster.folder(), &check);
        println!("{} ticks, {} skipped, {} runs", report["ticks"], report["skipped"], report["runs"]);
        assert_eq!(report["findings"], json!([]), "{report}");
        assert_eq!(self.evidence.wrong, Vec::<String>::new());
        assert!(report["ticks"].as_u64() > Some(0), "it looked at nothing: {report}");
        let failed: Vec<_> = self.evidence.told.values().filter(|told| !told.success).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}
