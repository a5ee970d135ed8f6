//! A backup put back: the jobs of Dkron's `GET /v1/jobs`, all of them or none.

use super::jobs::{Submit, wish};
use super::{App, Error, Kind, fresh_request};
use crate::executor;
use crate::raft::Priority;
use crate::task;
use dkron_core::command::Action;
use dkron_core::ids::RequestId;
use dkron_core::intent::{Intent, Wish};
use dkron_core::limits::ENTRY_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// What one staged part may take of an entry, with room for its frame.
const PART_BYTES: usize = ENTRY_BYTES_MAX / 2;
/// What a job takes in a part beside its definition.
const JOB_BYTES: usize = 128;

impl App {
    /// Stores all jobs in one step, parents before children; the names in that order. Existing jobs of the
    /// same names are replaced. If one job cannot be stored, none is.
    pub async fn restore(&self, submits: Vec<Submit>) -> Result<Vec<String>, Error> {
        let submits = parents_first(submits)?;
        for submit in &submits {
            let named =
                |problem: String| Error::new(Kind::Invalid, format!("job '{}': {problem}", submit.job.name));
            submit.job.validate().map_err(|error| named(error.to_string()))?;
            executor::validate(&submit.job.executor, &submit.job.executor_config)
                .map_err(|error| named(error.to_string()))?;
        }
        let names = submits.iter().map(|submit| submit.job.name.clone()).collect();
        let import = fresh_request()?;
        match self.stage(import, submits).await {
            Ok(()) => Ok(names),
            Err(error) => {
                // What was staged would only take memory; if this fails too, the next commit finds it gone.
                if let Err(left) = self.change(Action::Abandon { import }).await {
                    tracing::warn!(%left, "an import that failed stays staged");
                }
                Err(error)
            }
        }
    }

    async fn stage(&self, import: RequestId, submits: Vec<Submit>) -> Result<(), Error> {
        let encoding = task::blocking("encode jobs", move || parts(submits.into_iter().map(wish).collect()));
        let parts = encoding.await.map_err(|_| Error::new(Kind::Internal, "encoding the jobs broke off"))?;
        for jobs in parts {
            self.act(Priority::Bulk, fresh_request()?, Intent::Stage { import, jobs }).await?;
        }
        let commit = Intent::Change(Action::Commit { import });
        self.act(Priority::Bulk, fresh_request()?, commit).await.map(drop)
    }
}

/// Jobs in parts that fit an entry, in order.
fn parts(wishes: Vec<Wish>) -> Vec<Vec<Wish>> {
    let mut parts: Vec<Vec<Wish>> = Vec::new();
    let mut room = 0;
    for wish in wishes {
        let bytes = wish.definition.len() + JOB_BYTES;
        if bytes > room {
            parts.push(Vec::new());
            room = PART_BYTES.max(bytes);
        }
        room -= bytes;
        if let Some(part) = parts.last_mut() {
            part.push(wish);
        }
    }
    parts
}

/// Parents before their children. A name that comes twice, a parent that is not in the backup (as Dkron) and
/// a circle of parents are refused.
fn parents_first(submits: Vec<Submit>) -> Result<Vec<Submit>, Error> {
    let invalid = |message: String| Error::new(Kind::Invalid, message);
    let mut waiting: BTreeMap<String, Vec<Submit>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for submit in &submits {
        if !names.insert(submit.job.name.clone()) {
            return Err(invalid(format!("name: job '{}' comes twice", submit.job.name)));
        }
    }
    let mut ready = Vec::new();
    for submit in submits {
        let parent = submit.job.parent_job.clone();
        if parent.is_empty() {
            ready.push(submit);
        } else if names.contains(&parent) {
            waiting.entry(parent).or_default().push(submit);
        } else {
            let name = &submit.job.name;
            return Err(invalid(format!("parent_job: '{parent}' of job '{name}' is not in the backup")));
        }
    }
    let mut ordered: Vec<Submit> = Vec::new();
    ready.reverse();
    while let Some(submit) = ready.pop() {
        ready.extend(waiting.remove(&submit.job.name).into_iter().flatten().rev());
        ordered.push(submit);
    }
    match waiting.into_values().flatten().next() {
        Some(submit) => {
            Err(invalid(format!("parent_job: the parents of job '{}' form a circle", submit.job.name)))
        }
        None => Ok(ordered),
    }
}
