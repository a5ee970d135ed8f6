//! What settings mean, on machines made for the purpose.

mod effects;
mod sources;

use super::*;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

fn machine(variables: &[(&str, &str)], private: Option<[u8; 4]>) -> Surroundings {
    machine_with_files(variables, private, &[])
}

fn machine_with_files(
    variables: &[(&str, &str)],
    private: Option<[u8; 4]>,
    files: &[(&str, &str)],
) -> Surroundings {
    let files: HashMap<PathBuf, String> =
        files.iter().map(|(path, text)| (PathBuf::from(path), text.to_string())).collect();
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Surroundings {
        variable: Box::new(move |name| variables.get(name).cloned()),
        host_name: Box::new(|| "box".to_owned()),
        interfaces: Box::new(move || interfaces(private)),
        address_of: Box::new(|name| (name == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        local_zone: Box::new(|| None),
        read_file: Box::new(move |path| {
            files.get(path).cloned().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
        }),
    }
}

/// Loopback, and a private address where there is one.
fn interfaces(private: Option<[u8; 4]>) -> Vec<InterfaceAddress> {
    let one = |name: &str, ip: [u8; 4], loopback| InterfaceAddress {
        name: name.to_owned(),
        ip: IpAddr::from(ip),
        prefix: 24,
        flags: InterfaceFlags { up: true, loopback, ..InterfaceFlags::default() },
        default: !loopback,
    };
    let private = private.map(|ip| one("eth0", ip, false));
    [one("lo", [127, 0, 0, 1], true)].into_iter().chain(private).collect()
}

fn flags(words: &[&str]) -> AgentFlags {
    #[derive(clap::Parser)]
    #[command(args_override_self = true)]
    struct Line {
        #[command(flatten)]
        flags: AgentFlags,
    }
    let line = ["agent"].iter().chain(words);
    <Line as clap::Parser>::try_parse_from(line).expect("a command line").flags
}

fn load(words: &[&str], variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load(flags(words), Vec::new(), &machine(variables, Some([10, 0, 0, 1])))
}

fn good(words: &[&str], variables: &[(&str, &str)]) -> Config {
    load(words, variables).expect("good settings")
}

#[test]
fn the_defaults_are_those_of_dkron() {
    let config = good(&[], &[]);
    assert!(!config.server && !config.dev && config.bootstrap_expect == 0);
    assert_eq!(config.node_name, "box");
    assert_eq!(config.bind.to_string(), "10.0.0.1:8946");
    assert_eq!(config.advertise.to_string(), "10.0.0.1:8946");
    assert_eq!(config.http.to_string(), "0.0.0.0:8080");
    assert_eq!((config.rpc_port, config.advertise_rpc_port), (6868, 6868));
    assert_eq!(config.data_dir.to_str(), Some("dkron.data"));
    assert_eq!((config.datacenter.as_str(), config.region.as_str()), ("dc1", "global"));
    assert_eq!(config.log_level, LogLevel::Info);
    assert!(config.warnings.is_empty());
}

#[test]
fn a_machine_without_a_private_address_listens_on_loopback() {
    let config = Config::load(AgentFlags::default(), Vec::new(), &machine(&[], None)).expect("good settings");
    assert_eq!(config.bind.to_string(), "127.0.0.1:8946");
}

#[test]
fn the_guides_command_works_as_written() {
    let words =
        ["--server", "--bootstrap-expect=3", "--node-name=node1", "--bind=10.0.0.1", "--advertise=10.0.0.9"];
    let config = good(&words, &[]);
    assert!(config.server && config.bootstrap_expect == 3 && config.node_name == "node1");
    assert_eq!(config.bind.to_string(), "10.0.0.1:8946");
    assert_eq!(config.advertise.to_string(), "10.0.0.9:8946");
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_default() {
    let variables = [("DKRON_RPC_PORT", "7000"), ("DKRON_NODE_NAME", "env"), ("DKRON_REGION", "")];
    let config = good(&["--node-name", "flag"], &variables);
    assert_eq!(
        (config.node_name.as_str(), config.rpc_port, config.region.as_str()),
        ("flag", 7000, "global")
    );
}

#[test]
fn the_last_of_a_repeated_flag_counts_and_tags_add_up() {
    let config = good(&["--rpc-port=1", "--rpc-port=2", "--tag", "role=web,a=b=c", "--tag=x="], &[]);
    assert_eq!(config.rpc_port, 2);
    let tags: Vec<_> = config.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    assert_eq!(tags, ["a=b=c", "role=web", "x="]);
    let config = good(&[], &[("DKRON_TAG", "a=1  b=2")]);
    assert_eq!(config.tags.len(), 2);
}

#[test]
fn a_node_has_dkrons_tags_and_keeps_the_users_role() {
    let config = good(&["--server", "--bootstrap-expect=1", "--tag=role=web", "--tag=dc=mine"], &[]);
    let tags = config.node_tags();
    let expected =
        [("role", "web"), ("dc", "dc1"), ("region", "global"), ("server", "true"), ("expect", "1")];
    for (tag, value) in expected {
        assert_eq!(tags.get(tag).map(String::as_str), Some(value), "{tag}");
    }
    assert_eq!(tags.get("rpc_addr").map(String::as_str), Some("10.0.0.1:6868"));
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert_eq!(good(&[], &[]).node_tags().get("role").map(String::as_str), Some("dkron"));
}

#[test]
fn dev_is_one_server_on_loopback() {
    let config = good(&["--dev"], &[]);
    assert!(config.server && config.dev && config.bootstrap_expect == 1);
    assert_eq!(config.bind.to_string(), "127.0.0.1:8946");
    assert_eq!(config.http.to_string(), "127.0.0.1:8080");
    assert_eq!(config.advertise.to_string(), "127.0.0.1:8946");
    let error = load(&["--dev", "--bootstrap-expect=3"], &[]).expect_err("a contradiction");
    assert!(error.to_string().contains("--bootstrap-expect: '3': contradicts --dev"), "{error}");
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_origin_value_and_what_is_allowed() {
    let words = ["--bootstrap-expect=many", "--bind={{ GetPrivatIP }}", "--tag=novalue", "--server=perhaps"];
    let variables = [("DKRON_LOG_LEVEL", "loud"), ("DKRON_RPC_PORT", "0"), ("DKRON_SLOTS", "-1")];
    let error = load(&words, &variables).expect_err("wrong settings");
    assert_eq!(error.0.len(), 7, "{error}");
    let text = error.to_string();
    for part in [
        "--server: 'perhaps': is neither yes nor no, allowed are true and false",
        "--bootstrap-expect: 'many': is not a number from 0 to 99",
        "--bind-addr: '{{ GetPrivatIP }}': unknown function 'GetPrivatIP'; did you mean GetPrivateIP?",
        "DKRON_RPC_PORT: '0': is not a number from 1 to 65535",
        "DKRON_LOG_LEVEL: 'loud': is not a level, allowed are trace, debug",
        "DKRON_SLOTS: '-1': is not a number from 1 to 100000",
        "--tag: 'novalue': invalid tag, allowed is KEY=VALUE",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn two_listeners_cannot_share_a_port() {
    let error = load(&["--server", "--http-addr=:6868"], &[]).expect_err("a shared port");
    assert!(error.to_string().contains("cannot both listen on 10.0.0.1:6868"), "{error}");
    let error = load(&["--bind=10.0.0.1:6868"], &[]).expect_err("a shared port");
    assert!(error.to_string().contains("gossip and calls between nodes"), "{error}");
    assert_eq!(good(&["--http-addr=:6868"], &[]).http.port(), 6868, "an agent has no API");
}

#[test]
fn every_address_is_advertised_as_the_private_one_and_names_are_kept() {
    let config = good(&["--bind=0.0.0.0:7000"], &[]);
    assert_eq!(config.advertise.to_string(), "10.0.0.1:7000");
    let config = good(&["--bind=localhost", "--advertise=node1.example"], &[]);
    assert_eq!(config.bind.to_string(), "127.0.0.1:8946");
    assert_eq!(config.advertise.to_string(), "node1.example:8946");
    let error = load(&["--bind=nowhere", "--advertise=:1"], &[]).expect_err("bad addresses");
    assert!(
        error.to_string().contains("'nowhere' has no address") && error.to_string().contains("names no host")
    );
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let config = good(&["--bootstrap-expect=3"], &[]);
    assert_eq!(config.warnings, ["--bootstrap-expect has no effect without --server"]);
}

#[test]
fn whom_to_join_needs_no_port_and_providers_are_kept_as_written() {
    let words =
        ["--join=10.0.0.1", "--join=10.0.0.2:7000,node3", "--retry-join=provider=aws tag_key=a tag_value=b"];
    let config = good(&words, &[("DKRON_RETRY_JOIN", "10.0.0.9")]);
    let once: Vec<String> = config.join.once.iter().map(joined).collect();
    assert_eq!(once, ["10.0.0.1:8946", "10.0.0.2:7000", "node3:8946"]);
    let retry: Vec<String> = config.join.retry.iter().map(joined).collect();
    assert_eq!(retry, ["provider=aws tag_key=a tag_value=b"]);
    assert_eq!((config.join.retry_max, config.join.retry_interval.as_secs()), (0, 30));
    let config = good(&[], &[("DKRON_RETRY_JOIN", "10.0.0.9,[::1]"), ("DKRON_RETRY_INTERVAL", "1m30s")]);
    assert_eq!(config.join.retry.iter().map(joined).collect::<Vec<_>>(), ["10.0.0.9:8946", "[::1]:8946"]);
    assert_eq!(config.join.retry_interval.as_secs(), 90);
}

fn joined(entry: &JoinEntry) -> String {
    match entry {
        JoinEntry::Address(address) => address.to_string(),
        JoinEntry::Provider(text) => text.reveal().to_owned(),
    }
}

#[test]
fn keys_for_gossip_are_a_list_and_never_shown() {
    let (short, long) = ("Q".repeat(21) + "A==", "B".repeat(42) + "A=");
    let config = good(&[&format!("--encrypt={short}"), &format!("--encrypt={long}")], &[]);
    assert_eq!(config.gossip.keys.iter().map(|key| key.bytes().len()).collect::<Vec<_>>(), [16, 32]);
    assert!(!format!("{config:?}").contains("BBBB"), "{config:?}");
    let error = load(&["--encrypt=c2VjcmV0", "--encrypt=%%%"], &[]).expect_err("bad keys").to_string();
    assert!(error.contains("--encrypt: is a key of 6 bytes; allowed is base64 of 16, 24 or 32"), "{error}");
    assert!(error.contains("--encrypt: is not base64") && !error.contains("c2VjcmV0"), "{error}");
}

#[test]
fn wrong_settings_of_the_cluster_name_what_is_allowed() {
    let words = [
        "--raft-multiplier=0",
        "--profile=moon",
        "--retry-interval=30",
        "--serf-reconnect-timeout=0s",
        "--join=:8946",
        "--tls-cert-file=a.pem",
    ];
    let error = load(&words, &[]).expect_err("wrong settings").to_string();
    for part in [
        "--raft-multiplier: '0': is not a number from 1 to 10",
        "--profile: 'moon': unknown profile, allowed are lan, wan and local",
        "--retry-interval: '30': duration \"30\": a unit is missing",
        "--serf-reconnect-timeout: '0s': is not a duration from 1s to",
        "--join: ':8946': names no host that could be reached",
        "--tls-cert-file: 'a.pem': needs tls-ca-file and tls-key-file too",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

#[test]
fn notifications_are_checked_and_halves_of_them_are_told() {
    let words = [
        "--mail-host=mail.example",
        "--mail-port=25",
        "--mail-username=me",
        "--webhook-endpoint=https://chat.example/key",
        "--webhook-payload={{.Report}}",
        "--webhook-headers=Content-Type: text/plain",
        "--pre-webhook-endpoint=http://x",
    ];
    let config = good(&words, &[]);
    let mail = config.notices.mail.as_ref().expect("mail");
    assert_eq!(
        (mail.host.as_str(), mail.port, mail.subject_prefix.as_str()),
        ("mail.example", 25, "[Dkron]")
    );
    let hook = config.notices.after.as_ref().expect("a webhook");
    assert_eq!(
        (hook.endpoint.reveal(), hook.headers[0].0.as_str()),
        ("https://chat.example/key", "Content-Type")
    );
    assert_eq!(hook.headers[0].1.reveal(), "text/plain");
    assert!(config.notices.before.is_none());
    for part in [
        "--mail-username has no effect without mail-password",
        "--pre-webhook-endpoint has no effect without pre-webhook-payload",
        "--webhook-endpoint has no effect in this version",
    ] {
        assert!(config.warnings.iter().any(|warning| warning == part), "{part}: {:?}", config.warnings);
    }
    let error = load(&["--webhook-endpoint=ftp://key", "--webhook-headers=nocolon"], &[]).expect_err("wrong");
    assert!(error.to_string().contains("--webhook-endpoint: is not a web address"), "{error}");
    assert!(error.to_string().contains("--webhook-headers: is not a header"), "{error}");
}
