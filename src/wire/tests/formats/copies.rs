//! What servers give one another of their histories and say of their states: fixed bytes, and bytes that nobody sent.

use crate::golden::check;
use crate::values;
use dkron_core::ids::{ExecutionId, NodeId};
use dkron_wire::consensus::Head as ConsensusHead;
use dkron_wire::consensus::service::{DigestsReply, QuarantineRequest};
use dkron_wire::copies::{self, Output, Rows, service};
use dkron_wire::digests::{self, Account, Seal, Verdict};
use dkron_wire::submit::Head;
use proptest::prelude::*;
use prost::Message;

fn head() -> Head {
    Head { stamp: values::stamp(), target: NodeId(0xa2) }
}

fn output() -> Output {
    Output { id: ExecutionId(0xe1), bytes: b"what it wrote\n"[..].into(), cut: true }
}

fn rows() -> Rows {
    Rows { entries: vec![(7, values::history_rows()), (9, Vec::new())], complete_to: 12, lost_up_to: 3 }
}

fn seal() -> Seal {
    Seal { index: 512, value: 0xd1, format: 1 }
}

#[test]
fn what_servers_give_one_another_of_their_histories_has_the_bytes_that_it_always_had() {
    check("copies_put", output(), copies::put_to_wire(head(), &output()).encode_to_vec(), |bytes| {
        let message = service::PutRequest::decode(bytes).expect("a message");
        assert_eq!(copies::head(message.head), Ok(head()));
        copies::put_from_wire(message.output).expect("an output")
    });
    check("copies_rows", rows(), copies::rows_to_wire(&rows()).encode_to_vec(), |bytes| {
        copies::rows_from_wire(service::RowsReply::decode(bytes).expect("a message")).expect("rows")
    });
    let follow = copies::follow_to_wire(head(), ExecutionId(0xe1), 300).encode_to_vec();
    check("copies_follow", (ExecutionId(0xe1), 300), follow, |bytes| {
        let message = service::FollowRequest::decode(bytes).expect("a message");
        (copies::execution(&message.id).expect("an id"), message.offset)
    });
    for found in [None, Some(output())] {
        let bytes = copies::found_to_wire(found.as_ref()).encode_to_vec();
        let reply = service::OutputReply::decode(&bytes[..]).expect("a message");
        assert_eq!(copies::found_from_wire(reply), Ok(found));
    }
}

#[test]
fn what_servers_say_of_their_states_has_the_bytes_that_it_always_had() {
    let from = ConsensusHead { stamp: values::stamp(), sender: NodeId(0xa1), target: NodeId(0xa2) };
    let account = Account { seals: vec![seal()], quarantined: true };
    check("digests_account", account.clone(), digests::account_to_wire(&account).encode_to_vec(), |bytes| {
        digests::account_from_wire(DigestsReply::decode(bytes).expect("a message")).expect("an account")
    });
    let verdict = Verdict { seal: seal(), agree: 2, voters: 3 };
    check("digests_verdict", verdict, digests::verdict_to_wire(&from, &verdict).encode_to_vec(), |bytes| {
        let message = QuarantineRequest::decode(bytes).expect("a message");
        digests::verdict_from_wire(message).expect("a verdict")
    });
}

#[test]
fn rows_out_of_order_or_beyond_what_is_said_to_be_complete_are_refused() {
    for entries in [vec![(9, Vec::new()), (7, Vec::new())], vec![(7, Vec::new()); 2], vec![(13, Vec::new())]]
    {
        let message = copies::rows_to_wire(&Rows { entries, ..rows() });
        assert!(copies::rows_from_wire(message).is_err());
    }
}

proptest! {
    #[test]
    fn bytes_that_nobody_sent_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = service::RowsReply::decode(&bytes[..]) {
            let _ = copies::rows_from_wire(message);
        }
        if let Ok(message) = service::PutRequest::decode(&bytes[..]) {
            let _ = copies::head(message.head);
            let _ = copies::put_from_wire(message.output);
        }
        if let Ok(message) = service::OutputReply::decode(&bytes[..]) {
            let _ = copies::found_from_wire(message);
        }
        if let Ok(message) = DigestsReply::decode(&bytes[..]) {
            let _ = digests::account_from_wire(message);
        }
        if let Ok(message) = QuarantineRequest::decode(&bytes[..]) {
            let _ = digests::verdict_from_wire(message);
        }
    }
}
