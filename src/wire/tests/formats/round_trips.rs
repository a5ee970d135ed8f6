//! Every value survives its bytes, and equal values have equal bytes.

use crate::{any_between, any_of, any_state, values};
use dkron_core::command::{Action, Batch, Command};
use dkron_core::delivery::FromAgent;
use dkron_core::format::Formats;
use dkron_core::ids::NodeId;
use dkron_core::ids::Stamp;
use dkron_core::state::record::{Record, Turn};
use dkron_core::time::Span;
use dkron_wire::entry::{
    ENTRY_OVERHEAD_BYTES, check_format, decode_batch, decode_own_batch, encode_batch, encode_batch_in,
    entry_bytes,
};
use dkron_wire::operator::{Done, Task};
use dkron_wire::snapshot::{Reader, Writer};
use dkron_wire::{WireError, definition, delivery, history, operator, raft, reply, state, submit};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

proptest! {
    #[test]
    fn a_definition_survives_its_bytes(job in any_of::job()) {
        let bytes = definition::encode(&job);
        prop_assert_eq!(definition::encode(&job.clone()), &bytes[..]);
        prop_assert_eq!(definition::decode(&bytes), Ok(job));
    }

    #[test]
    fn an_entry_survives_its_bytes(stamp in any_of::stamp(), batch in any_of::batch()) {
        let bytes = encode_batch(stamp, &batch);
        prop_assert_eq!(decode_own_batch(stamp, &bytes), Ok(batch.clone()));
        prop_assert_eq!(decode_batch(&bytes), Ok((stamp, batch)));
    }

    #[test]
    fn an_entry_is_never_longer_than_the_estimate_of_its_commands(
        stamp in any_of::stamp(),
        batch in any_of::batch(),
    ) {
        let estimate = ENTRY_OVERHEAD_BYTES + batch.commands.iter().map(entry_bytes).sum::<usize>();
        let actual = encode_batch(stamp, &batch).len();
        prop_assert!(actual <= estimate, "{} > {}", actual, estimate);
    }

    #[test]
    fn what_is_said_to_an_agent_survives_its_message(said in any_of::to_agent()) {
        let bytes = delivery::to_agent_to_wire(&said).encode_to_vec();
        let message = delivery::service::ToAgent::decode(&bytes[..]).expect("a message");
        prop_assert_eq!(delivery::to_agent(message), Ok(said));
    }

    #[test]
    fn what_an_agent_says_survives_its_message(said in any_of::from_agent()) {
        let bytes = delivery::from_agent_to_wire(&said).encode_to_vec();
        let message = delivery::service::FromAgent::decode(&bytes[..]).expect("a message");
        prop_assert_eq!(delivery::from_agent(message), Ok(said));
    }

    #[test]
    fn an_intent_survives_its_message(submitted in any_between::submitted()) {
        let bytes = submit::to_wire(&submitted).encode_to_vec();
        let message = submit::service::SubmitRequest::decode(&bytes[..]).expect("a message");
        prop_assert_eq!(submit::from_wire(message), Ok(submitted));
    }

    #[test]
    fn what_became_of_an_intent_survives_its_message(outcome in any_between::outcome()) {
        let bytes = submit::outcome_to_wire(&outcome).encode_to_vec();
        let message = submit::service::SubmitReply::decode(&bytes[..]).expect("a message");
        prop_assert_eq!(submit::outcome_from_wire(message), Ok(outcome));
    }

    #[test]
    fn a_history_row_survives_its_bytes(row in any_of::history_row()) {
        prop_assert_eq!(history::decode_row(&history::encode_row(&row)), Ok(row));
    }

    #[test]
    fn what_consensus_keeps_survives_its_bytes(
        entry in any_of::log_entry(),
        membership in any_of::membership(),
        leader in any_of::leader(),
        committed in any::<bool>(),
    ) {
        let vote = raft::Vote { leader, committed };
        prop_assert_eq!(raft::decode_vote(&raft::encode_vote(&vote)), Ok(vote));
        prop_assert_eq!(raft::decode_log_id(&raft::encode_log_id(entry.id)), Ok(entry.id));
        prop_assert_eq!(raft::decode_membership(&raft::encode_membership(&membership)), Ok(membership));
        prop_assert_eq!(raft::decode_log_entry(&raft::encode_log_entry(&entry)[..]), Ok(entry));
    }

    #[test]
    fn a_reply_survives_its_bytes(said in any_of::reply()) {
        prop_assert_eq!(reply::decode_reply(&reply::encode_reply(&said)), Ok(said));
    }

    #[test]
    fn a_record_of_the_state_survives_its_bytes(record in any_state::record()) {
        prop_assert_eq!(state::decode_record(&state::encode_record(&record)[..]), Ok(record));
    }

    #[test]
    fn a_snapshot_survives_its_file(header in any_of::header(), records in vec(vec(any::<u8>(), 0..200), 0..20)) {
        let mut writer = Writer::new(Vec::new(), &header).expect("written");
        for record in &records {
            writer.push(record.clone()).expect("written");
        }
        let file = writer.finish().expect("written");
        let mut reader = Reader::new(&file[..]).expect("a header");
        prop_assert_eq!(reader.header(), &header);
        let mut found = Vec::new();
        while let Some(record) = reader.next_record().expect("whole") {
            found.push(record.to_vec());
        }
        prop_assert_eq!(found, records);
    }
}

#[test]
fn an_entry_of_another_cluster_or_incarnation_is_refused_by_name() {
    let (own, batch) = (values::stamp(), values::batch());
    let foreign = Stamp { cluster: dkron_core::ids::ClusterId(9), ..own };
    let refused = decode_own_batch(own, &encode_batch(foreign, &batch));
    assert_eq!(refused, Err(WireError::ForeignCluster { found: foreign.cluster, own: own.cluster }));
    let later = Stamp { incarnation: dkron_core::ids::Incarnation(9), ..own };
    let refused = decode_own_batch(own, &encode_batch(later, &batch));
    assert_eq!(
        refused,
        Err(WireError::ForeignIncarnation { found: later.incarnation, own: own.incarnation })
    );
}

#[test]
fn an_entry_of_a_newer_format_is_refused_by_name_whatever_follows() {
    let mut bytes = encode_batch(values::stamp(), &values::batch());
    assert_eq!(bytes[..2], [8, 2]);
    bytes[1] = 7;
    let refused = WireError::UnknownFormat { what: "entry", found: 7, known: Formats::OWN };
    assert_eq!(decode_batch(&bytes), Err(refused.clone()));
    // A field of this format with another type in the newer one.
    bytes.extend([0x22, 1, 0]);
    assert_eq!(decode_batch(&bytes), Err(refused));
    assert!(matches!(decode_batch(&[]), Err(WireError::UnknownFormat { found: 0, .. })));
}

#[test]
fn places_on_the_agenda_are_not_written() {
    let mut records = values::records();
    let Record::Occurrence(reference, mut occurrence) = records.swap_remove(3).1 else {
        panic!("an occurrence")
    };
    occurrence.turn = Turn::Unplaced(0);
    let without = state::encode_record(&Record::Occurrence(reference, occurrence.clone()));
    occurrence.turn = Turn::Unplaced(9);
    occurrence.executions[0].agenda = 9;
    assert_eq!(state::encode_record(&Record::Occurrence(reference, occurrence)), without);
}

#[test]
fn a_hello_of_a_newer_protocol_is_refused_by_name() {
    let said = FromAgent::Hello { stamp: None, process: 7, registration: values::registration() };
    let mut bytes = delivery::from_agent_to_wire(&said).encode_to_vec();
    // The hello's first field is the protocol, after the tag and the length of the hello itself.
    assert_eq!((bytes[0], bytes[2], bytes[3]), (0x0a, 0x08, 1));
    bytes[3] = 7;
    let message = delivery::service::FromAgent::decode(&bytes[..]).expect("a message");
    let refused =
        WireError::UnknownFormat { what: "agent protocol", found: 7, known: delivery::AGENT_PROTOCOLS };
    assert_eq!(delivery::from_agent(message), Err(refused));
}

#[test]
fn a_list_of_ids_that_is_cut_is_refused() {
    let bytes = raft::encode_membership(&raft::Membership {
        configs: vec![[NodeId(1)].into()],
        ..raft::Membership::default()
    });
    // The set's tag and length, the ids' tag and length, 16 bytes.
    assert_eq!(bytes[..4], [0x0a, 18, 0x0a, 16]);
    let cut = [&[0x0a, 17, 0x0a, 15][..], &bytes[4..19]].concat();
    let refused = WireError::Length { field: "membership.voters", found: 15 };
    assert_eq!(raft::decode_membership(&cut), Err(refused));
}

#[test]
fn what_an_operator_asks_of_the_leader_and_hears_survives_its_message() {
    let (task, health) = values::operator();
    let Done::Health(shown) = &health else { panic!("health") };
    let peer = Done::Peer(shown.servers[0].peer.clone());
    for task in [task, Task::Health, Task::Transfer(None), Task::Transfer(Some("node2".into()))] {
        let message = operator::task_to_wire(values::head(), &task);
        assert_eq!(operator::task_from_wire(message), Ok((values::head(), task)));
    }
    let later = values::NOW + Span::from_seconds(7);
    for done in [health.clone(), peer, Done::Failed(4, "no".into())] {
        let message = operator::done_to_wire(&done, values::NOW);
        assert_eq!(operator::done_from_wire(message.clone(), values::NOW), Ok(done));
        // On another machine's clock the ages are the same.
        if let Ok(Done::Health(there)) = operator::done_from_wire(message, later) {
            assert_eq!(there.servers[0].heard, shown.servers[0].heard.map(|at| at + Span::from_seconds(7)));
        }
    }
}

#[test]
fn an_entry_says_the_oldest_format_that_has_words_for_it_and_a_build_without_them_refuses_it() {
    let batch = |action| Batch { time: values::NOW, commands: vec![Command { request: None, action }] };
    let (plain, token) = (batch(Action::Pause(true)), batch(values::first_token()));
    let older = Formats { first: 1, last: 1 };
    let newer = Formats { first: 2, last: 2 };
    let refused = |found, known| Err(WireError::UnknownFormat { what: "entry", found, known });
    let bytes = encode_batch(values::stamp(), &plain);
    assert_eq!(check_format(&bytes, older), Ok(()));
    assert_eq!(check_format(&bytes, newer), Ok(()), "it stands in the log from before");
    let bytes = encode_batch(values::stamp(), &token);
    assert_eq!((check_format(&bytes, older), check_format(&bytes, newer)), (refused(2, older), Ok(())));
    let bytes = encode_batch_in(2, values::stamp(), &plain);
    assert_eq!(check_format(&bytes, older), refused(2, older), "the format in force counts");
    assert_eq!(decode_batch(&bytes), Ok((values::stamp(), plain)));
}

#[test]
fn an_agents_protocols_are_told_and_those_of_builds_too_far_apart_are_refused_by_both_ranges() {
    let said = FromAgent::Hello { stamp: None, process: 7, registration: values::registration() };
    let range = |first, last| Formats { first, last };
    let mut hello = delivery::from_agent_to_wire(&said);
    assert_eq!(delivery::check_protocols(&hello, Formats::OWN), Ok(()));
    delivery::say_protocols(&mut hello, range(1, 1));
    assert_eq!(delivery::check_protocols(&hello, Formats::OWN), Ok(()), "an older agent");
    let refused = delivery::check_protocols(&hello, range(2, 3)).expect_err("too far apart");
    let words =
        "the agent speaks protocols 1 to 1, this server 2 to 3: upgrade one release at a time, agents first";
    assert_eq!(refused.to_string(), words);
    delivery::say_protocols(&mut hello, range(2, 2));
    assert!(delivery::check_protocols(&hello, range(1, 1)).is_err(), "a newer agent");
}
