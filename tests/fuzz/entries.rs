//! Log entries: read, written again, applied to a ledger at work, decided upon further.

use super::engine::{Target, equal, in_proportion};
use super::world::{self, STAMP, go_on, is_whole, world};
use dkron_core::apply::Ledger;
use dkron_core::command::{Batch, Reply};
use dkron_wire::{entry, raft};

pub(super) const TARGET: Target = Target {
    name: "entries",
    rounds: 4_000,
    seeds,
    words: &["allow", "forbid", "queue", "replace", "child", "staged", "UTC", "2999a", "@every 1s", "one"],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    world::encoded()
}

fn run(bytes: &[u8]) -> Result<String, String> {
    if let Ok(logged) = raft::decode_log_entry(bytes) {
        equal(
            "a logged entry",
            &Ok(&logged),
            &raft::decode_log_entry(&raft::encode_log_entry(&logged)[..]).as_ref(),
        )?;
    }
    let (stamp, batch) = match entry::decode_batch(bytes) {
        Ok(read) => read,
        Err(error) => return Ok(error.to_string()),
    };
    let written = entry::encode_batch(stamp, &batch);
    in_proportion(bytes.len(), written.len())?;
    equal("an entry", &Ok((stamp, batch.clone())), &entry::decode_batch(&written))?;
    let own = stamp.cluster == STAMP.cluster && stamp.incarnation <= STAMP.incarnation;
    equal("an entry's own", &own, &entry::decode_own_batch(STAMP, bytes).is_ok())?;
    let bound: usize = batch.commands.iter().map(entry::entry_bytes).sum();
    if written.len() > bound + entry::ENTRY_OVERHEAD_BYTES {
        return Err(format!("an entry of {} bytes was to have at most {bound}", written.len()));
    }
    applied(&batch)
}

/// Two ledgers, one of them read from records, come to the same state; and what a leader makes of that too.
fn applied(batch: &Batch) -> Result<String, String> {
    let mut ledger = Ledger::over(world().state.clone());
    let index = ledger.state.applied() + 1;
    let replies = ledger.apply(index, batch).replies;
    equal("answers", &batch.commands.len(), &replies.len())?;
    let mut other = Ledger::over(is_whole(&Ledger::over(world().state.clone()))?);
    equal("the other server's answers", &replies, &other.apply(index, batch).replies)?;
    equal("the other server's digest", &ledger.state.digest(), &other.state.digest())?;
    is_whole(&ledger)?;
    go_on(&mut ledger, batch.time, 2);
    is_whole(&ledger)?;
    let kinds = batch.commands.iter().zip(&replies).take(3).map(|(command, reply)| {
        let action = format!("{:?}", command.action);
        let name: String = action.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        format!("{name}: {}", answer(reply))
    });
    Ok(kinds.collect::<Vec<_>>().join("; "))
}

fn answer(reply: &Reply) -> String {
    match reply {
        Reply::Refused(refusal) => refusal.to_string(),
        Reply::Rejected(rejected) => format!("rejected {}", rejected.len().min(2)),
        Reply::Stored { created, .. } => format!("stored {created}"),
        Reply::Registered(_) => "registered".to_owned(),
        Reply::Done => "done".to_owned(),
    }
}
