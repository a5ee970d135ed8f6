//! A backup put back: the jobs of Dkron's `GET /v1/jobs`, all of them or none.

use super::jobs::{Submit, submission};
use super::{App, Error, Kind, fresh_request};
use crate::executor;
use crate::raft::Priority;
use crate::task;
use dkron_core::command::{Action, PutJob};
use dkron_core::ids::RequestId;
use dkron_core::limits::ENTRY_BYTES_MAX;
use dkron_core::plan::edit;
use dkron_core::schedule::ZoneData;
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
        let puts = self.completed(submits).await?;
        for part in parts(puts) {
            self.propose(Priority::Bulk, fresh_request()?, Action::Stage { import, jobs: part }).await?;
        }
        self.commit(import).await?;
        Ok(names)
    }

    async fn completed(&self, submits: Vec<Submit>) -> Result<Vec<PutJob>, Error> {
        let (view, now) = (self.view().await?, self.now());
        let completing = task::blocking("prepare jobs", move || {
            let put = |submit| Ok(edit::put(&view.state, ZoneData::bundled(), submission(submit)?, now)?);
            submits.into_iter().map(put).collect()
        });
        completing.await.map_err(|_| Error::new(Kind::Internal, "preparing the jobs broke off"))?
    }

    async fn commit(&self, import: RequestId) -> Result<(), Error> {
        self.propose(Priority::Bulk, fresh_request()?, Action::Commit { import }).await.map(drop)
    }
}

/// Jobs in parts that fit an entry, in order.
fn parts(puts: Vec<PutJob>) -> Vec<Vec<PutJob>> {
    let mut parts: Vec<Vec<PutJob>> = Vec::new();
    let mut room = 0;
    for put in puts {
        let bytes = put.definition.len() + JOB_BYTES;
        if bytes > room {
            parts.push(Vec::new());
            room = PART_BYTES.max(bytes);
        }
        room -= bytes;
        if let Some(part) = parts.last_mut() {
            part.push(put);
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
