//! Which nodes an occurrence runs on: Dkron's rule for tags and counts, then the least loaded.

use crate::ids::NodeSlot;
use crate::limits;
use crate::node::{Liveness, Work};
use crate::rules::Selector;
use crate::state::State;
use crate::state::record::NodeRecord;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// What a round of planning has given out, on top of the state's loads, so that one round spreads its work; and the
/// nodes that it has looked up, so that it looks at all of them once for each set of tags, not for each tick.
#[derive(Debug, Default)]
pub struct Pending {
    added: BTreeMap<NodeSlot, u32>,
    pools: BTreeMap<Vec<(String, String)>, Pool>,
}

/// The nodes that have some tags.
#[derive(Debug, Default)]
struct Pool {
    /// By slot.
    all: Vec<NodeSlot>,
    /// By load for each slot, then by lot. A load may have grown since.
    ranked: BTreeSet<(u64, u64, NodeSlot)>,
}

/// The nodes for one occurrence: all that match the tags, or as many as the count says. `lot` breaks ties, so
/// that equal nodes are chosen evenly over many occurrences. Empty if nobody is eligible. All calls of one round
/// are about one state.
pub fn choose(state: &State, selector: &Selector, lot: u64, pending: &mut Pending) -> Vec<NodeSlot> {
    if !pending.pools.contains_key(&selector.tags) {
        let pool = Pool::of(state, selector, lot, &pending.added);
        pending.pools.insert(selector.tags.clone(), pool);
    }
    let Pending { added, pools } = pending;
    let Some(pool) = pools.get_mut(&selector.tags) else { return Vec::new() };
    let mut chosen = match selector.count {
        None => pool.all.iter().copied().take(limits::FANOUT_MAX).collect(),
        Some(count) => pool.least_loaded(state, (count as usize).min(limits::FANOUT_MAX), added),
    };
    chosen.sort_unstable();
    for node in &chosen {
        *added.entry(*node).or_default() += 1;
    }
    chosen
}

impl Pool {
    fn of(state: &State, selector: &Selector, lot: u64, added: &BTreeMap<NodeSlot, u32>) -> Pool {
        let eligible = state.nodes().filter(|(_, node)| is_eligible(node, selector)).map(|(slot, _)| slot);
        let all: Vec<NodeSlot> = eligible.collect();
        let tie = |slot: NodeSlot| xxh3_64(&[lot.to_le_bytes(), u64::from(slot.0).to_le_bytes()].concat());
        let ranked = all.iter().map(|slot| (rank(state, *slot, added), tie(*slot), *slot)).collect();
        Pool { all, ranked }
    }

    fn least_loaded(
        &mut self,
        state: &State,
        count: usize,
        added: &BTreeMap<NodeSlot, u32>,
    ) -> Vec<NodeSlot> {
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some((found, tie, slot)) = self.ranked.pop_first()
        {
            match rank(state, slot, added) {
                present if present == found => taken.push((found, tie, slot)),
                present => drop(self.ranked.insert((present, tie, slot))),
            }
        }
        let chosen = taken.iter().map(|(_, _, slot)| *slot).collect();
        self.ranked.extend(taken);
        chosen
    }
}

/// How full a node is, for each of its slots; finer than any number of slots.
fn rank(state: &State, slot: NodeSlot, added: &BTreeMap<NodeSlot, u32>) -> u64 {
    let slots = state.node(slot).map_or(1, |node| node.registration.slots.max(1));
    let load = state.load(slot) + added.get(&slot).copied().unwrap_or(0);
    (u64::from(load) << 32) / u64::from(slots)
}

/// Whether a node may be given this work: alive, open, with every wanted tag.
pub fn is_eligible(node: &NodeRecord, selector: &Selector) -> bool {
    let takes_work = node.liveness == Liveness::Alive && node.work == Work::Open;
    takes_work && selector.matches(&node.registration.tags)
}
