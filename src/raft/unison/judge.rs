//! Whose state is right, from what the servers say of theirs. Pure, so that every case can be tried.
//!
//! What most voters have is right: each came to it by itself. Without a majority nobody can tell, unless all voters
//! have spoken: then the leader's counts, because what it decides rests on that.

use dkron_core::ids::NodeId;
use dkron_wire::digests::{Seal, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// What comes of a comparison.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Judgement {
    /// Whose state is wrong, each with what it should be.
    pub(crate) wrong: BTreeMap<NodeId, Verdict>,
    /// The states differ after this entry, and nobody can tell whose is right.
    pub(crate) undecided: Option<u64>,
}

/// Judges by the seals of this leader and of those who answered.
pub(crate) fn judge(
    leader: NodeId,
    voters: &BTreeSet<NodeId>,
    seals: &BTreeMap<NodeId, Vec<Seal>>,
) -> Judgement {
    let mut judgement = Judgement::default();
    for own in seals.get(&leader).into_iter().flatten() {
        let at = |seals: &Vec<Seal>| {
            seals.iter().find(|seal| (seal.index, seal.format) == (own.index, own.format)).copied()
        };
        let found: BTreeMap<NodeId, Seal> =
            seals.iter().filter_map(|(id, seals)| Some((*id, at(seals)?))).collect();
        if found.values().all(|seal| seal == own) {
            continue;
        }
        let mut counts: BTreeMap<Seal, usize> = BTreeMap::new();
        for (_, seal) in found.iter().filter(|(id, _)| voters.contains(id)) {
            *counts.entry(*seal).or_default() += 1;
        }
        let most = counts.iter().find(|(_, count)| **count * 2 > voters.len()).map(|(seal, _)| *seal);
        let all = voters.iter().all(|voter| found.contains_key(voter));
        let Some(right) = most.or(all.then_some(*own)) else {
            judgement.undecided = Some(own.index);
            continue;
        };
        let agree = counts.get(&right).copied().unwrap_or(0) as u32;
        let verdict = Verdict { seal: right, agree, voters: voters.len() as u32 };
        let wrong = found.iter().filter(|(_, seal)| **seal != right).map(|(id, _)| (*id, verdict));
        judgement.wrong.extend(wrong);
    }
    judgement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(value: u128) -> Seal {
        Seal { index: 256, value, format: 1 }
    }

    /// The leader is server 1; `voters` vote, and those listed have answered.
    fn judged(voters: u128, values: &[(u128, u128)]) -> (Vec<u128>, bool) {
        let voters = (1..=voters).map(NodeId).collect();
        let seals = values.iter().map(|(id, value)| (NodeId(*id), vec![seal(*value)])).collect();
        let judgement = judge(NodeId(1), &voters, &seals);
        (judgement.wrong.keys().map(|id| id.0).collect(), judgement.undecided.is_some())
    }

    #[test]
    fn what_most_voters_have_is_right_even_against_the_leader() {
        assert_eq!(judged(3, &[(1, 7), (2, 7), (3, 7)]), (vec![], false));
        assert_eq!(judged(3, &[(1, 7), (2, 8), (3, 7)]), (vec![2], false));
        assert_eq!(judged(3, &[(1, 8), (2, 7), (3, 7)]), (vec![1], false));
        assert_eq!(judged(3, &[(1, 7), (2, 7), (9, 8)]), (vec![9], false));
        assert_eq!(judged(5, &[(1, 8), (2, 7), (3, 7), (4, 7), (5, 9)]), (vec![1, 5], false));
    }

    #[test]
    fn without_a_majority_nobody_is_condemned_unless_all_have_spoken() {
        assert_eq!(judged(3, &[(1, 7), (2, 8)]), (vec![], true));
        assert_eq!(judged(5, &[(1, 7), (2, 7), (3, 8), (4, 8)]), (vec![], true));
        assert_eq!(judged(2, &[(1, 7), (2, 8)]), (vec![2], false));
        assert_eq!(judged(1, &[(1, 7), (9, 8)]), (vec![9], false));
    }

    #[test]
    fn states_of_other_entries_and_other_rules_are_not_compared() {
        let voters = (1..=3).map(NodeId).collect();
        let other = |seal: Seal| BTreeMap::from([(NodeId(1), vec![self::seal(7)]), (NodeId(2), vec![seal])]);
        for seal in [Seal { index: 512, ..seal(8) }, Seal { format: 2, ..seal(8) }] {
            assert_eq!(judge(NodeId(1), &voters, &other(seal)), Judgement::default());
        }
    }

    #[test]
    fn the_verdict_says_what_most_have_and_how_many_they_are() {
        let voters = (1..=3).map(NodeId).collect();
        let seals = [(1, 7), (2, 7), (3, 8)].map(|(id, value)| (NodeId(id), vec![seal(value)])).into();
        let wrong = judge(NodeId(1), &voters, &seals).wrong;
        assert_eq!(wrong, [(NodeId(3), Verdict { seal: seal(7), agree: 2, voters: 3 })].into());
    }
}
