//! When a node without a stream is given up. Pure, so that every case can be tried without waiting.
//!
//! A dead node is to be known as such within 5 s. Its connection is found dead within
//! [`crate::net::SILENCE_MAX`]; the rest is left for an agent that is only being restarted.

use dkron_core::node::Liveness;
use std::time::{Duration, Instant};

/// How long a node may be without a stream before it is given up.
pub(super) const RETURN_GRACE: Duration = Duration::from_millis(1_750);
/// How long a new leader gives up nobody: agents may not have found it yet.
pub(super) const TAKEOVER_GRACE: Duration = Duration::from_secs(3);
/// While new streams come at shorter intervals, nodes that never came are still expected: ten thousand agents
/// do not come back in an instant ...
const ARRIVAL_GAP: Duration = Duration::from_secs(1);
/// ... but not for longer than this.
const MUSTER_MAX: Duration = Duration::from_secs(30);

/// Whether a node has a stream to this server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    /// It has.
    Here,
    /// It had one until then.
    GoneSince(Instant),
    /// It had none for as long as anybody remembers.
    Never,
}

/// What is to be said of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It failed.
    Fail,
    /// It counts as failed and is here: it must register anew.
    Return,
}

/// What the leader of a term judges by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookout {
    /// Since when it leads.
    pub(super) since: Instant,
    /// When the newest stream came.
    pub(super) last_arrival: Option<Instant>,
}

impl Lookout {
    /// What is to be said of a node that the state says to be so, and that is seen so.
    pub(super) fn judge(&self, liveness: Liveness, presence: Presence, now: Instant) -> Option<Change> {
        let over = match (liveness, presence) {
            (Liveness::Failed, Presence::Here) => return Some(Change::Return),
            (Liveness::Alive, Presence::GoneSince(at)) => self.given_up_at(at),
            (Liveness::Alive, Presence::Never) => self.muster_ends(),
            _ => return None,
        };
        (over <= now).then_some(Change::Fail)
    }

    /// When a node that went then is given up.
    pub(super) fn given_up_at(&self, gone_since: Instant) -> Instant {
        (gone_since + RETURN_GRACE).max(self.since + TAKEOVER_GRACE)
    }

    /// When nodes that never came are given up, as it looks now.
    pub(super) fn muster_ends(&self) -> Instant {
        let calm = self.last_arrival.map_or(self.since, |arrival| arrival + ARRIVAL_GAP);
        calm.max(self.since + TAKEOVER_GRACE).min(self.since + MUSTER_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, net};

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_dead_node_is_given_up_within_five_seconds_and_a_restarting_one_has_a_while() {
        let start = clock::monotonic();
        let lookout = Lookout { since: start, last_arrival: None };
        let died = after(start, 100.0);
        let gone = died + net::SILENCE_MAX;
        let judge = |now| lookout.judge(Liveness::Alive, Presence::GoneSince(gone), now);
        assert_eq!(judge(gone + Duration::from_millis(1_700)), None);
        assert_eq!(judge(died + Duration::from_millis(4_800)), Some(Change::Fail));
    }

    #[test]
    fn a_new_leader_gives_up_nobody_at_once() {
        let start = clock::monotonic();
        let lookout = Lookout { since: after(start, 10.0), last_arrival: None };
        for presence in [Presence::GoneSince(start), Presence::Never] {
            assert_eq!(lookout.judge(Liveness::Alive, presence, after(start, 12.9)), None);
            assert_eq!(lookout.judge(Liveness::Alive, presence, after(start, 13.0)), Some(Change::Fail));
        }
    }

    #[test]
    fn while_agents_come_those_who_have_not_come_are_waited_for_but_not_for_ever() {
        let start = clock::monotonic();
        let judge = |arrival, now| {
            let lookout = Lookout { since: start, last_arrival: Some(after(start, arrival)) };
            lookout.judge(Liveness::Alive, Presence::Never, after(start, now))
        };
        assert_eq!(judge(7.5, 8.0), None);
        assert_eq!(judge(7.5, 8.5), Some(Change::Fail));
        assert_eq!(judge(29.9, 30.0), Some(Change::Fail));
        let lookout = Lookout { since: start, last_arrival: Some(after(start, 7.9)) };
        let gone = Presence::GoneSince(after(start, 6.0));
        assert_eq!(lookout.judge(Liveness::Alive, gone, after(start, 8.0)), Some(Change::Fail));
    }

    #[test]
    fn who_is_here_but_counts_as_failed_returns_and_who_left_is_left_alone() {
        let start = clock::monotonic();
        let lookout = Lookout { since: start, last_arrival: None };
        let late = after(start, 60.0);
        assert_eq!(lookout.judge(Liveness::Failed, Presence::Here, start), Some(Change::Return));
        assert_eq!(lookout.judge(Liveness::Alive, Presence::Here, late), None);
        for presence in [Presence::Here, Presence::Never, Presence::GoneSince(start)] {
            assert_eq!(lookout.judge(Liveness::Left, presence, late), None);
        }
        assert_eq!(lookout.judge(Liveness::Failed, Presence::Never, late), None);
    }
}
