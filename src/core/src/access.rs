//! Tokens of the API: who may ask for what.
//!
//! Of a token the state knows its id, a hash of its secret and its policy; the secret itself is told once, to who
//! made the token. A policy is never changed: a token is revoked and another one made.

use crate::ids::TokenId;
use crate::limits::{NAME_BYTES_MAX, TOKEN_PREFIXES_MAX};
use crate::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One thing that a caller may do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Capability {
    /// See jobs and the ticks that were passed over.
    ReadJobs,
    /// Store, change and delete jobs, which is to say: have any command run on the nodes.
    WriteJobs,
    /// Run jobs by hand, cancel, hold and release them.
    RunJobs,
    /// See executions and their output.
    ReadExecutions,
    /// See members, leader, health in detail and metrics.
    ReadCluster,
    /// Pause and hold all jobs; change nodes and servers.
    OperateCluster,
    /// Make, list and revoke tokens that allow no more than the own one.
    ManageTokens,
}

impl Capability {
    /// All in the order of their stable numbers.
    pub const ALL: [Capability; 7] = [
        Capability::ReadJobs,
        Capability::WriteJobs,
        Capability::RunJobs,
        Capability::ReadExecutions,
        Capability::ReadCluster,
        Capability::OperateCluster,
        Capability::ManageTokens,
    ];

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The capability with this number.
    pub fn from_number(number: u8) -> Option<Capability> {
        Capability::ALL.get(usize::from(number)).copied()
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Capability::ReadJobs => "read-jobs",
            Capability::WriteJobs => "write-jobs",
            Capability::RunJobs => "run-jobs",
            Capability::ReadExecutions => "read-executions",
            Capability::ReadCluster => "read-cluster",
            Capability::OperateCluster => "operate-cluster",
            Capability::ManageTokens => "manage-tokens",
        }
    }

    /// The capability with this word.
    pub fn from_word(word: &str) -> Option<Capability> {
        Capability::ALL.into_iter().find(|capability| capability.word() == word)
    }
}

/// In whose name a write is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Principal {
    /// Nobody's: while no token is asked for.
    #[default]
    Nobody,
    /// The holder's of this token.
    Token(TokenId),
    /// Whoever's who has shown that a server's disk is his.
    Operator,
}

/// What a token allows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// What its holder may do.
    pub capabilities: BTreeSet<Capability>,
    /// Only jobs whose names begin with one of these are meant; none for all jobs.
    pub jobs: Vec<Arc<str>>,
}

impl Policy {
    /// Everything, for all jobs.
    pub fn all() -> Policy {
        Policy { capabilities: Capability::ALL.into(), jobs: Vec::new() }
    }

    /// Whether this capability is there, for some jobs at least.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Whether a job of this name is meant.
    pub fn means(&self, job: &str) -> bool {
        self.jobs.is_empty() || self.jobs.iter().any(|prefix| job.starts_with(&**prefix))
    }

    /// Whether this policy allows all that the other one does.
    pub fn covers(&self, other: &Policy) -> bool {
        let jobs = self.jobs.is_empty()
            || (!other.jobs.is_empty() && other.jobs.iter().all(|prefix| self.means(prefix)));
        jobs && self.capabilities.is_superset(&other.capabilities)
    }

    /// Whether it can be kept.
    ///
    /// # Errors
    /// A sentence that names the field and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if self.capabilities.is_empty() {
            let words: Vec<&str> = Capability::ALL.into_iter().map(Capability::word).collect();
            return Err(format!("allow: nothing is allowed, one or more are needed of {}", words.join(", ")));
        }
        if self.jobs.len() > TOKEN_PREFIXES_MAX {
            let count = self.jobs.len();
            return Err(format!("jobs: {count} prefixes of names, at most {TOKEN_PREFIXES_MAX} are allowed"));
        }
        match self.jobs.iter().find(|prefix| prefix.is_empty() || prefix.len() > NAME_BYTES_MAX) {
            Some(prefix) => {
                Err(format!("jobs: '{prefix}' is not allowed, allowed is the beginning of a name"))
            }
            None => Ok(()),
        }
    }
}

/// A token as the state holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// What people call it.
    pub name: Arc<str>,
    /// SHA-256 of its secret, which has 256 random bits: nothing can be tried out against it.
    pub hash: [u8; 32],
    /// What it allows.
    pub policy: Policy,
    /// The time of the entry that made it.
    pub created_at: Time,
    /// From when on it allows nothing; never if none.
    pub expires_at: Option<Time>,
}

impl Token {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether it can be kept.
    ///
    /// # Errors
    /// A sentence that names the field and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX {
            return Err(format!(
                "name: '{}' is not allowed, allowed are 1 to {NAME_BYTES_MAX} bytes",
                self.name
            ));
        }
        self.policy.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(capabilities: &[Capability], jobs: &[&str]) -> Policy {
        Policy {
            capabilities: capabilities.iter().copied().collect(),
            jobs: jobs.iter().map(|job| Arc::from(*job)).collect(),
        }
    }

    #[test]
    fn a_policy_means_the_jobs_whose_names_begin_so() {
        let team = policy(&[Capability::ReadJobs], &["team-a/", "shared"]);
        assert!(team.means("team-a/report") && team.means("shared"));
        assert!(!team.means("team-b/report") && !team.means("team-a"));
        assert!(Policy::all().means("anything"));
    }

    #[test]
    fn who_makes_tokens_hands_on_no_more_than_the_own_one() {
        let all = Policy::all();
        let team = policy(&[Capability::ReadJobs, Capability::ManageTokens], &["team-a/"]);
        assert!(all.covers(&team) && all.covers(&all) && team.covers(&team));
        assert!(!team.covers(&all), "all jobs");
        assert!(!team.covers(&policy(&[Capability::ReadJobs], &[])), "all jobs by leaving them out");
        assert!(!team.covers(&policy(&[Capability::WriteJobs], &["team-a/x"])), "another capability");
        assert!(!team.covers(&policy(&[Capability::ReadJobs], &["team"])), "a shorter prefix means more");
        assert!(team.covers(&policy(&[Capability::ReadJobs], &["team-a/x"])));
    }

    #[test]
    fn words_and_numbers_lead_back_to_their_capability() {
        for capability in Capability::ALL {
            assert_eq!(Capability::from_word(capability.word()), Some(capability));
            assert_eq!(Capability::from_number(capability.number()), Some(capability));
        }
        assert_eq!(Capability::from_number(Capability::ALL.len() as u8), None);
    }

    #[test]
    fn a_policy_that_allows_nothing_or_means_too_much_is_refused_by_field() {
        let refused = |policy: Policy| policy.check().expect_err("refused");
        assert!(refused(policy(&[], &[])).starts_with("allow: nothing is allowed"));
        assert!(refused(policy(&[Capability::ReadJobs], &[""])).starts_with("jobs: ''"));
        let many = vec!["x"; TOKEN_PREFIXES_MAX + 1];
        assert!(refused(policy(&[Capability::ReadJobs], &many)).starts_with("jobs: 17 prefixes"));
    }
}
