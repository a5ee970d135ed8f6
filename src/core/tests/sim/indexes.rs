//! Whether the indexes of a ledger say what its records say, over what anybody may read.

use dkron_core::apply::Ledger;
use dkron_core::ids::{ExecutionRef, NodeSlot, Origin};
use dkron_core::state::State;
use dkron_core::state::record::{Item, Timer, Turn};
use dkron_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The first difference between indexes and records. The wheel must be one that nobody has taken from.
pub(crate) fn check(ledger: &Ledger) -> Result<(), String> {
    let state = &ledger.state;
    check_jobs(state)?;
    check_agenda(state)?;
    check_timers(state)?;
    check_nodes(state)?;
    let filed = state.jobs_by_name(None).filter(|(_, job)| job.wheel_key() != Time::NEVER).count();
    equal("jobs in the wheel", &ledger.wheel.len(), &filed)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, index: &T, records: &T) -> Result<(), String> {
    if index == records {
        Ok(())
    } else {
        Err(format!("{what}: the index says {index:?}, the records {records:?}"))
    }
}

fn check_jobs(state: &State) -> Result<(), String> {
    for (slot, job) in state.jobs_by_name(None) {
        let turns: Vec<Turn> = state.occurrences_of(slot).map(|(_, found)| found.turn).collect();
        let count = |wanted: fn(&Turn) -> bool| turns.iter().filter(|turn| wanted(turn)).count() as u32;
        equal("open", &job.open, &count(|turn| *turn == Turn::Open))?;
        equal("queued", &job.queued, &count(|turn| *turn == Turn::Queued))?;
        equal("to be filed anew", &state.must_replan(slot), &job.needs_replan())?;
        equal("slot", &state.slot_of(&job.name), &Some(slot))?;
        if let Some(parent) = job.parent {
            equal("child", &state.children_of(parent).any(|child| child == slot), &true)?;
            equal("parent", &state.job(parent).is_some(), &true)?;
        }
    }
    let owned: usize = state.jobs_by_name(None).map(|(slot, _)| state.occurrences_of(slot).count()).sum();
    equal("occurrences by job", &owned, &state.occurrences().count())
}

fn check_agenda(state: &State) -> Result<(), String> {
    let mut expected: BTreeMap<u64, Item> = BTreeMap::new();
    for (reference, found) in state.occurrences() {
        if let Turn::Unplaced(place) = found.turn {
            expected.insert(place, Item::Place(reference));
        }
        for (name, execution) in found.named_executions(reference) {
            match execution.item(name) {
                Some(item) => drop(expected.insert(execution.agenda, item)),
                None => equal("agenda place", &execution.agenda, &0)?,
            }
        }
    }
    let mut requests = BTreeSet::new();
    for (place, item) in state.agenda_after(0) {
        match item {
            Item::Decide(requested) => {
                equal("requested", &state.requested(requested), &Some(place))?;
                equal(
                    "requested twice",
                    &requests.insert((requested.job, requested.origin, requested.nominal)),
                    &true,
                )?;
                equal("requested job", &state.job(requested.job).is_some(), &true)?;
            }
            other => equal("agenda", &Some(other), &expected.remove(&place))?,
        }
    }
    equal("left out of the agenda", &expected.into_iter().next(), &None)?;
    check_backfills(state)
}

/// Of a job's backfill rows the first is on the agenda, while no run of one is on its way.
fn check_backfills(state: &State) -> Result<(), String> {
    for (slot, _) in state.jobs_by_name(None) {
        let busy = state.occurrences_of(slot).any(|(_, found)| matches!(found.origin, Origin::Backfill(_)));
        for (position, row) in state.backfill_rows(slot).enumerate() {
            let placed = state.requested(row).is_some();
            equal("backfill row on the agenda", &placed, &(position == 0 && !busy))?;
        }
    }
    Ok(())
}

fn check_timers(state: &State) -> Result<(), String> {
    let mut expected: BTreeSet<(Time, Timer)> = BTreeSet::new();
    for (reference, found) in state.occurrences() {
        if matches!(found.turn, Turn::Unplaced(_)) {
            expected.insert((found.gives_up_at, Timer::Unplaced(reference)));
        }
        expected
            .extend(found.named_executions(reference).filter_map(|(name, execution)| execution.timer(name)));
    }
    equal("timers", &state.timers().collect(), &expected)
}

fn check_nodes(state: &State) -> Result<(), String> {
    let mut expected: BTreeMap<NodeSlot, BTreeSet<ExecutionRef>> = BTreeMap::new();
    for (reference, found) in state.occurrences() {
        for (name, execution) in found.named_executions(reference).filter(|(_, found)| found.is_live()) {
            expected.entry(execution.node).or_default().insert(name);
        }
    }
    for (slot, _) in state.nodes() {
        let here = expected.remove(&slot).unwrap_or_default();
        equal("load", &state.load(slot), &(here.len() as u32))?;
        equal("executions on a node", &state.executions_on(slot).collect(), &here)?;
    }
    equal("executions nowhere", &expected.len(), &0)
}
