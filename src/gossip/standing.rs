//! Whether this process may be the one of its id: a copied data directory makes two. A pure part.
//!
//! The rule: **who settled first stays.** A process settles when it has heard from the pool (or there is none)
//! and no other process with its id lives. Of two that settled apart, or start at once, the one that
//! started earlier stays. The other is told so, and must not go on. A process lives if its heartbeat still
//! moves after the time in which news of a dead one come to their end, so that a server which restarts at once is
//! not taken for its own double.

use super::entries::State;
use super::sightings::Times;
use dkron_core::roster::Announcement;
use std::sync::Arc;
use tokio::time::Instant;

/// Where this process stands among those of its id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Standing {
    /// Not known yet: it must not act.
    #[default]
    Unknown,
    /// It is the one.
    Sole,
    /// This other one is, and lives: the own process must not go on.
    Second(Arc<Announcement>),
}

/// Who comes first: the lower one stays.
pub(super) type Rank = (State, u64, u64);

/// Another process of the same id.
#[derive(Clone, Debug)]
pub(super) struct Twin {
    pub(super) rank: Rank,
    /// When it was first heard of.
    pub(super) first: Instant,
    /// When its heartbeat last moved.
    pub(super) advanced: Option<Instant>,
    pub(super) about: Arc<Announcement>,
}

/// Where the process of this rank stands. `met`: it has heard from the pool, or there is none.
pub(super) fn judge(
    mine: Rank,
    twins: &[Twin],
    (before, met): (&Standing, bool),
    times: Times,
    now: Instant,
) -> Standing {
    if let Standing::Second(_) = before {
        return before.clone();
    }
    let mut is_open = !met;
    for twin in twins {
        let is_certain = now.saturating_duration_since(twin.first) >= times.certain;
        let lives = twin.advanced.is_some_and(|at| now.saturating_duration_since(at) < times.stale);
        match (is_certain, lives) {
            (true, true) if twin.rank < mine => return Standing::Second(twin.about.clone()),
            (true, _) => {}
            (false, _) => is_open = true,
        }
    }
    if is_open { before.clone() } else { Standing::Sole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: Times =
        Times { silence: SECOND, stale: SECOND, certain: SECOND.saturating_mul(2), reap: SECOND };

    fn twin(rank: Rank, first: Instant, advanced: Option<Instant>) -> Twin {
        Twin { rank, first, advanced, about: Arc::default() }
    }

    fn starting(twins: &[Twin], now: Instant) -> Standing {
        judge((State::Starting, 5, 5), twins, (&Standing::Unknown, true), TIMES, now)
    }

    #[test]
    fn who_is_alone_is_the_one_once_it_has_met_the_pool() {
        let now = crate::clock::runtime();
        let mine = (State::Starting, 5, 5);
        assert_eq!(judge(mine, &[], (&Standing::Unknown, false), TIMES, now), Standing::Unknown);
        assert_eq!(starting(&[], now), Standing::Sole);
    }

    #[test]
    fn the_one_that_settled_stays_and_the_newcomer_is_told() {
        let first = crate::clock::runtime();
        let now = first + 3 * SECOND;
        // By the other machine's clock it even started later.
        let other = twin((State::Settled, 9, 9), first, Some(now));
        assert!(matches!(starting(&[other], now), Standing::Second(_)));
        let newcomer = twin((State::Starting, 1, 1), first, Some(now));
        let settled = judge((State::Settled, 5, 5), &[newcomer], (&Standing::Sole, true), TIMES, now);
        assert_eq!(settled, Standing::Sole);
    }

    #[test]
    fn of_two_that_start_at_once_or_settled_apart_the_earlier_one_stays() {
        let first = crate::clock::runtime();
        let now = first + 3 * SECOND;
        for state in [State::Starting, State::Settled] {
            let judged = |mine, other| {
                let twins = [twin((state, other, 0), first, Some(now))];
                judge((state, mine, 0), &twins, (&Standing::Unknown, true), TIMES, now)
            };
            assert_eq!(judged(1, 2), Standing::Sole);
            assert!(matches!(judged(2, 1), Standing::Second(_)));
        }
    }

    #[test]
    fn a_server_that_restarts_is_not_its_own_double() {
        let first = crate::clock::runtime();
        let settled = (State::Settled, 1, 1);
        // News of its last life still come in.
        let fading = twin(settled, first, Some(first + SECOND / 2));
        assert_eq!(starting(std::slice::from_ref(&fading), first + SECOND), Standing::Unknown);
        assert_eq!(starting(&[fading], first + 2 * SECOND), Standing::Sole);
        assert_eq!(starting(&[twin(settled, first, None)], first + 2 * SECOND), Standing::Sole);
    }
}
