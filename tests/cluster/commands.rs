//! What operators type, and what they read.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a command said, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) errors: String,
}

impl Said {
    /// What was printed, if it ended so.
    #[track_caller]
    pub(super) fn expect(self, code: i32) -> Said {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// The JSON that was printed.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Cluster {
    /// A command, asked of a server; shown, so that documentation can be taken from a run.
    pub(super) fn says(&self, number: u8, line: &str) -> Said {
        let words: Vec<&str> = line.split(' ').collect();
        let output = self.run_at(number, &words);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            errors: text(&output.stderr),
        };
        if !line.contains("json") {
            println!("$ dkron {line}   (exit code {})\n{}{}", said.code, said.out, said.errors);
        }
        said
    }

    /// Which members vote, as a server knows; none if it does not answer.
    pub(super) fn votes(&self, number: u8) -> Option<BTreeMap<String, bool>> {
        let peers = self.json(number, "/v1/cluster/peers")?;
        let vote = |peer: &Value| Some((peer["name"].as_str()?.to_owned(), peer["voter"].as_bool()?));
        peers.as_array()?.iter().map(vote).collect()
    }

    /// Waits until a server knows these members and no others, with votes or without.
    #[track_caller]
    pub(super) fn wait_for_votes(&self, number: u8, expected: &[(&str, bool)]) {
        let expected: BTreeMap<String, bool> =
            expected.iter().map(|(name, votes)| ((*name).to_owned(), *votes)).collect();
        eventually(&format!("the members {expected:?} on node {number}"), || {
            (self.votes(number)? == expected).then_some(())
        });
    }

    /// How the servers do, well or not; none if nobody can say.
    pub(super) fn health(&self, number: u8) -> Option<Value> {
        let reply = self.try_send(number, "GET /v1/operator/health", "").ok()?;
        serde_json::from_slice(&reply.body).ok()
    }

    /// Waits until a server tells that so many of the servers may fail.
    #[track_caller]
    pub(super) fn wait_for_tolerance(&self, number: u8, healthy: bool, tolerance: u64) -> Value {
        eventually(&format!("a tolerance of {tolerance} on node {number}"), || {
            let health = self.health(number)?;
            let fits = health["healthy"] == healthy && health["failure_tolerance"] == tolerance;
            fits.then_some(health)
        })
    }

    /// A server that does not lead, the highest of them.
    #[track_caller]
    pub(super) fn follower(&self) -> u8 {
        let leader = self.leader();
        *self.answering().iter().rfind(|number| **number != leader).expect("a follower")
    }
}
