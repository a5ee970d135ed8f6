//! Records that are no state: refused, at the price of what is there, not of what they promise.

use crate::world::*;
use dkron_core::state::RebuildError;
use dkron_core::state::record::Record;

fn records() -> Vec<Record> {
    let mut world = World::new();
    for name in ["one", "two", "three", "four"] {
        world.put(0, &job(name, "@every 1h", Concurrency::Allow));
    }
    for name in ["two", "four"] {
        world.apply(at(1), Action::Delete { name: name.into() });
    }
    world.ledger.state.records().collect()
}

fn rebuild(records: Vec<Record>) -> Result<State, RebuildError> {
    State::rebuild(9, at(1), records)
}

#[test]
fn free_slots_come_back_in_their_order() {
    let state = rebuild(records()).expect("a state");
    assert_eq!((state.job_count(), state.slots()), (2, 4));
    let mut world = World { ledger: Ledger::over(state), index: 9, names: 50 };
    world.put(2, &job("five", "@every 1h", Concurrency::Allow));
    assert_eq!(world.ledger.state.slot_of("five"), Some(JobSlot(3)), "the one freed last is used first");
    assert_eq!(world.check(), Ok(()));
}

#[test]
fn a_slot_beyond_all_records_is_refused_before_it_takes_memory() {
    let changed = |change: fn(&mut JobSlot)| {
        let mut records = records();
        let slot = records.iter_mut().rev().find_map(|record| match record {
            Record::Job(slot, _) => Some(slot),
            _ => None,
        });
        change(slot.expect("a job"));
        rebuild(records).map(|_| ())
    };
    assert!(matches!(changed(|slot| slot.0 = u32::MAX), Err(RebuildError::Slot { .. })));
    assert!(matches!(changed(|slot| slot.0 = 5), Err(RebuildError::Slot { .. })));
    assert!(matches!(changed(|slot| slot.0 = 0), Err(RebuildError::Twice(_))));
    assert!(
        matches!(changed(|slot| slot.0 = 1), Err(RebuildError::Twice(_))),
        "a free slot is not free then"
    );
    let mut free = records();
    free.push(Record::Free(JobSlot(7), 1));
    assert!(matches!(rebuild(free), Err(RebuildError::Slot { .. } | RebuildError::Twice(_))));
}

#[test]
fn what_names_a_job_that_is_not_there_and_what_comes_twice_is_refused() {
    let mut records = records();
    let requested = dkron_core::state::record::Requested {
        job: JobSlot(1),
        origin: Origin::Manual(RequestId(1)),
        nominal: at(1),
    };
    records.push(Record::Requested(1, requested));
    assert!(matches!(rebuild(records.clone()), Err(RebuildError::Dangling(_))));
    records.pop();
    let remembered = dkron_core::state::record::Remembered { at: at(1), reply: Reply::Done };
    records.push(Record::Remembered(RequestId(77), remembered.clone()));
    assert!(rebuild(records.clone()).is_ok());
    records.push(Record::Remembered(RequestId(77), remembered));
    assert!(matches!(rebuild(records), Err(RebuildError::Twice(_))));
}

#[test]
fn parents_in_a_circle_end_the_search_for_ancestors() {
    let mut records = records();
    let slots = [JobSlot(0), JobSlot(2)];
    for record in &mut records {
        if let Record::Job(slot, job) = record {
            job.parent = slots.into_iter().find(|other| other != slot);
        }
    }
    let mut world = World { ledger: Ledger::over(rebuild(records).expect("a state")), index: 9, names: 50 };
    let mut child = job("child", "", Concurrency::Allow);
    child.parent_job = "one".to_owned();
    let applied = world.put(2, &child);
    assert!(
        matches!(applied.replies[..], [Reply::Refused(Refusal::ParentCycle(_))]),
        "{:?}",
        applied.replies
    );
}
