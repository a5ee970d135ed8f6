//! Where names stand in their order, so that a page from the middle of a million is found without counting up to it.
//!
//! The names lie in blocks of at most a few thousand; a block knows its first name's bound and how many it has. A
//! place is found by adding up blocks, then by counting within one. It is made anew with the state, so it is no
//! part of the digest.

use crate::ids::JobSlot;
use imbl::OrdMap;
use std::ops::Bound;
use std::sync::Arc;

/// A block that grows beyond this is cut in two: 2,000 names are counted in some 20 us.
const BLOCK_MAX: u32 = 2_000;

/// How many names each block has, by the bound at or above which its names lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    blocks: OrdMap<Arc<str>, u32>,
}

type Names = OrdMap<Arc<str>, JobSlot>;

impl Places {
    /// A name came; `names` has it already.
    pub(super) fn add(&mut self, name: &str, names: &Names) {
        let (bound, count) = match self.blocks.get_prev(name) {
            Some((bound, count)) => (bound.clone(), *count),
            None => ("".into(), 0),
        };
        if count < BLOCK_MAX {
            self.blocks.insert(bound, count + 1);
            return;
        }
        let half = count.div_ceil(2);
        let start: Bound<&str> = Bound::Included(&bound);
        let middle = names.range::<_, str>((start, Bound::Unbounded)).nth(half as usize);
        if let Some((middle, _)) = middle {
            self.blocks.insert(middle.clone(), count + 1 - half);
            self.blocks.insert(bound, half);
        }
    }

    /// A name went.
    pub(super) fn take(&mut self, name: &str) {
        let Some((bound, count)) = self.blocks.get_prev(name) else { return };
        let (bound, count) = (bound.clone(), *count);
        match count {
            0 | 1 => self.blocks.remove(&bound),
            _ => self.blocks.insert(bound, count - 1),
        };
    }

    /// The name at a place, counted from 0.
    pub(super) fn at<'a>(&self, place: usize, names: &'a Names) -> Option<&'a Arc<str>> {
        let mut before = 0;
        for (bound, count) in &self.blocks {
            let after = before + *count as usize;
            if place < after {
                let start: Bound<&str> = Bound::Included(bound);
                let mut block = names.range::<_, str>((start, Bound::Unbounded));
                return block.nth(place - before).map(|(name, _)| name);
            }
            before = after;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees(places: &Places, names: &Names) {
        let sum: usize = places.blocks.values().map(|count| *count as usize).sum();
        assert_eq!(sum, names.len());
        assert!(places.blocks.values().all(|count| *count <= BLOCK_MAX && *count > 0));
        for place in [0, 1, 1_999, 2_000, 2_001, names.len() / 2, names.len().saturating_sub(1)] {
            assert_eq!(places.at(place, names), names.keys().nth(place), "place {place}");
        }
        assert_eq!(places.at(names.len(), names), None);
    }

    #[test]
    fn every_place_is_found_whatever_came_and_went() {
        let (mut places, mut names) = (Places::default(), Names::new());
        agrees(&places, &names);
        // In an order that is neither that of the names nor its reverse.
        for number in 0..9_000_u64 {
            let name: Arc<str> = format!("job-{}", number * 7_919 % 9_000).into();
            names.insert(name.clone(), JobSlot(0));
            places.add(&name, &names);
        }
        agrees(&places, &names);
        for number in (0..9_000).filter(|number| number % 3 != 0) {
            let name = format!("job-{number}");
            names.remove(name.as_str());
            places.take(&name);
        }
        agrees(&places, &names);
        for name in names.keys().cloned().collect::<Vec<_>>() {
            names.remove(&name);
            places.take(&name);
        }
        agrees(&places, &names);
        assert!(places.blocks.is_empty());
        names.insert("again".into(), JobSlot(0));
        places.add("again", &names);
        agrees(&places, &names);
    }
}
