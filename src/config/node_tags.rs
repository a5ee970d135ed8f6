//! The tags by which jobs find a node: those that every node has, and the user's.

use super::{Config, HostPort};
use dkron_core::job::Words;

/// Tags that the node sets itself; a user's tag of such a name has no effect. `role` is not among them:
/// the guide's `--tag role=web` is kept as written.
pub(super) const OWN_TAGS: [&str; 8] =
    ["dc", "region", "server", "version", "expect", "bootstrap", "port", "rpc_addr"];

impl Config {
    /// All tags of this node, Dkron's own included.
    pub fn node_tags(&self) -> Words {
        let rpc = HostPort { host: self.advertise.host.clone(), port: self.advertise_rpc_port };
        let mut own = vec![
            ("dc", self.datacenter.clone()),
            ("region", self.region.clone()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("port", self.advertise_rpc_port.to_string()),
            ("rpc_addr", rpc.to_string()),
        ];
        if self.server {
            own.push(("server", "true".to_owned()));
        }
        if self.bootstrap_expect > 0 {
            own.push(("expect", self.bootstrap_expect.to_string()));
        }
        let mut tags = Words::from([("role".to_owned(), "dkron".to_owned())]);
        tags.extend(self.tags.iter().filter(|(tag, _)| !OWN_TAGS.contains(&tag.as_str())).map(clone_pair));
        tags.extend(own.into_iter().map(|(tag, value)| (tag.to_owned(), value)));
        tags
    }
}

fn clone_pair((tag, value): (&String, &String)) -> (String, String) {
    (tag.clone(), value.clone())
}
