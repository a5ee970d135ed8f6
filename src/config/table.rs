//! Every setting there is, once: its name, what it takes, its default, what it does. Flags, variables, keys
//! of the settings file, `--help`, `dkron config check` and reloads all read this table, so that none of
//! them can know a setting that another does not.

/// How many values a setting takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Yes or no; the bare flag is yes.
    Switch,
    /// One text; the last one counts.
    Text,
    /// Several texts, with commas between them or the flag repeated.
    List,
    /// Names with texts.
    Map,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// The flag without dashes, the key in the file, and in capitals the variable.
    pub(super) name: &'static str,
    /// A shorter name for the same.
    pub(super) alias: Option<&'static str>,
    pub(super) kind: Kind,
    /// What its value is called in the help.
    pub(super) value: &'static str,
    /// Its default as the help shows it; empty where the help says it itself.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
    /// Never shown.
    pub(super) secret: bool,
    /// Not in the help.
    pub(super) hidden: bool,
    /// A change takes effect at a reload.
    pub(super) live: bool,
    /// No flag; only a map has a variable.
    pub(super) file_only: bool,
    /// Read and checked, and not used by this version: told at start.
    pub(super) unused: bool,
}

const fn setting(kind: Kind, name: &'static str, value: &'static str) -> Setting {
    Setting {
        name,
        alias: None,
        kind,
        value,
        default: "",
        help: "",
        secret: false,
        hidden: false,
        live: false,
        file_only: false,
        unused: false,
    }
}

const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { default, help, ..setting(Kind::Switch, name, "BOOL") }
}

const fn text(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { default, help, ..setting(Kind::Text, name, value) }
}

const fn list(name: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { help, ..setting(Kind::List, name, value) }
}

impl Setting {
    const fn alias(self, alias: &'static str) -> Setting {
        Setting { alias: Some(alias), ..self }
    }

    const fn secret(self) -> Setting {
        Setting { secret: true, ..self }
    }

    const fn hidden(self) -> Setting {
        Setting { hidden: true, ..self }
    }

    const fn live(self) -> Setting {
        Setting { live: true, ..self }
    }

    const fn file_only(self) -> Setting {
        Setting { file_only: true, ..self }
    }

    /// Whoever gives such a setting its effect takes this mark away.
    const fn unused(self) -> Setting {
        Setting { unused: true, ..self }
    }

    /// Its names, the main one first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name].into_iter().chain(self.alias)
    }
}

/// The settings by subject, in the order of the help.
pub(super) const GROUPS: [(&str, &[Setting]); 6] = [
    ("Node", NODE),
    ("Addresses", ADDRESSES),
    ("Cluster", CLUSTER),
    ("Security", SECURITY),
    ("Notifications", NOTIFICATIONS),
    ("Observation", OBSERVATION),
];

/// Every setting.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.into_iter().flat_map(|(_, settings)| settings)
}

/// The setting of a name or alias, in any case of letters.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.names().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Settings of Dkron Pro, which Dkron itself passes over, and what their absence means.
const PRO: [(&str, &str); 13] = [
    ("username", "the API is closed by `dkron token bootstrap`"),
    ("password", "the API is closed by `dkron token bootstrap`"),
    ("acl", "the API is closed by `dkron token bootstrap`"),
    ("client-cert-auth", "the setting for it is http-tls-client-ca-file"),
    ("client-crl-file", "no list of revoked certificates is read"),
    ("cert-file", "the settings for TLS between nodes are tls-ca-file, tls-cert-file and tls-key-file"),
    ("key-file", "the settings for TLS between nodes are tls-ca-file, tls-cert-file and tls-key-file"),
    ("trusted-ca-file", "the settings for TLS between nodes are tls-ca-file, tls-cert-file and tls-key-file"),
    ("auto-tls", "the settings for TLS between nodes are tls-ca-file, tls-cert-file and tls-key-file"),
    ("disable-http-tls", "the API has TLS if http-tls-cert-file is set"),
    ("fast", "there is one kind of log"),
    ("raft-duration", "every change is on disk before it is acknowledged"),
    ("federation-mode", "regions do not take over from each other"),
];

/// Whether the value under a name must not be shown; names of Dkron Pro, of which some are, are taken for it.
pub fn is_secret(name: &str) -> bool {
    find(name).is_some_and(|setting| setting.secret) || pro_setting(name).is_some()
}

/// What to say of a setting of Dkron Pro.
pub fn pro_setting(name: &str) -> Option<&'static str> {
    PRO.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, effect)| *effect)
}

const NODE: &[Setting] = &[
    switch("server", "false", "Be a server: vote, store jobs, answer the API"),
    text("node-name", "NAME", "the machine's name", "This node's name, unique in the cluster"),
    text("data-dir", "DIRECTORY", "dkron.data", "Where jobs, log and history are kept"),
    text("log-level", "LEVEL", "info", "How much to log: trace, debug, info, warn, error").live(),
    list("tag", "KEY=VALUE", "A tag for targeting jobs at nodes; may be given several times").live(),
    setting(Kind::Map, "tags", "MAP").live().file_only(),
    text("datacenter", "NAME", "dc1", "The datacenter, also the tag `dc`"),
    text(
        "region",
        "NAME",
        "global",
        "The region, also the tag `region`: servers of other regions are left alone",
    ),
    text("slots", "N", "1000", "How many executions run at a time"),
    switch("dev", "false", "One server on loopback, nothing else needed"),
    switch("devmode", "false", "").file_only(),
    switch("ui", "true", "Serve the web pages").unused(),
    text("as-version", "N", "", "For tests of upgrades: behave as the build whose newest log format is N")
        .hidden(),
    switch("enable-bench-executor", "false", "Have the executor `bench`, which does nothing").hidden(),
    text(
        "clock-offset-file",
        "FILE",
        "",
        "For tests: how wrong the clock is, in milliseconds, read again and again",
    )
    .hidden(),
];

const ADDRESSES: &[Setting] = &[
    text(
        "bind-addr",
        "ADDRESS",
        "{{ GetPrivateIP }}:8946",
        "Where to listen for other nodes, ADDRESS or ADDRESS:PORT",
    )
    .alias("bind"),
    text("advertise-addr", "ADDRESS", "as --bind-addr", "Where other nodes reach this one")
        .alias("advertise"),
    text("http-addr", "ADDRESS", ":8080", "Where the API listens (servers only)"),
    text("rpc-port", "PORT", "6868", "The port for calls between nodes"),
    text("advertise-rpc-port", "PORT", "as --rpc-port", "The port under which other nodes reach it"),
];

const CLUSTER: &[Setting] = &[
    text(
        "bootstrap-expect",
        "N",
        "0",
        "How many servers form the first cluster; 1 forms at once, 0 waits for one to join",
    ),
    switch("bootstrap", "false", "").file_only(),
    list("join", "ADDRESS", "A node to join; nobody there is no error").live(),
    list("retry-join", "ADDRESS", "A node to join, asked until it answers: an address or 'provider=...'")
        .live(),
    text("retry-max", "N", "0", "How often --retry-join tries; 0 is for ever"),
    text("retry-interval", "DURATION", "30s", "The time between two tries of --retry-join"),
    text("profile", "NAME", "lan", "The timing of gossip: lan, wan or local"),
    text("raft-multiplier", "N", "1", "Makes heartbeats and elections so many times slower, 1 to 10"),
    text("raft-snapshot-entries", "N", "100000", "Take a snapshot after so many log entries, 10 to 10000000"),
    text("serf-reconnect-timeout", "DURATION", "24h", "When a failed node is forgotten"),
    text("reconcileinterval", "DURATION", "60s", "").file_only(),
    text("dead-server-threshold", "DURATION", "10m", "When a failed server loses its vote; 0 is never"),
    text("min-quorum", "N", "3", "How many voters stay at least when failed servers lose their votes"),
    switch(
        "leave-on-terminate",
        "false",
        "Leave for good when stopped by SIGTERM: a server gives up its vote",
    ),
];

const SECURITY: &[Setting] = &[
    list(
        "encrypt",
        "KEY",
        "Encrypts gossip: base64 of 16, 24 or 32 bytes; of several the first encrypts, all decrypt",
    )
    .secret(),
    text("tls-ca-file", "FILE", "none", "The authority whose certificates other nodes must show, PEM"),
    text("tls-cert-file", "FILE", "none", "This node's certificate, PEM; read again when it changes"),
    text("tls-key-file", "FILE", "none", "This node's private key, PEM"),
    text("http-tls-cert-file", "FILE", "none", "The certificate of the API, PEM; read again when it changes"),
    text("http-tls-key-file", "FILE", "none", "The private key of the API, PEM"),
    text(
        "http-tls-client-ca-file",
        "FILE",
        "none",
        "The authority whose certificates clients of the API must show, PEM",
    ),
];

const NOTIFICATIONS: &[Setting] = &[
    text("mail-host", "HOST", "none", "The mail server; mail needs --mail-port too").live().unused(),
    text("mail-port", "PORT", "0", "The mail server's port").live().unused(),
    text("mail-username", "NAME", "none", "The name to log in with").live().unused(),
    text("mail-password", "WORD", "none", "The password to log in with").live().secret().unused(),
    text("mail-from", "ADDRESS", "none", "The sender of mails").live().unused(),
    text("mail-payload", "TEMPLATE", "the output", "The text of mails").live().unused(),
    text("mail-subject-prefix", "TEXT", "[Dkron]", "What the subject of mails starts with").live().unused(),
    text("pre-webhook-endpoint", "URL", "none", "What to call before an execution").live().secret().unused(),
    text("pre-webhook-payload", "TEMPLATE", "none", "The body of that call; needed").live().unused(),
    list("pre-webhook-headers", "NAME: VALUE", "A header of that call").live().secret().unused(),
    text("webhook-endpoint", "URL", "none", "What to call after an execution").live().secret().unused(),
    text("webhook-payload", "TEMPLATE", "none", "The body of that call; needed").live().unused(),
    list("webhook-headers", "NAME: VALUE", "A header of that call").live().secret().unused(),
    text("webhook-url", "URL", "none", "Has no effect, as in Dkron").live().secret().hidden(),
    text("cronitor-endpoint", "URL", "none", "The Cronitor address that is told of runs")
        .live()
        .secret()
        .unused(),
];

const OBSERVATION: &[Setting] = &[
    switch("enable-prometheus", "false", "Serve metrics at /metrics").unused(),
    text("statsd-addr", "ADDRESS", "none", "Send metrics to this statsd").unused(),
    text("dog-statsd-addr", "ADDRESS", "none", "Send metrics to this DogStatsD").unused(),
    list("dog-statsd-tags", "KEY:VALUE", "A tag of metrics sent to DogStatsD").unused(),
    text("otel-endpoint", "ADDRESS", "none", "Send traces to this OpenTelemetry collector (gRPC)").unused(),
    switch("disable-usage-stats", "true", "Nothing is ever reported to anybody: always so"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_settings_share_a_name() {
        let names: Vec<&str> = all().flat_map(Setting::names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn a_setting_is_found_by_name_and_alias_in_any_case() {
        assert_eq!(find("Bind").map(|setting| setting.name), Some("bind-addr"));
        assert_eq!(find("RETRY-JOIN").map(|setting| setting.name), Some("retry-join"));
        assert!(find("quux").is_none());
    }
}
