//! Whom the node belongs with: joining, gossip, votes, trust.

use super::super::GOSSIP_PORT;
use super::super::surroundings::Surroundings;
use super::super::values::{Gossip, GossipKey, HttpTls, Join, JoinEntry, Membership, Profile, Secret, Tls};
use super::{Reader, peer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

impl Reader<'_> {
    pub(super) fn join(&mut self) -> Join {
        let range = Duration::from_millis(10)..=DAY;
        let surroundings = self.surroundings;
        let entry = |text: &str| join_entry(text.trim(), surroundings);
        Join {
            once: self.read_list("join", entry),
            retry: self.read_list("retry-join", entry),
            retry_max: self.number("retry-max", 0, 0..=u32::MAX),
            retry_interval: self.duration("retry-interval", 30 * SECOND, range),
        }
    }

    pub(super) fn gossip(&mut self) -> Gossip {
        let profile = self.read("profile", |word| match word {
            "lan" => Ok(Profile::Lan),
            "wan" => Ok(Profile::Wan),
            "local" => Ok(Profile::Local),
            _ => Err("unknown profile, allowed are lan, wan and local".to_owned()),
        });
        Gossip {
            profile: profile.unwrap_or_default(),
            keys: self.read_list("encrypt", gossip_key),
            reconnect_timeout: self.duration("serf-reconnect-timeout", DAY, SECOND..=3_650 * DAY),
        }
    }

    pub(super) fn membership(&mut self) -> Membership {
        // Dkron looks for changes at this interval; here they are acted on when they happen.
        self.duration("reconcileinterval", MINUTE, Duration::ZERO..=3_650 * DAY);
        if let Some(typed) = self.raw.one("reconcileinterval") {
            self.warn(typed, "has no effect: changes are acted on when they happen");
        }
        let never = Duration::ZERO;
        let threshold = self.duration("dead-server-threshold", 10 * MINUTE, never..=3_650 * DAY);
        Membership {
            dead_server_threshold: Some(threshold).filter(|threshold| *threshold != never),
            min_quorum: self.number("min-quorum", 3, 0..=99),
            leave_on_terminate: self.boolean("leave-on-terminate", false),
        }
    }

    /// All three files or none: one alone would look like trust and be none.
    pub(super) fn tls(&mut self) -> Option<Tls> {
        let names = ["tls-ca-file", "tls-cert-file", "tls-key-file"];
        let [ca_file, cert_file, key_file] = self.files(names, "TLS takes all three or none")?;
        Some(Tls { ca_file, cert_file, key_file })
    }

    /// Certificate and key or neither; an authority only with them.
    pub(super) fn http_tls(&mut self) -> Option<HttpTls> {
        let files =
            self.files(["http-tls-cert-file", "http-tls-key-file"], "TLS of the API takes both or none");
        let authority = "http-tls-client-ca-file";
        let client_ca_file = self.optional(authority).map(PathBuf::from);
        if let (None, Some(_), Some(typed)) = (&files, &client_ca_file, self.raw.one(authority)) {
            self.refuse(authority, typed, "needs http-tls-cert-file and http-tls-key-file too");
        }
        let [cert_file, key_file] = files?;
        Some(HttpTls { cert_file, key_file, client_ca_file })
    }

    /// The files of settings that go together: all, or none if none is given.
    fn files<const N: usize>(&mut self, names: [&'static str; N], rule: &str) -> Option<[PathBuf; N]> {
        let missing: Vec<&str> = names.into_iter().filter(|name| self.optional(name).is_none()).collect();
        if missing.is_empty() {
            return Some(names.map(|name| PathBuf::from(self.optional(name).unwrap_or_default())));
        }
        let given = names.into_iter().filter(|name| !missing.contains(name));
        if let Some((name, typed)) = given.into_iter().find_map(|name| Some((name, self.raw.one(name)?))) {
            self.refuse(name, typed, format!("needs {} too: {rule}", missing.join(" and ")));
        }
        None
    }
}

/// An address whose port may be left out, or a provider's string, which is read by its provider.
fn join_entry(text: &str, surroundings: &Surroundings) -> Result<JoinEntry, String> {
    match text.contains("provider=") {
        true => Ok(JoinEntry::Provider(Secret::new(text))),
        false => peer(&surroundings.expand(text)?, GOSSIP_PORT).map(JoinEntry::Address),
    }
}

fn gossip_key(text: &str) -> Result<GossipKey, String> {
    const ALLOWED: &str = "allowed is base64 of 16, 24 or 32 bytes, as `dkron keygen` prints it";
    let bytes = STANDARD.decode(text.trim()).map_err(|_| format!("is not base64; {ALLOWED}"))?;
    let length = bytes.len();
    GossipKey::new(bytes).ok_or_else(|| format!("is a key of {length} bytes; {ALLOWED}"))
}
