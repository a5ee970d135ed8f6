//! What groups of settings mean once they are checked: plain values that the rooms take as they are.

use super::address::HostPort;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A text that is never shown: neither logged, nor printed, nor part of an error.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text out of sight.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the one who uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// A key for gossip: 16, 24 or 32 bytes.
#[derive(Clone, Eq, PartialEq)]
pub struct GossipKey(Vec<u8>);

impl GossipKey {
    /// The lengths that a key may have.
    pub const LENGTHS: [usize; 3] = [16, 24, 32];

    /// A key of these bytes; none if they are too few or too many.
    pub fn new(bytes: Vec<u8>) -> Option<GossipKey> {
        GossipKey::LENGTHS.contains(&bytes.len()).then_some(GossipKey(bytes))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for GossipKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({} secret bytes)", self.0.len())
    }
}

/// Whom to join, and for how long to try.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Join {
    /// Asked once at start.
    pub once: Vec<JoinEntry>,
    /// Asked again and again.
    pub retry: Vec<JoinEntry>,
    /// How often the second kind is tried; 0 is for ever.
    pub retry_max: u32,
    /// The time between two tries.
    pub retry_interval: Duration,
}

/// Somebody to join.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JoinEntry {
    /// A host, to be looked up at every try, and its gossip port.
    Address(HostPort),
    /// A discovery provider's string, as it was written: `provider=aws tag_key=...`. It may hold secrets.
    Provider(Secret),
}

/// How servers gossip.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gossip {
    /// The timing.
    pub profile: Profile,
    /// The first encrypts, all decrypt; none for gossip in clear.
    pub keys: Vec<GossipKey>,
    /// When a failed node is forgotten.
    pub reconnect_timeout: Duration,
}

/// How far away the other servers are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// In one network.
    #[default]
    Lan,
    /// In networks far from each other.
    Wan,
    /// On one machine.
    Local,
}

impl Profile {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Profile::Lan => "lan",
            Profile::Wan => "wan",
            Profile::Local => "local",
        }
    }
}

/// When servers gain and lose their votes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Membership {
    /// How long a server must have failed before its vote is taken; none for never.
    pub dead_server_threshold: Option<Duration>,
    /// How many voters stay at least when that is done.
    pub min_quorum: u32,
    /// Whether a server that is stopped by a signal gives up its vote. It is seen as `left` in any case.
    pub leave_on_terminate: bool,
}

/// The files for mutual TLS between nodes, PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// The authority that must have signed other nodes' certificates.
    pub ca_file: PathBuf,
    /// This node's certificate.
    pub cert_file: PathBuf,
    /// This node's private key.
    pub key_file: PathBuf,
}

/// The files for TLS of the API, PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpTls {
    /// The certificate that clients see.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// The authority that must have signed clients' certificates; clients need none if there is none.
    pub client_ca_file: Option<PathBuf>,
}

/// Whom to tell of executions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Notices {
    /// How to send mail; none if host or port are not given.
    pub mail: Option<Mail>,
    /// What to call before an execution.
    pub before: Option<Webhook>,
    /// What to call after an execution.
    pub after: Option<Webhook>,
    /// Where Cronitor is told; an address may hold a key.
    pub cronitor: Option<Secret>,
}

/// How to send mail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How to log in, if both name and password are given.
    pub login: Option<(String, Secret)>,
    /// The sender; may be empty.
    pub from: String,
    /// The template of the text; empty for the execution's output.
    pub payload: String,
    /// What the subject starts with.
    pub subject_prefix: String,
}

/// A call over HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Webhook {
    /// An `http://` or `https://` address; it may hold a key.
    pub endpoint: Secret,
    /// The template of the body.
    pub payload: String,
    /// Its headers; values may be secrets.
    pub headers: Vec<(String, Secret)>,
}

/// Where metrics and traces go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Observation {
    /// Whether `/metrics` is served.
    pub prometheus: bool,
    /// A statsd.
    pub statsd: Option<HostPort>,
    /// A DogStatsD.
    pub dog_statsd: Option<HostPort>,
    /// Tags of metrics sent there, `key:value`.
    pub dog_statsd_tags: Vec<String>,
    /// An OpenTelemetry collector that speaks gRPC, as a URL.
    pub otel: Option<String>,
}
