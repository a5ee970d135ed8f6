//! Bytes from a broken disk, a newer version or an enemy: an error, never a panic, never a huge allocation.

use crate::values;
use dkron_wire::entry::{decode_batch, encode_batch};
use dkron_wire::frame::{End, FRAME_HEAD_BYTES, FrameReader, write_frame};
use dkron_wire::snapshot::{Reader, SnapshotError, Writer};
use dkron_wire::{definition, delivery, history, journal, operator, raft, reply, state, submit, supervisor};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use std::io::Read;

/// Every decoder, on the same bytes.
fn decode_all(bytes: &[u8]) {
    let _ = definition::decode(bytes);
    let _ = decode_batch(bytes);
    let _ = history::decode_row(bytes);
    let _ = reply::decode_reply(bytes);
    let _ = state::decode_record(bytes);
    let _ = journal::decode_header(bytes);
    let _ = journal::decode_record(bytes);
    let _ = supervisor::decode_to_supervisor(bytes);
    let _ = supervisor::decode_from_supervisor(bytes);
    let _ = supervisor::decode_result(bytes);
    let _ = raft::decode_vote(bytes);
    let _ = raft::decode_log_id(bytes);
    let _ = raft::decode_membership(bytes);
    let _ = raft::decode_log_entry(bytes);
    if let Ok(message) = delivery::service::ToAgent::decode(bytes) {
        let _ = delivery::to_agent(message);
    }
    if let Ok(message) = delivery::service::FromAgent::decode(bytes) {
        let _ = delivery::from_agent(message);
    }
    if let Ok(message) = submit::service::SubmitRequest::decode(bytes) {
        let _ = submit::from_wire(message);
    }
    if let Ok(message) = submit::service::SubmitReply::decode(bytes) {
        let _ = submit::outcome_from_wire(message);
    }
    if let Ok(message) = submit::service::OperateRequest::decode(bytes) {
        let _ = operator::task_from_wire(message);
    }
    if let Ok(message) = submit::service::OperateReply::decode(bytes) {
        let _ = operator::done_from_wire(message, values::NOW);
    }
    if let Ok(message) = operator::service::NodesReply::decode(bytes) {
        let _ = operator::nodes_from_wire(message.nodes);
    }
    read_snapshot(bytes).err();
    let mut frames = FrameReader::new(bytes);
    while frames.next_frame().expect("memory has no errors").is_some() {}
    assert!(frames.end().is_some() && frames.good_bytes() <= bytes.len() as u64);
}

fn read_snapshot(bytes: &[u8]) -> Result<usize, SnapshotError> {
    let mut reader = Reader::new(bytes)?;
    let mut records = 0;
    while reader.next_record()?.is_some() {
        records += 1;
    }
    Ok(records)
}

/// Whole messages of every kind, to be damaged.
fn whole() -> Vec<Vec<u8>> {
    let header = values::snapshot_header();
    let mut snapshot = Writer::new(Vec::new(), &header).expect("written");
    snapshot.push(b"first".to_vec()).expect("written");
    let entry = encode_batch(values::stamp(), &values::batch());
    let mut all: Vec<Vec<u8>> = values::history_rows().iter().map(history::encode_row).collect();
    all.extend(values::records().iter().map(|(_, record)| state::encode_record(record)));
    all.push(definition::encode(&values::job()));
    all.push(raft::encode_membership(&values::membership()));
    all.push(snapshot.finish().expect("written"));
    let reports = dkron_core::delivery::FromAgent::Reports(values::told());
    all.push(delivery::from_agent_to_wire(&reports).encode_to_vec());
    all.push(entry);
    let (task, done) = values::operator();
    all.push(operator::task_to_wire(values::head(), &task).encode_to_vec());
    all.push(operator::done_to_wire(&done, values::NOW).encode_to_vec());
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn damaged_messages_never_panic(
        which in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = which.get(&whole()).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        decode_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        decode_all(&bytes);
    }

    #[test]
    fn arbitrary_rows_of_numbers_never_panic(
        kind in 2u8..6,
        numbers in vec(prop_oneof![3 => 0..256u64, 1 => any::<u64>()], 0..40),
    ) {
        // An entry with one command whose first field is these numbers, packed.
        let mut packed = Vec::new();
        numbers.iter().for_each(|number| prost::encoding::encode_varint(*number, &mut packed));
        let rows = nested(0x0a, &packed);
        let action = nested((kind << 3) | 2, &rows);
        let head = encode_batch(values::stamp(), &dkron_core::command::Batch {
            time: values::NOW,
            commands: Vec::new(),
        });
        decode_all(&[head, nested(0x2a, &action)].concat());
    }
}

fn nested(tag: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    prost::encoding::encode_varint(message.len() as u64, &mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

#[test]
fn a_promised_length_or_count_that_is_not_there_is_an_error() {
    let head = encode_batch(
        values::stamp(),
        &dkron_core::command::Batch { time: values::NOW, commands: Vec::new() },
    );
    let count = [0, 0b0000_0001 | (1 << 5), 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let hostile = [
        // A command of 2^63 bytes.
        vec![0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        // A start on 2^63 nodes.
        nested(0x2a, &nested(0x12, &nested(0x0a, &count))),
        // An error text of 2^63 bytes.
        nested(0x2a, &nested(0x1a, &[nested(0x12, &[1, 2, 3, 4]), nested(0x0a, &report())].concat())),
    ];
    for command in hostile {
        assert!(decode_batch(&[head.clone(), command.clone()].concat()).is_err(), "{command:?}");
    }
}

/// A finished execution with an error text, up to the text's length.
fn report() -> Vec<u8> {
    let mut numbers = Vec::new();
    for number in [2 | (1 << 8), 0, 0, u64::MAX >> 1, 0] {
        prost::encoding::encode_varint(number, &mut numbers);
    }
    numbers
}

#[test]
fn leftover_columns_are_an_error() {
    let head = encode_batch(
        values::stamp(),
        &dkron_core::command::Batch { time: values::NOW, commands: Vec::new() },
    );
    for (action, column) in [(0x12, nested(0x12, &[0; 8])), (0x1a, nested(0x1a, b"text"))] {
        let command = nested(0x2a, &nested(action, &column));
        assert!(decode_batch(&[head.clone(), command].concat()).is_err());
    }
    let numbers = nested(0x2a, &nested(0x1a, &nested(0x0a, &[0, 0])));
    assert!(decode_batch(&[head, numbers].concat()).is_err());
}

/// Remembers the largest buffer that it was asked to fill.
struct Probe<'a> {
    bytes: &'a [u8],
    largest: usize,
}

impl Read for Probe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.largest = self.largest.max(buffer.len());
        self.bytes.read(buffer)
    }
}

#[test]
fn a_frame_that_promises_megabytes_costs_only_what_is_there() {
    let bytes = [&(15u32 << 20).to_le_bytes()[..], &[0; 100]].concat();
    let mut probe = Probe { bytes: &bytes, largest: 0 };
    let mut reader = FrameReader::new(&mut probe);
    assert_eq!(reader.next_frame().expect("no error"), None);
    assert_eq!((reader.end(), reader.good_bytes()), (Some(End::Torn), 0));
    assert!(probe.largest <= 64 * 1024, "{}", probe.largest);
}

fn frames(payloads: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    for payload in payloads {
        write_frame(&mut file, payload).expect("written");
    }
    file
}

fn read_frames(file: &[u8]) -> (Vec<Vec<u8>>, u64, Option<End>) {
    let mut reader = FrameReader::new(file);
    let payloads = std::iter::from_fn(|| reader.next_frame().expect("no error")).collect();
    (payloads, reader.good_bytes(), reader.end())
}

#[test]
fn a_torn_tail_is_cut_where_the_last_whole_frame_ends() {
    let payloads: [&[u8]; 3] = [b"one", b"", b"three"];
    let file = frames(&payloads);
    let good = (file.len() - FRAME_HEAD_BYTES - 5) as u64;
    assert_eq!(
        read_frames(&file),
        (payloads.map(<[u8]>::to_vec).to_vec(), file.len() as u64, Some(End::Whole))
    );
    for cut in good as usize + 1..file.len() {
        let expected = (vec![b"one".to_vec(), Vec::new()], good, Some(End::Torn));
        assert_eq!(read_frames(&file[..cut]), expected, "cut at {cut}");
    }
}

#[test]
fn every_flipped_bit_of_a_frame_is_found() {
    let file = frames(&[b"one", b"two"]);
    let first = (FRAME_HEAD_BYTES + 3) as u64;
    for bit in first * 8..file.len() as u64 * 8 {
        let mut file = file.clone();
        file[bit as usize / 8] ^= 1 << (bit % 8);
        let (payloads, good, end) = read_frames(&file);
        assert_eq!((payloads.len(), good), (1, first), "bit {bit}");
        assert_ne!(end, Some(End::Whole), "bit {bit}");
    }
}

#[test]
fn a_stretch_of_zeros_is_no_frame() {
    let file = [frames(&[b"one"]), vec![0; 4096]].concat();
    assert_eq!(read_frames(&file), (vec![b"one".to_vec()], 11, Some(End::Damaged)));
}

#[test]
fn a_frame_beyond_the_bound_is_refused_by_writer_and_reader() {
    let long = vec![0; dkron_wire::frame::FRAME_BYTES_MAX + 1];
    assert!(write_frame(&mut Vec::new(), &long).is_err());
    let file = frames(&[b"four"]);
    let mut reader = FrameReader::with_max(&file[..], 3);
    assert_eq!(reader.next_frame().expect("no error"), None);
    assert_eq!(reader.end(), Some(End::Damaged));
}

#[test]
fn a_snapshot_that_is_cut_flipped_reordered_or_prolonged_is_refused() {
    let header = values::snapshot_header();
    let mut writer = Writer::new(Vec::new(), &header).expect("written");
    for record in [vec![1; 70_000], vec![2; 70_000], vec![3; 10]] {
        writer.push(record).expect("written");
    }
    let file = writer.finish().expect("written");
    assert_eq!(read_snapshot(&file).ok(), Some(3));
    for cut in [0, 1, 100, 70_500, file.len() - 20, file.len() - 1] {
        assert!(matches!(read_snapshot(&file[..cut]), Err(SnapshotError::NotWhole { .. })), "cut at {cut}");
    }
    for at in [10, 50, 1_000, 100_000, file.len() - 3] {
        let mut file = file.clone();
        file[at] ^= 4;
        assert!(read_snapshot(&file).is_err(), "flipped at {at}");
    }
    let (mut parts, _, _) = read_frames(&file);
    assert_eq!(parts.len(), 5);
    let of = |parts: &[Vec<u8>]| frames(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    parts.swap(1, 2);
    assert!(matches!(read_snapshot(&of(&parts)), Err(SnapshotError::Sum)));
    parts.swap(1, 2);
    let lost = [&parts[..2], &parts[3..]].concat();
    assert!(matches!(read_snapshot(&of(&lost)), Err(SnapshotError::Sum)));
    assert!(matches!(read_snapshot(&of(&parts[1..])), Err(SnapshotError::Order { kind: 2 })));
    let twice = [&parts[..2], &parts[..]].concat();
    assert!(matches!(read_snapshot(&of(&twice)), Err(SnapshotError::Order { kind: 1 })));
    let prolonged = [file.clone(), frames(&[b"more"])].concat();
    assert!(matches!(read_snapshot(&prolonged), Err(SnapshotError::Trailing)));
    assert!(matches!(read_snapshot(&[file, vec![0]].concat()), Err(SnapshotError::Trailing)));
}
