//! What servers say to one another about the log: fixed bytes, round trips, and bytes that nobody sent.

use crate::golden::check;
use crate::{any_of, values};
use dkron_core::ids::NodeId;
use dkron_wire::consensus::service::{
    AppendReply, AppendRequest, SnapshotName, SnapshotPart, SnapshotReply, TransferReply, TransferRequest,
    VoteReply, VoteRequest,
};
use dkron_wire::consensus::{
    self as wire, Append, Appended, Ballot, Balloted, Head, Transfer, TransferRefusal,
};
use dkron_wire::raft::{LogEntry, Payload, Vote};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;

fn head() -> Head {
    Head { stamp: values::stamp(), sender: NodeId(0xa1), target: NodeId(0xa2) }
}

fn vote() -> Vote {
    Vote { leader: values::log_id().leader, committed: true }
}

fn entries() -> Append {
    let payloads =
        [Payload::Blank, Payload::Normal(b"batch"[..].into()), Payload::Membership(values::membership())];
    let entries = payloads.map(|payload| LogEntry { id: values::log_id(), payload });
    let last = Some(values::log_id());
    Append { vote: vote(), previous: last, committed: last, entries: entries.into() }
}

fn part() -> wire::SnapshotPart {
    let name = wire::SnapshotName { last: values::log_id(), size: 1_000_000, sum: 0xabcd_ef01 };
    wire::SnapshotPart { name, vote: vote(), offset: 65_536, bytes: b"bytes"[..].into() }
}

#[test]
fn what_servers_say_about_the_log_has_the_bytes_that_it_always_had() {
    let last = Some(values::log_id());
    let sent = wire::append_to_wire(&head(), &entries()).encode_to_vec();
    check("consensus_append", (head(), entries()), sent, |bytes| {
        let mut message = AppendRequest::decode(bytes).expect("a message");
        let head = wire::head(message.head.take()).expect("a head");
        (head, wire::append(message).expect("entries"))
    });
    for (name, answer) in [
        ("matching", Appended::Matching(last)),
        ("conflict", Appended::Conflict(values::log_id())),
        ("higher", Appended::Higher(vote())),
    ] {
        let sent = wire::appended_to_wire(&answer).encode_to_vec();
        check(&format!("consensus_{name}"), answer, sent, |bytes| {
            wire::appended(AppendReply::decode(bytes).expect("a message")).expect("an answer")
        });
    }
    let ballot = Ballot { vote: vote(), last, transfer: true };
    check("consensus_ballot", ballot, wire::ballot_to_wire(&head(), &ballot).encode_to_vec(), |bytes| {
        wire::ballot(VoteRequest::decode(bytes).expect("a message")).expect("a question")
    });
    let balloted = Balloted { vote: vote(), granted: true, last };
    check("consensus_balloted", balloted, wire::balloted_to_wire(&balloted).encode_to_vec(), |bytes| {
        wire::balloted(VoteReply::decode(bytes).expect("a message")).expect("an answer")
    });
    let sent = wire::snapshot_part_to_wire(&head(), &part()).encode_to_vec();
    check("consensus_snapshot", (head(), part()), sent, |bytes| {
        wire::snapshot_part(SnapshotPart::decode(bytes).expect("a message")).expect("a part")
    });
    let transfer = Transfer { from: vote(), to: NodeId(0xa2), last };
    check(
        "consensus_transfer",
        transfer,
        wire::transfer_to_wire(&head(), &transfer).encode_to_vec(),
        |bytes| wire::transfer(TransferRequest::decode(bytes).expect("a message")).expect("a transfer"),
    );
}

#[test]
fn a_part_with_a_bit_turned_on_the_way_is_found_out() {
    let mut message = wire::snapshot_part_to_wire(&head(), &part());
    message.bytes = b"bytfs"[..].into();
    assert!(wire::snapshot_part(message).is_err());
}

/// Every decoder, on the same bytes: none panics.
fn decode_all(bytes: &[u8]) {
    if let Ok(mut message) = AppendRequest::decode(bytes) {
        drop((wire::head(message.head.take()), wire::append(message)));
    }
    if let Ok(message) = AppendReply::decode(bytes) {
        drop(wire::appended(message));
    }
    if let Ok(message) = VoteRequest::decode(bytes) {
        drop(wire::ballot(message));
    }
    if let Ok(message) = VoteReply::decode(bytes) {
        drop(wire::balloted(message));
    }
    if let Ok(message) = SnapshotName::decode(bytes) {
        drop(wire::snapshot_name(message));
    }
    if let Ok(message) = SnapshotPart::decode(bytes) {
        drop(wire::snapshot_part(message));
    }
    if let Ok(message) = SnapshotReply::decode(bytes) {
        drop(wire::installed(message));
    }
    if let Ok(message) = TransferRequest::decode(bytes) {
        drop(wire::transfer(message));
    }
    if let Ok(message) = TransferReply::decode(bytes) {
        drop(wire::transferred(message));
    }
}

proptest! {
    #[test]
    fn what_servers_say_survives_its_bytes(
        (stamp, sender, target) in (any_of::stamp(), any_of::wide(), any_of::wide()),
        (leader, committed) in (any_of::leader(), any::<bool>()),
        (previous, last) in (option::of(any_of::log_id()), option::of(any_of::log_id())),
        entries in vec(any_of::log_entry(), 0..4),
    ) {
        let head = Head { stamp, sender: NodeId(sender), target: NodeId(target) };
        let vote = Vote { leader, committed };
        let append = Append { vote, previous, committed: last, entries };
        let mut message = wire::append_to_wire(&head, &append);
        prop_assert_eq!(wire::head(message.head.take()), Ok(head));
        prop_assert_eq!(wire::append(message), Ok(append));
        for answer in [Appended::Matching(last), Appended::Higher(vote)] {
            prop_assert_eq!(wire::appended(wire::appended_to_wire(&answer)), Ok(answer));
        }
        let ballot = Ballot { vote, last, transfer: committed };
        prop_assert_eq!(wire::ballot(wire::ballot_to_wire(&head, &ballot)), Ok(ballot));
        let balloted = Balloted { vote, granted: committed, last };
        prop_assert_eq!(wire::balloted(wire::balloted_to_wire(&balloted)), Ok(balloted));
        prop_assert_eq!(wire::installed(wire::installed_to_wire(&vote)), Ok(vote));
        let transfer = Transfer { from: vote, to: NodeId(target), last };
        prop_assert_eq!(wire::transfer(wire::transfer_to_wire(&head, &transfer)), Ok(transfer));
        for refusal in [None, Some(TransferRefusal::Vote(vote)), Some(TransferRefusal::Behind(last))] {
            prop_assert_eq!(wire::transferred(wire::transferred_to_wire(refusal.as_ref())), Ok(refusal));
        }
    }

    #[test]
    fn bytes_that_nobody_sent_are_an_error_and_never_a_panic(
        bytes in vec(any::<u8>(), 0..300), place in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        decode_all(&bytes);
        for whole in [
            wire::append_to_wire(&head(), &entries()).encode_to_vec(),
            wire::snapshot_part_to_wire(&head(), &part()).encode_to_vec(),
        ] {
            let mut turned = whole.clone();
            turned[place.index(whole.len())] ^= 1 << bit;
            decode_all(&turned);
            decode_all(&whole[..place.index(whole.len())]);
        }
    }
}
