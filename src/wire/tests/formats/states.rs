//! A state written to a snapshot and read again is the same state, by its digest.

use crate::values::{self, NOW};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Batch, Command, Errand, Founding, PutJob, Version};
use dkron_core::ids::{JobUid, NodeId, RequestId};
use dkron_core::job::Job;
use dkron_core::state::State;
use dkron_core::time::Span;
use dkron_core::voters::Wish;
use dkron_wire::snapshot::{Header, Reader, Writer};
use dkron_wire::{definition, state};
use std::sync::Arc;

/// A founded cluster with a node, jobs, a deleted one, a decision, a requested run and half an import.
fn ledger() -> Ledger {
    let stamp = values::stamp();
    let put = |number: u128| {
        let job = Job {
            name: format!("job-{number}"),
            schedule: "@every 1m".into(),
            executor: "shell".into(),
            ..Job::default()
        };
        PutJob {
            definition: definition::encode(&job).into(),
            job: Arc::new(job),
            uid: JobUid(number),
            at: NOW,
            epoch: Some(0),
            seen: Version::default(),
            strict: false,
            next_due: Some(NOW + Span::from_seconds(60)),
            due: Vec::new(),
            passed: None,
            counters: None,
        }
    };
    let founding = Founding {
        cluster: stamp.cluster,
        incarnation: stamp.incarnation,
        default_zone: "Europe/Vienna".into(),
        zone_data: "2026a".into(),
    };
    let run = Action::Run { name: "job-2".into(), nominal: NOW };
    let mut actions = vec![Action::Found(founding), Action::Register(values::registration())];
    actions.extend((0..5).map(|number| Action::Put(put(number))));
    actions.push(Action::Delete { name: "job-3".into() });
    actions.push(Action::Stage { import: RequestId(9), jobs: vec![put(10), put(11)] });
    actions.push(Action::Wish(Errand { server: NodeId(3), wish: Wish::Remove, process: 7 }));
    actions.push(run);
    actions.push(values::first_token());
    let command = |(number, action)| Command { request: Some(RequestId(number)), action };
    let commands = (100u128..).zip(actions).map(command).collect();
    let mut ledger = Ledger::default();
    ledger.apply(1, &Batch { time: NOW, commands });
    ledger
}

#[test]
fn a_state_survives_its_snapshot() {
    let ledger = ledger();
    let before = &ledger.state;
    let header = Header {
        time: before.time(),
        digest: before.digest(),
        format: before.format(),
        digest_format: before.digest_version(),
        ..values::snapshot_header()
    };
    let mut writer = Writer::new(Vec::new(), &header).expect("written");
    for record in before.records() {
        writer.push(state::encode_record(&record)).expect("written");
    }
    let file = writer.finish().expect("written");

    let mut reader = Reader::new(&file[..]).expect("a header");
    let read = std::iter::from_fn(|| reader.next_record().expect("whole"));
    let records: Vec<_> = read.map(|record| state::decode_record(record).expect("a record")).collect();
    assert!(records.len() >= 10, "{} records", records.len());
    let after = State::rebuild(before.applied(), before.time(), records).expect("a state");
    assert_eq!(after.digest(), header.digest);
    assert_ne!(after.digest(), State::default().digest());
}
