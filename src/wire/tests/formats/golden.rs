//! Bytes on disks and in buckets outlive the version that wrote them: these files do not change.
//!
//! `REGENERATE=1 cargo test -p dkron-wire --test formats golden` writes files that are not there yet. One that
//! is there is never replaced to make a test pass: new bytes are a new format with a file of its own.

use crate::values;
use dkron_core::command::{Action, Batch, Command, Version};
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent};
use dkron_core::ids::{ExecutionId, JobUid, NodeId, OccurrenceRef, RunnerId};
use dkron_wire::entry::{decode_batch, encode_batch};
use dkron_wire::raft::{LogEntry, Payload, Vote};
use dkron_wire::snapshot::{Reader, Writer};
use dkron_wire::supervisor::{self, FromSupervisor};
use dkron_wire::{definition, delivery, history, journal, raft, state};
use prost::Message;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

/// The value has the file's bytes, and the file's bytes are read as the value.
pub(crate) fn check<T: Debug + PartialEq>(name: &str, value: T, bytes: Vec<u8>, decode: impl Fn(&[u8]) -> T) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.bin"));
    if std::env::var_os("REGENERATE").is_some() && !path.exists() {
        fs::write(&path, &bytes).expect("file is written");
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(decode(&golden), value, "{name} is read as something else");
    assert!(bytes == golden, "{name} is written in other bytes");
}

#[test]
fn a_definition_has_the_bytes_that_it_always_had() {
    let job = values::job();
    check("definition", job.clone(), definition::encode(&job), |bytes| {
        definition::decode(bytes).expect("a definition")
    });
}

#[test]
fn a_log_entry_with_every_command_has_the_bytes_that_it_always_had() {
    let (stamp, batch) = (values::stamp(), values::batch());
    let bytes = encode_batch(stamp, &batch);
    check("entry", (stamp, batch), bytes, |bytes| decode_batch(bytes).expect("an entry"));
}

#[test]
fn runs_called_off_have_the_bytes_that_they_always_had() {
    let action = Action::CallOff { name: "nightly-report".into() };
    let batch = Batch { time: values::NOW, commands: vec![Command { request: None, action }] };
    let bytes = encode_batch(values::stamp(), &batch);
    check("entry_call_off", (values::stamp(), batch), bytes, |bytes| decode_batch(bytes).expect("an entry"));
}

#[test]
fn what_is_about_one_execution_or_one_edit_has_the_bytes_that_it_always_had() {
    let occurrence = OccurrenceRef { index: 1_000_000, position: 3 };
    let version = Version { job: JobUid(0x0123_4567_89ab_cdef), revision: 7 };
    let actions = [
        ("entry_cancel_one", Action::Cancel { occurrence, ordinal: Some(2) }),
        ("entry_delete_at", Action::DeleteAt { name: "nightly-report".into(), version }),
    ];
    for (name, action) in actions {
        let batch = Batch { time: values::NOW, commands: vec![Command { request: None, action }] };
        let bytes = encode_batch(values::stamp(), &batch);
        check(name, (values::stamp(), batch), bytes, |bytes| decode_batch(bytes).expect("an entry"));
    }
}

#[test]
fn history_rows_have_the_bytes_that_they_always_had() {
    for (name, row) in ["finished", "skipped", "erased"].into_iter().zip(values::history_rows()) {
        let bytes = history::encode_row(&row);
        check(&format!("history_{name}"), row, bytes, |bytes| history::decode_row(bytes).expect("a row"));
    }
}

#[test]
fn what_consensus_keeps_has_the_bytes_that_it_always_had() {
    let vote = Vote { leader: values::log_id().leader, committed: true };
    check("vote", vote, raft::encode_vote(&vote), |bytes| raft::decode_vote(bytes).expect("a vote"));
    let payloads = [
        ("blank", Payload::Blank),
        ("normal", Payload::Normal(b"batch"[..].into())),
        ("membership", Payload::Membership(values::membership())),
    ];
    for (name, payload) in payloads {
        let entry = LogEntry { id: values::log_id(), payload };
        let bytes = raft::encode_log_entry(&entry);
        check(&format!("log_{name}"), entry, bytes, |bytes| {
            raft::decode_log_entry(bytes).expect("a log entry")
        });
    }
}

#[test]
fn what_agents_and_servers_say_has_the_bytes_that_it_always_had() {
    let down = [
        ("welcome", ToAgent::Welcome { server: NodeId(0xa1), stamp: values::stamp() }),
        ("launch", ToAgent::Launch(values::launch())),
        ("cancel", ToAgent::Cancel { execution: values::execution(), id: ExecutionId(0xabcd) }),
        ("settled", ToAgent::Settled(vec![ExecutionId(1), ExecutionId(2)])),
        ("leading", ToAgent::Leading { term: 7 }),
        ("following", ToAgent::Following),
        (
            "servers",
            ToAgent::Servers([ServerAddress { id: NodeId(0xa1), address: "10.0.0.1:6868".into() }].into()),
        ),
        ("left", ToAgent::Left),
    ];
    for (name, said) in down {
        let bytes = delivery::to_agent_to_wire(&said).encode_to_vec();
        check(&format!("agent_{name}"), said, bytes, |bytes| {
            let message = delivery::service::ToAgent::decode(bytes).expect("a message");
            delivery::to_agent(message).expect("a message to an agent")
        });
    }
    let up = [
        (
            "hello",
            FromAgent::Hello {
                stamp: Some(values::stamp()),
                process: 0x0123_4567_89ab_cdef,
                registration: values::registration(),
            },
        ),
        ("leaving", FromAgent::Leaving),
        ("reports", FromAgent::Reports(values::told())),
        ("output", FromAgent::Output { id: ExecutionId(0xabcd), offset: 300, bytes: b"output"[..].into() }),
    ];
    for (name, said) in up {
        let bytes = delivery::from_agent_to_wire(&said).encode_to_vec();
        check(&format!("agent_{name}"), said, bytes, |bytes| {
            let message = delivery::service::FromAgent::decode(bytes).expect("a message");
            delivery::from_agent(message).expect("a message from an agent")
        });
    }
}

#[test]
fn records_of_a_journal_have_the_bytes_that_they_always_had() {
    for (name, record) in values::journal_records() {
        let bytes = journal::encode_record(&record);
        check(&format!("journal_{name}"), record, bytes, |bytes| {
            journal::decode_record(bytes).expect("a record")
        });
    }
    let welcome = FromSupervisor::Welcome { pid: 300, runner: RunnerId(0xe5) };
    check("supervisor_welcome", welcome.clone(), supervisor::encode_from_supervisor(&welcome), |bytes| {
        supervisor::decode_from_supervisor(&bytes[4..]).expect("a message")
    });
}

#[test]
fn records_of_the_state_have_the_bytes_that_they_always_had() {
    for (name, record) in values::records() {
        let bytes = state::encode_record(&record);
        check(&format!("state_{name}"), record, bytes, |bytes| {
            state::decode_record(bytes).expect("a record")
        });
    }
}

#[test]
fn a_snapshot_file_has_the_bytes_that_it_always_had() {
    let header = values::snapshot_header();
    let records = vec![b"first".to_vec(), Vec::new(), vec![7; 300], b"last".to_vec()];
    let mut writer = Writer::new(Vec::new(), &header).expect("written");
    for record in &records {
        writer.push(record.clone()).expect("written");
    }
    let file = writer.finish().expect("written");
    check("snapshot", (header, records), file, |bytes| {
        let mut reader = Reader::new(bytes).expect("a header");
        let header = reader.header().clone();
        let records =
            std::iter::from_fn(|| reader.next_record().expect("whole").map(|record| record.to_vec()));
        (header, records.collect())
    });
}
