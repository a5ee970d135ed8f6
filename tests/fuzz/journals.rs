//! Journals of agents: raw bytes as a file, and records in frames, replayed to what the agent then knows.

use super::chunks;
use super::engine::{Target, equal, in_proportion};
use dkron::agent::frames::{End, push, scan};
use dkron_core::command::Report;
use dkron_core::ids::{ExecutionId, JournalId};
use dkron_core::journal::{Input, Journal, Record};
use dkron_core::time::Time;
use dkron_wire::journal::{decode_header, decode_record, encode_header, encode_record};

pub(super) const TARGET: Target = Target { name: "journals", rounds: 8_000, seeds, words: &["dkf1"], run };

/// The golden records, alone and together, and as a file.
fn seeds() -> Vec<Vec<u8>> {
    let folder = format!("{}/src/wire/tests/golden", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<_> =
        std::fs::read_dir(folder).expect("golden files").flatten().map(|file| file.path()).collect();
    names.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal_")));
    names.sort();
    let records: Vec<Vec<u8>> =
        names.iter().map(|path| std::fs::read(path).expect("a golden file")).collect();
    let mut seeds: Vec<Vec<u8>> = records.iter().map(|record| chunks::join([record.clone()])).collect();
    seeds.push(chunks::join(records.clone()));
    let mut file = Vec::new();
    push(&mut file, records[..3].iter().map(Vec::as_slice));
    push(&mut file, records[3..].iter().map(Vec::as_slice));
    seeds.push(file);
    seeds
}

fn run(bytes: &[u8]) -> Result<String, String> {
    let mut items = 0;
    let (good, end) = scan(bytes, |place, item| {
        assert_eq!(&bytes[place], item, "an item is where it is said to be");
        items += 1;
    });
    if good > bytes.len() || (end == End::Whole) != (good == bytes.len()) {
        return Err(format!("{good} of {} bytes are good, and the end is {end:?}", bytes.len()));
    }
    if let Ok(header) = decode_header(bytes) {
        equal("a header", &Ok(header), &decode_header(&encode_header(&header)))?;
    }
    framed(bytes).map(|words| format!("{end:?} {}; {words}", items.min(2)))
}

/// The pieces as records in a file that is whole: read, replayed, and replayed again from what was kept of it.
fn framed(bytes: &[u8]) -> Result<String, String> {
    let pieces = chunks::split(bytes);
    let mut file = Vec::new();
    push(&mut file, pieces.iter().copied());
    let mut items: Vec<Vec<u8>> = Vec::new();
    let end = scan(&file, |_, item| items.push(item.to_vec()));
    equal("the end of a whole file", &(file.len(), End::Whole), &end)?;
    equal("the items", &pieces.iter().map(|piece| piece.to_vec()).collect(), &items)?;
    let mut records = Vec::new();
    for item in &items {
        match decode_record(item) {
            Ok(record) => records.push(same_again(item, record)?),
            Err(error) => return Ok(error.to_string()),
        }
    }
    replayed(&records)
}

fn same_again(bytes: &[u8], record: Record) -> Result<Record, String> {
    let written = encode_record(&record);
    in_proportion(bytes.len(), written.len())?;
    equal("a record", &Ok(&record), &decode_record(&written).as_ref())?;
    Ok(record)
}

fn standing(journal: &Journal) -> Vec<(ExecutionId, Report)> {
    journal.standing(None, usize::MAX)
}

fn replayed(records: &[Record]) -> Result<String, String> {
    let id = JournalId(1);
    let mut journal = Journal::replay(id, 4, records.iter().cloned());
    let kept = Journal::replay(id, 4, journal.snapshot());
    equal("what is owed", &standing(&journal), &standing(&kept))?;
    equal("how much is remembered", &journal.len(), &kept.len())?;
    let under_way = |journal: &Journal| journal.under_way().collect::<Vec<_>>();
    equal("what is under way", &under_way(&journal), &under_way(&kept))?;
    for now in [Time::EPOCH, Time::from_seconds(2_000_000_000), Time::NEVER] {
        journal.step(now, Input::Attached(dkron_core::ids::RunnerId(5)));
        journal.step(now, Input::Tick);
    }
    let owed = standing(&journal).len().min(3);
    Ok(format!("{owed} owed, {} under way, {} in all", kept.busy().min(3), kept.len().min(3)))
}
