//! Invariant 7: the same log gives the same digest on every server, also after a start from a snapshot.

use super::Checks;
use dkron_core::state::State;
use std::fmt::Display;

/// The witness's digest after each entry.
#[derive(Default)]
pub(super) struct Digests(Vec<u128>);

impl Checks {
    pub(super) fn note_digest(&mut self) {
        self.digests.0.push(self.witness.state.digest());
    }

    /// A server has applied an entry.
    pub(crate) fn compare(&mut self, index: u64, digest: u128, who: &dyn Display) {
        let expected = self.digests.0.get(index as usize - 1).copied();
        self.check(7, expected == Some(digest), || format!("{who} has another state after entry {index}"));
    }

    /// A snapshot read back is the state that was written.
    pub(crate) fn rebuild(&mut self, state: &State) {
        match State::rebuild(state.applied(), state.time(), state.records()) {
            Ok(rebuilt) => self.check(7, rebuilt.digest() == state.digest(), || {
                format!("the snapshot of entry {} has another digest than its state", state.applied())
            }),
            Err(error) => self.fail(7, format!("the snapshot of entry {}: {error}", state.applied())),
        }
    }
}
