//! Settings as texts, resolved, with where each comes from: for `dkron config check`, and to see at a reload
//! what has changed.

use super::Config;
use super::table::{self, Setting};
use super::values::{JoinEntry, Webhook};
use std::time::Duration;

/// A setting as it is in effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The setting.
    pub name: &'static str,
    /// Its value; `(secret)` in place of one.
    pub value: String,
    /// The flag, the variable, the file with line and key, or `default`.
    pub origin: String,
}

/// What is shown in place of a secret.
const MASK: &str = "(secret)";

impl Config {
    /// Every setting in the order of the help, without secrets.
    pub fn shown(&self) -> Vec<Shown> {
        let shown = |setting: &'static Setting| {
            let value = mask(setting, value(self, setting.name)?);
            let typed = setting.name == "tag" && !self.origins.contains_key("tag");
            let origin = self.origins.get(if typed { "tags" } else { setting.name });
            let origin = origin.map_or("default", String::as_str).to_owned();
            Some(Shown { name: setting.name, value, origin })
        };
        table::all().filter_map(shown).collect()
    }

    /// The settings that differ between two sets of them.
    pub(super) fn differing(&self, other: &Config) -> Vec<&'static Setting> {
        let differs = |setting: &&'static Setting| value(self, setting.name) != value(other, setting.name);
        table::all().filter(differs).collect()
    }
}

fn mask(setting: &Setting, value: String) -> String {
    match setting.name {
        _ if setting.secret && !value.is_empty() => MASK.to_owned(),
        "join" | "retry-join" => without_secrets(&value),
        _ => value,
    }
}

/// Providers' strings hold keys and tokens: what follows such a name is left out, up to the next name.
fn without_secrets(text: &str) -> String {
    const SECRET: [&str; 5] = ["secret", "token", "password", "api_key", "access_key"];
    let mut masked = false;
    let words = text.split(' ').filter_map(|word| match word.split_once('=') {
        Some((name, _)) => {
            masked = SECRET.iter().any(|secret| name.to_ascii_lowercase().contains(secret));
            Some(if masked { format!("{name}={MASK}") } else { word.to_owned() })
        }
        None => (!masked).then(|| word.to_owned()),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The text of a setting's value; none for settings that have none of their own.
fn value(config: &Config, name: &str) -> Option<String> {
    let found = of_node(config, name).or_else(|| of_cluster(config, name));
    let found = found.or_else(|| of_notices(config, name));
    found.or_else(|| of_observation(config, name))
}

fn of_node(config: &Config, name: &str) -> Option<String> {
    Some(match name {
        "server" => config.server.to_string(),
        "node-name" => config.node_name.clone(),
        "data-dir" => config.data_dir.display().to_string(),
        "log-level" => config.log_level.word().to_owned(),
        "tag" => joined(config.tags.iter().map(|(tag, value)| format!("{tag}={value}"))),
        "datacenter" => config.datacenter.clone(),
        "region" => config.region.clone(),
        "slots" => config.slots.to_string(),
        "dev" => config.dev.to_string(),
        "ui" => config.ui.to_string(),
        "enable-bench-executor" => config.bench_executor.to_string(),
        "as-version" => config.as_version.map(|formats| formats.to_string()).unwrap_or_default(),
        "clock-offset-file" => {
            config.clock_offset_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default()
        }
        "bind-addr" => config.bind.to_string(),
        "advertise-addr" => config.advertise.to_string(),
        "http-addr" => config.http.to_string(),
        "rpc-port" => config.rpc_port.to_string(),
        "advertise-rpc-port" => config.advertise_rpc_port.to_string(),
        _ => return None,
    })
}

fn of_cluster(config: &Config, name: &str) -> Option<String> {
    let Config { join, gossip, membership, tls, http_tls, .. } = config;
    let file =
        |path: Option<&std::path::PathBuf>| path.map_or(String::new(), |path| path.display().to_string());
    Some(match name {
        "bootstrap-expect" => config.bootstrap_expect.to_string(),
        "join" => joined(join.once.iter().map(entry)),
        "retry-join" => joined(join.retry.iter().map(entry)),
        "retry-max" => join.retry_max.to_string(),
        "retry-interval" => duration(join.retry_interval),
        "profile" => gossip.profile.word().to_owned(),
        "raft-multiplier" => config.raft_multiplier.to_string(),
        "raft-snapshot-entries" => config.raft_snapshot_entries.to_string(),
        "serf-reconnect-timeout" => duration(gossip.reconnect_timeout),
        "dead-server-threshold" => duration(membership.dead_server_threshold.unwrap_or_default()),
        "min-quorum" => membership.min_quorum.to_string(),
        "leave-on-terminate" => membership.leave_on_terminate.to_string(),
        "encrypt" => joined(gossip.keys.iter().map(|key| format!("{:02x?}", key.bytes()))),
        "tls-ca-file" => file(tls.as_ref().map(|tls| &tls.ca_file)),
        "tls-cert-file" => file(tls.as_ref().map(|tls| &tls.cert_file)),
        "tls-key-file" => file(tls.as_ref().map(|tls| &tls.key_file)),
        "http-tls-cert-file" => file(http_tls.as_ref().map(|tls| &tls.cert_file)),
        "http-tls-key-file" => file(http_tls.as_ref().map(|tls| &tls.key_file)),
        "http-tls-client-ca-file" => file(http_tls.as_ref().and_then(|tls| tls.client_ca_file.as_ref())),
        _ => return None,
    })
}

fn of_notices(config: &Config, name: &str) -> Option<String> {
    let notices = &config.notices;
    if let Some(part) = name.strip_prefix("pre-webhook-") {
        return of_webhook(notices.before.as_ref(), part);
    }
    if let Some(part) = name.strip_prefix("webhook-") {
        return of_webhook(notices.after.as_ref(), part);
    }
    let mail = notices.mail.as_ref();
    let login = mail.and_then(|mail| mail.login.as_ref());
    let text = match name {
        "mail-host" => mail.map(|mail| mail.host.clone()),
        "mail-port" => mail.map(|mail| mail.port.to_string()),
        "mail-username" => login.map(|(name, _)| name.clone()),
        "mail-password" => login.map(|(_, password)| password.reveal().to_owned()),
        "mail-from" => mail.map(|mail| mail.from.clone()),
        "mail-payload" => mail.map(|mail| mail.payload.clone()),
        "mail-subject-prefix" => mail.map(|mail| mail.subject_prefix.clone()),
        "cronitor-endpoint" => notices.cronitor.as_ref().map(|endpoint| endpoint.reveal().to_owned()),
        _ => return None,
    };
    Some(text.unwrap_or_default())
}

fn of_webhook(webhook: Option<&Webhook>, part: &str) -> Option<String> {
    let text = match part {
        "endpoint" => webhook.map(|webhook| webhook.endpoint.reveal().to_owned()),
        "payload" => webhook.map(|webhook| webhook.payload.clone()),
        "headers" => webhook.map(|webhook| {
            joined(webhook.headers.iter().map(|(name, value)| format!("{name}: {}", value.reveal())))
        }),
        _ => return None,
    };
    Some(text.unwrap_or_default())
}

fn of_observation(config: &Config, name: &str) -> Option<String> {
    let observation = &config.observation;
    let address =
        |address: &Option<super::HostPort>| address.as_ref().map_or(String::new(), ToString::to_string);
    Some(match name {
        "enable-prometheus" => observation.prometheus.to_string(),
        "statsd-addr" => address(&observation.statsd),
        "dog-statsd-addr" => address(&observation.dog_statsd),
        "dog-statsd-tags" => joined(observation.dog_statsd_tags.iter().cloned()),
        "otel-endpoint" => observation.otel.clone().unwrap_or_default(),
        "disable-usage-stats" => "true".to_owned(),
        _ => return None,
    })
}

fn entry(entry: &JoinEntry) -> String {
    match entry {
        JoinEntry::Address(address) => address.to_string(),
        JoinEntry::Provider(text) => text.reveal().to_owned(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// In Go's notation, as it is written: `1h30m`, `1.5s`, `0s`.
pub(super) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let rest = length - Duration::from_secs(hours * 3_600 + minutes * 60);
    let part = |count: u64, unit: &str| if count > 0 { format!("{count}{unit}") } else { String::new() };
    let rest = match rest.is_zero() && length >= Duration::from_secs(60) {
        true => String::new(),
        false if rest.is_zero() => "0s".to_owned(),
        false => format!("{rest:?}"),
    };
    format!("{}{}{rest}", part(hours, "h"), part(minutes, "m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_they_are_written() {
        let rows = [
            (0, "0s"),
            (500, "500ms"),
            (30_000, "30s"),
            (600_000, "10m"),
            (86_400_000, "24h"),
            (5_401_500, "1h30m1.5s"),
        ];
        for (millis, expected) in rows {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn secrets_in_providers_strings_are_left_out() {
        let text = "provider=aws tag_key=a access_key_id=AK secret_access_key='x y' region=eu,10.0.0.1:8946";
        let expected = "provider=aws tag_key=a access_key_id=(secret) secret_access_key=(secret) region=eu,10.0.0.1:8946";
        assert_eq!(without_secrets(text), expected);
    }
}
