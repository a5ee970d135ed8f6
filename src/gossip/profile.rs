//! How fast gossip is: one choice for the network's kind, as Serf has it.
//!
//! The library's failure detector compares the silence with the mean of the last intervals between news,
//! smoothed with a prior. News come several to a round, so that a long window makes the mean tiny and a hiccup
//! a death; a window of two keeps the prior in charge: the silence that is taken for death stays between
//! 5/7 of `phi * prior` and somewhat more than it, whatever the pool's size and age.

use chitchat::FailureDetectorConfig;
use std::time::Duration;

const PHI: f64 = 8.0;
const WINDOW: usize = 2;
/// How long the library itself remembers a dead process. Our roster remembers servers much longer, each
/// once; the library remembers every start, and one that restarts in a loop would fill the datagrams.
const LIBRARY_MEMORY: Duration = Duration::from_secs(120);

/// The network between the servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// One site.
    #[default]
    Lan,
    /// Several sites.
    Wan,
    /// One machine.
    Local,
}

impl Profile {
    /// Between two rounds; in each a server talks to three others, to one that is dead and to one that it
    /// was told of, if there are.
    pub fn interval(self) -> Duration {
        match self {
            Profile::Lan => Duration::from_millis(200),
            Profile::Wan => Duration::from_millis(500),
            Profile::Local => Duration::from_millis(100),
        }
    }

    /// After about this long without news a server is taken for dead.
    pub fn silence(self) -> Duration {
        self.prior().mul_f64(PHI)
    }

    /// News of a process that is dead have come to their end after this long.
    pub(super) fn stale(self) -> Duration {
        self.interval() * 5
    }

    /// After this long it is certain whether a process that is heard of lives.
    pub(super) fn certain(self) -> Duration {
        self.interval() * 10
    }

    /// After this long without anybody of a cluster, that cluster is gone.
    pub(super) fn lapse(self) -> Duration {
        self.silence() * 5
    }

    fn prior(self) -> Duration {
        self.interval() * 7 / 4
    }

    pub(super) fn detector(self) -> FailureDetectorConfig {
        let longest = self.interval() * 5;
        FailureDetectorConfig::new(PHI, WINDOW, longest, self.prior(), LIBRARY_MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn death_on_a_lan_is_seen_well_within_five_seconds_and_a_few_lost_rounds_are_no_death() {
        for profile in [Profile::Lan, Profile::Local] {
            assert!(profile.silence() + profile.stale() < Duration::from_secs(5));
        }
        for profile in [Profile::Lan, Profile::Wan, Profile::Local] {
            assert!(profile.silence().mul_f64(5.0 / 7.0) >= 10 * profile.interval());
            assert!(profile.silence() + profile.certain() < profile.lapse());
        }
    }
}
