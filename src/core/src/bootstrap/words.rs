//! The texts of bootstrap: whoever looks at a server that waits must see in words what it waits for.

use super::{Refusal, Wait, Warning};
use crate::ids::NodeId;
use std::collections::BTreeSet;
use std::fmt;

fn list(ids: &BTreeSet<NodeId>) -> String {
    ids.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Formed(stamp) => write!(formatter, "belongs to cluster {stamp}"),
            Wait::Storing => formatter.write_str("waits for its disk"),
            Wait::Looking => formatter.write_str("looks for a cluster at the addresses to join"),
            Wait::Servers { seen, expect } => {
                write!(formatter, "waits for servers: {seen} of {expect} that bootstrap-expect names are here")
            }
            Wait::Cluster => formatter.write_str(
                "waits for a cluster to join: without bootstrap-expect it forms none, check join and retry-join",
            ),
            Wait::Confirmation => {
                formatter.write_str("sees a server of a formed cluster and waits for that server's own word")
            }
            Wait::Admission(stamp) => write!(formatter, "waits for the leader of cluster {stamp} to take it in"),
            Wait::Begin(id) => write!(formatter, "waits for server {id}, the lowest id, to form the cluster"),
            Wait::Pause => formatter.write_str("waits a moment before it tries again to form the cluster"),
            Wait::Promises(ids) => write!(formatter, "waits for the promises of servers {}", list(ids)),
            Wait::Initialiser(id) => {
                write!(formatter, "has promised to form a cluster with server {id} and waits for it")
            }
            Wait::Withdrawals(ids) => {
                write!(formatter, "has withdrawn its promise and waits for one of {} to withdraw too", list(ids))
            }
            Wait::Founding => formatter.write_str("initialises its log"),
            Wait::Quorum(stamp) => write!(formatter, "waits for a quorum of the first servers of cluster {stamp}"),
            Wait::Person => formatter.write_str("waits for the settings to be put right"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Expect { name, theirs, own } => write!(
                formatter,
                "server {name:?} has bootstrap-expect {theirs}, this one {own}: allowed is one number for all \
                 servers; no cluster is formed before"
            ),
            Warning::TooMany { seen, expect } => write!(
                formatter,
                "{seen} servers wait and bootstrap-expect is {expect}: the {expect} lowest ids form the cluster, \
                 the others join it"
            ),
            Warning::Name(name) => write!(
                formatter,
                "node-name {name:?} is used by several living servers: allowed is one; no cluster is formed before"
            ),
            Warning::Formats { name, theirs, own } => write!(
                formatter,
                "server {name:?} reads log formats {theirs}, this one {own}: they can form no cluster together"
            ),
            Warning::Clusters(clusters) => {
                let all: Vec<String> = clusters.iter().map(ToString::to_string).collect();
                write!(formatter, "servers of this region belong to several clusters: {}", all.join(", "))
            }
            Warning::Silent { initialiser, cluster } => write!(
                formatter,
                "server {initialiser}, to which this one has promised to form cluster {cluster}, is silent: start \
                 it again with its data directory"
            ),
            Warning::NoQuorum { cluster, missing } => write!(
                formatter,
                "cluster {cluster} was never founded and waits for servers {}: if too many of their disks are lost, \
                 set the data directories of the others aside and start anew",
                list(missing)
            ),
            Warning::LostLog(cluster) => write!(
                formatter,
                "the log of cluster {cluster} is gone from this server, which helped to form it: set its data \
                 directory aside and start it anew"
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Expect(own) => write!(formatter, "bootstrap-expect is {own} here"),
            Refusal::Malformed => formatter.write_str("the set of servers is not one to ask this server for"),
            Refusal::Formed(stamp) => write!(formatter, "there is cluster {stamp} already"),
            Refusal::Withdrawn => formatter.write_str("the promise was withdrawn"),
            Refusal::Promised { cluster, initialiser } => {
                write!(formatter, "cluster {cluster} is promised to server {initialiser}")
            }
            Refusal::Storing => formatter.write_str("another promise is being stored"),
        }
    }
}
