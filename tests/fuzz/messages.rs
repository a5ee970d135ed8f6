//! What nodes say to one another, and what they keep of it: the first byte says which kind of message the rest is.

use super::engine::{Target, equal, in_proportion};
use super::world::STAMP;
use dkron_core::ids::NodeId;
use dkron_wire::{
    consensus, definition, delivery, formation, gossip, history, raft, reply, submit, supervisor,
};
use prost::Message;
use std::fmt::Debug;

pub(super) const TARGET: Target = Target {
    name: "messages",
    rounds: 8_000,
    seeds,
    words: &["nightly-report", "127.0.0.1:8946", "UTC", "node1"],
    run,
};

type Kind = fn(&[u8]) -> Result<String, String>;

/// Reads bytes, writes what was read, and reads that: it says the same, in no more bytes than are in proportion.
fn again<T: Debug + PartialEq, E: ToString>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, E>,
    write: impl Fn(&T) -> Vec<u8>,
) -> Result<String, String> {
    let value = match read(bytes) {
        Ok(value) => value,
        Err(error) => return Ok(error.to_string()),
    };
    let written = write(&value);
    in_proportion(bytes.len(), written.len())?;
    let second =
        read(&written).map_err(|error| format!("what was written is refused: {}", error.to_string()))?;
    equal("a message", &value, &second)?;
    let words = format!("{value:?}");
    Ok(words.chars().take(120).filter(|letter| letter.is_alphabetic()).collect())
}

/// A generated message, or why the bytes are none.
fn wire<M: Message + Default>(bytes: &[u8]) -> Result<M, String> {
    M::decode(bytes).map_err(|error| error.to_string())
}

/// A kind that is bytes at once.
macro_rules! plain {
    ($read:expr, $write:expr) => {
        |bytes| again(bytes, |bytes| $read(bytes), |value| $write(value))
    };
}

/// A kind that is a generated message first.
macro_rules! message {
    ($read:expr, $write:expr) => {
        |bytes| {
            let read =
                |bytes: &[u8]| wire(bytes).and_then(|wire| $read(wire).map_err(|error| error.to_string()));
            again(bytes, read, |value| $write(value).encode_to_vec())
        }
    };
}

const KINDS: [Kind; 22] = [
    message!(delivery::to_agent, delivery::to_agent_to_wire),
    message!(delivery::from_agent, delivery::from_agent_to_wire),
    message!(submit::from_wire, submit::to_wire),
    message!(submit::outcome_from_wire, submit::outcome_to_wire),
    message!(formation::hello_from_wire, |(target, hello): &(_, _)| formation::hello_to_wire(*target, hello)),
    message!(formation::answer_from_wire, formation::answer_to_wire),
    message!(formation::request_from_wire, |(to, promise): &(_, _)| formation::request_to_wire(*to, promise)),
    message!(consensus::append, |append| consensus::append_to_wire(&head(), append)),
    message!(consensus::appended, consensus::appended_to_wire),
    message!(consensus::ballot, |ballot| consensus::ballot_to_wire(&head(), ballot)),
    message!(consensus::balloted, consensus::balloted_to_wire),
    message!(consensus::transfer, |transfer| consensus::transfer_to_wire(&head(), transfer)),
    plain!(supervisor::decode_to_supervisor, |message| unframed(supervisor::encode_to_supervisor(message))),
    plain!(supervisor::decode_from_supervisor, |message| unframed(supervisor::encode_from_supervisor(
        message
    ))),
    plain!(gossip::decode_announcement, gossip::encode_announcement),
    plain!(gossip::decode_envelope, gossip::encode_envelope),
    plain!(formation::decode_promise, formation::encode_promise),
    plain!(history::decode_row, history::encode_row),
    plain!(reply::decode_reply, reply::encode_reply),
    plain!(definition::decode, definition::encode),
    plain!(raft::decode_membership, raft::encode_membership),
    plain!(raft::decode_vote, raft::encode_vote),
];

/// Messages to a supervisor go with their length before them, which the reader takes off.
fn unframed(bytes: Vec<u8>) -> Vec<u8> {
    bytes[4..].to_vec()
}

fn head() -> consensus::Head {
    consensus::Head { stamp: STAMP, sender: NodeId(1), target: NodeId(2) }
}

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/src/wire/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every golden message, as each kind.
fn seeds() -> Vec<Vec<u8>> {
    let folder = format!("{}/src/wire/tests/golden", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("golden files")
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let whole = names.iter().map(|name| golden(name));
    whole.flat_map(|bytes| (0..KINDS.len() as u8).map(move |kind| [&[kind], &bytes[..]].concat())).collect()
}

fn run(bytes: &[u8]) -> Result<String, String> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok("nothing".to_owned()) };
    let number = usize::from(*kind) % KINDS.len();
    KINDS[number](rest).map(|words| format!("{}: {words}", char::from(b'a' + number as u8)))
}
