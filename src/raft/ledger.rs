//! The scheduler's ledger as the machine that the log is folded into.

use super::machine::{Digest, Effects, Machine};
use super::type_config::Replies;
use bytes::Bytes;
use dkron_core::apply::Ledger;
use dkron_core::command::Batch;
use dkron_core::execution::HistoryRow;
use dkron_core::state::State;
use dkron_core::state::record::Record;
use dkron_core::time::Time;
use dkron_wire::state::{decode_record, encode_record};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Records that are decoded while others are built into the state: a start has two cores for them.
const PART_RECORDS: usize = 256;
/// Parts that may wait.
const PARTS: usize = 16;

impl Machine for Ledger {
    type View = State;
    type Row = HistoryRow;

    fn empty() -> Ledger {
        Ledger::default()
    }

    fn apply(&mut self, index: u64, batch: &Batch) -> Effects<HistoryRow> {
        let applied = Ledger::apply(self, index, batch);
        Effects { replies: Replies(applied.replies), rows: applied.rows }
    }

    fn pass(&mut self, index: u64) {
        Ledger::pass(self, index);
    }

    fn format(&self) -> u8 {
        self.state.format()
    }

    fn view_format(view: &State) -> u8 {
        view.format()
    }

    fn is_founded(view: &State) -> bool {
        view.cluster().is_some()
    }

    fn view(&self) -> Arc<State> {
        Arc::new(self.state.clone())
    }

    fn digest(view: &State) -> Digest {
        Digest { value: view.digest(), format: view.digest_version() }
    }

    fn time(view: &State) -> Time {
        view.time()
    }

    fn save(view: &State) -> impl Iterator<Item = Bytes> {
        view.records().map(|record| encode_record(&record).into())
    }

    fn load(applied: u64, time: Time, records: &mut dyn Iterator<Item = Bytes>) -> Result<Ledger, String> {
        let (sender, receiver) = sync_channel::<Vec<Record>>(PARTS);
        thread::scope(|scope| {
            let builder = scope.spawn(move || {
                State::rebuild(applied, time, receiver.into_iter().flatten()).map(Ledger::over)
            });
            let read = read(records, sender);
            let built = builder.join().map_err(|_| "building the state broke off".to_owned())?;
            read?;
            built.map_err(|error| error.to_string())
        })
    }
}

/// Decodes records and hands them over in parts, until there are no more or nobody wants them: a builder that
/// refuses one says why itself.
fn read(mut records: impl Iterator<Item = Bytes>, parts: SyncSender<Vec<Record>>) -> Result<(), String> {
    loop {
        let decoded = records.by_ref().take(PART_RECORDS).map(decode_record).collect::<Result<Vec<_>, _>>();
        let part = decoded.map_err(|error| error.to_string())?;
        if part.is_empty() || parts.send(part).is_err() {
            return Ok(());
        }
    }
}
