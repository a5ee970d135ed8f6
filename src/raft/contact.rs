//! When a leader was last heard, and as of when this server's state is whole.
//!
//! A follower that hears its leader every 50 ms may still be minutes behind: its snapshot is on the way, or apply
//! waits for a disk. So each word of the leader is kept with how far it knew the log as committed, until this
//! server has applied that far: then everything is here that was acknowledged when the word came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Words that are kept: at a heartbeat's distance, more than any answer waits for.
const WORDS: usize = 128;
/// Words that come closer together are kept as one.
const APART: Duration = Duration::from_millis(20);

/// What a follower knows of its leader.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    heard: Option<Instant>,
    whole: Option<Instant>,
    /// Up to where it was committed, and when that was said; both rise.
    words: VecDeque<(u64, Instant)>,
}

impl Contact {
    /// The leader that this server follows spoke. What it knows as committed counts if that entry is of its own
    /// term: one just elected does not know yet what its predecessor acknowledged.
    pub(crate) fn hear(&mut self, now: Instant, committed: Option<u64>) {
        self.heard = Some(now);
        let Some(committed) = committed else { return };
        match self.words.back_mut() {
            Some((last, at)) if *last >= committed || now.saturating_duration_since(*at) < APART => {
                // A later word about no more than before is as good.
                if *last <= committed {
                    (*last, *at) = (committed, now);
                }
            }
            _ => self.words.push_back((committed, now)),
        }
        if self.words.len() > WORDS {
            self.words.pop_front();
        }
    }

    /// When a leader was last heard.
    pub(crate) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// When all was here that was acknowledged by then, given what is applied now.
    pub(crate) fn whole(&mut self, applied: Option<u64>) -> Option<Instant> {
        while let Some((committed, at)) = self.words.front().copied()
            && Some(committed) <= applied
        {
            self.whole = Some(at);
            self.words.pop_front();
        }
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_follower_is_as_fresh_as_the_last_word_that_it_has_caught_up_with() {
        let start = clock::monotonic();
        let at = |millis| start + Duration::from_millis(millis);
        let mut contact = Contact::default();
        assert_eq!(contact.whole(Some(7)), None);
        contact.hear(at(0), Some(5));
        contact.hear(at(100), Some(9));
        contact.hear(at(200), Some(30));
        contact.hear(at(300), Some(30));
        assert_eq!((contact.whole(Some(4)), contact.heard()), (None, Some(at(300))));
        assert_eq!(contact.whole(Some(10)), Some(at(100)));
        assert_eq!(contact.whole(Some(29)), Some(at(100)));
        assert_eq!(contact.whole(Some(30)), Some(at(300)));
        contact.hear(at(400), None);
        assert_eq!((contact.whole(Some(31)), contact.heard()), (Some(at(300)), Some(at(400))));
        contact.hear(at(500), Some(31));
        assert_eq!(contact.whole(Some(31)), Some(at(500)));
    }

    #[test]
    fn words_in_quick_succession_are_one_and_never_tell_of_a_time_before_they_came() {
        let start = clock::monotonic();
        let mut contact = Contact::default();
        contact.hear(start, Some(1));
        contact.hear(start + APART / 2, Some(2));
        assert_eq!(contact.whole(Some(1)), None);
        assert_eq!(contact.whole(Some(2)), Some(start + APART / 2));
    }
}
