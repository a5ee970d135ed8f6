//! Which nodes an occurrence runs on: Dkron's rule for tags and counts, then the least loaded.

use crate::ids::NodeSlot;
use crate::limits;
use crate::node::{Liveness, Work};
use crate::rules::Selector;
use crate::state::State;
use crate::state::record::NodeRecord;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// The load that a round of planning has added on top of the state's, so that one round spreads its work.
#[derive(Debug, Default)]
pub struct Pending(BTreeMap<NodeSlot, u32>);

impl Pending {
    fn load(&self, state: &State, node: NodeSlot) -> u32 {
        state.load(node) + self.0.get(&node).copied().unwrap_or(0)
    }
}

/// The nodes for one occurrence: all that match the tags, or as many as the count says. `lot` breaks ties, so
/// that equal nodes are chosen evenly over many occurrences. Empty if nobody is eligible.
pub fn choose(state: &State, selector: &Selector, lot: u64, pending: &mut Pending) -> Vec<NodeSlot> {
    let eligible = state.nodes().filter(|(_, node)| is_eligible(node, selector)).map(|(slot, _)| slot);
    let mut chosen: Vec<NodeSlot> = match selector.count {
        None => eligible.take(limits::FANOUT_MAX).collect(),
        Some(0) => Vec::new(),
        Some(count) => least_loaded(state, eligible, count as usize, lot, pending),
    };
    chosen.sort_unstable();
    for node in &chosen {
        *pending.0.entry(*node).or_default() += 1;
    }
    chosen
}

fn least_loaded(
    state: &State,
    eligible: impl Iterator<Item = NodeSlot>,
    count: usize,
    lot: u64,
    pending: &Pending,
) -> Vec<NodeSlot> {
    let mut ranked: Vec<(u64, u64, NodeSlot)> = eligible
        .map(|slot| {
            let slots = state.node(slot).map_or(1, |node| node.registration.slots.max(1));
            let load = u64::from(pending.load(state, slot)) * 1_000 / u64::from(slots);
            (load, xxh3_64(&[lot.to_le_bytes(), u64::from(slot.0).to_le_bytes()].concat()), slot)
        })
        .collect();
    let count = count.min(limits::FANOUT_MAX).min(ranked.len());
    if count < ranked.len() {
        ranked.select_nth_unstable(count);
    }
    ranked.truncate(count);
    ranked.into_iter().map(|(_, _, slot)| slot).collect()
}

/// Whether a node may be given this work: alive, open, with every wanted tag.
pub fn is_eligible(node: &NodeRecord, selector: &Selector) -> bool {
    let tags = &node.registration.tags;
    let takes_work = node.liveness == Liveness::Alive && node.work == Work::Open;
    takes_work && selector.tags.iter().all(|(tag, value)| tags.get(tag) == Some(value))
}
