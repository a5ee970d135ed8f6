//! The scheduler's ledger as the machine that the log is folded into.

use super::machine::{Digest, Effects, Machine};
use super::type_config::Replies;
use bytes::Bytes;
use dkron_core::apply::Ledger;
use dkron_core::command::Batch;
use dkron_core::execution::HistoryRow;
use dkron_core::state::{DIGEST_VERSION, State};
use dkron_core::time::Time;
use dkron_wire::state::{decode_record, encode_record};
use std::sync::Arc;

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

    fn is_founded(view: &State) -> bool {
        view.cluster().is_some()
    }

    fn view(&self) -> Arc<State> {
        Arc::new(self.state.clone())
    }

    fn digest(view: &State) -> Digest {
        Digest { value: view.digest(), format: DIGEST_VERSION }
    }

    fn time(view: &State) -> Time {
        view.time()
    }

    fn save(view: &State) -> impl Iterator<Item = Bytes> {
        view.records().map(|record| encode_record(&record).into())
    }

    fn load(applied: u64, time: Time, records: &mut dyn Iterator<Item = Bytes>) -> Result<Ledger, String> {
        let mut unreadable = None;
        let readable = records.map_while(|bytes| {
            let record = decode_record(bytes);
            record.map_err(|error| unreadable = Some(error)).ok()
        });
        let state = State::rebuild(applied, time, readable);
        if let Some(error) = unreadable {
            return Err(error.to_string());
        }
        state.map(Ledger::over).map_err(|error| error.to_string())
    }
}
