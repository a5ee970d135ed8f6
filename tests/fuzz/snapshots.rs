//! Snapshots: raw bytes as a file, and records in a file that is framed well.

use super::chunks;
use super::engine::{Target, equal, in_proportion};
use super::world::{STAMP, world};
use dkron_core::state::State;
use dkron_core::state::record::Record;
use dkron_wire::raft::Membership;
use dkron_wire::snapshot::{Header, Reader, SnapshotError, Writer};
use dkron_wire::state;

pub(super) const TARGET: Target =
    Target { name: "snapshots", rounds: 4_000, seeds, words: &["UTC", "one", "allow"], run };

/// The world as one input, and each of its records as another.
fn seeds() -> Vec<Vec<u8>> {
    let records: Vec<Vec<u8>> = world().state.records().map(|record| state::encode_record(&record)).collect();
    let mut seeds: Vec<Vec<u8>> = records.iter().map(|record| chunks::join([record.clone()])).collect();
    let first: Vec<Vec<u8>> = records.iter().take(12).cloned().collect();
    seeds.push(file(&first));
    seeds.push(chunks::join(first));
    seeds.push(chunks::join(records));
    seeds
}

fn header() -> Header {
    Header {
        format: world().state.format(),
        stamp: STAMP,
        applied: None,
        membership: Membership::default(),
        membership_at: None,
        time: world().state.time(),
        digest: world().state.digest(),
        digest_format: world().state.digest_version(),
    }
}

fn file(records: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header()).expect("memory takes all");
    records.iter().for_each(|record| writer.push(record.clone()).expect("memory takes all"));
    writer.finish().expect("memory takes all")
}

fn read(file: &[u8]) -> Result<Vec<bytes::Bytes>, SnapshotError> {
    let mut reader = Reader::new(file)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(records)
}

fn run(bytes: &[u8]) -> Result<String, String> {
    let raw = match read(bytes) {
        Ok(records) => format!("{} records raw", records.len().min(2)),
        Err(error) => error.to_string(),
    };
    let pieces: Vec<Vec<u8>> = chunks::split(bytes).into_iter().map(<[u8]>::to_vec).collect();
    let found = read(&file(&pieces)).map_err(|error| format!("what was written is not read: {error}"))?;
    equal("the records", &pieces, &found.iter().map(|record| record.to_vec()).collect())?;
    let mut records = Vec::new();
    for piece in found {
        match state::decode_record(piece.clone()) {
            Ok(record) => records.push(same_again(&piece, record)?),
            Err(error) => return Ok(format!("{raw}; {error}")),
        }
    }
    match State::rebuild(7, world().state.time(), records) {
        Ok(state) => {
            let again = State::rebuild(7, state.time(), state.records());
            let again = again.map_err(|error| format!("the records of a state are none: {error}"))?;
            equal("the digest", &state.digest(), &again.digest())?;
            Ok(format!("{raw}; a state with {} jobs", state.job_count().min(2)))
        }
        Err(error) => Ok(format!("{raw}; {error}")),
    }
}

fn same_again(bytes: &[u8], record: Record) -> Result<Record, String> {
    let written = state::encode_record(&record);
    in_proportion(bytes.len(), written.len())?;
    equal("a record", &Ok(&record), &state::decode_record(&written[..]).as_ref())?;
    Ok(record)
}
