//! What settings do beyond their values: templates, the shown table, reloads.

use super::*;

fn with_file(words: &[&str], text: &str) -> Config {
    let files = [("/etc/dkron/dkron.yml", text)];
    let machine = machine_with_files(&[], Some([10, 0, 0, 1]), &files);
    Config::load(flags(words), Vec::new(), &machine).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn templates_are_filled_in_wherever_an_address_stands() {
    let words = [
        "--bind-addr={{ GetPrivateIP }}:7000",
        "--http-addr={{ GetInterfaceIP \"lo\" }}",
        "--advertise-addr={{GetPrivateInterfaces | attr \"address\"}}",
        "--retry-join={{ GetPrivateIP }}",
        "--join={{ GetPrivateIP }}:1",
    ];
    let config = load(&words, &[]);
    let error = config.expect_err("lo has no address that could be passed on").to_string();
    assert!(error.contains("finds no address on this machine, whose interfaces are lo, eth0"), "{error}");
    let words = ["--http-addr={{ GetInterfaceIPs \"lo\" }}", words[0], words[2], words[3], words[4]];
    let config = good(&words, &[]);
    assert_eq!(config.bind.to_string(), "10.0.0.1:7000");
    assert_eq!(config.http.to_string(), "127.0.0.1:8080");
    assert_eq!(config.advertise.to_string(), "10.0.0.1:7000", "the port follows the bound one");
    assert_eq!(joined(&config.join.retry[0]), "10.0.0.1:8946");
    assert_eq!(joined(&config.join.once[0]), "10.0.0.1:1");
}

#[test]
fn where_a_node_takes_calls_is_read_for_other_commands() {
    let machine = machine(&[], Some([10, 0, 0, 1]));
    let read = |text: &str| {
        call_address("--rpc-addr", text, &machine)
            .map_or_else(|problem| problem.to_string(), |address| address.to_string())
    };
    assert_eq!(read("{{ GetPrivateIP }}:6868"), "10.0.0.1:6868");
    assert_eq!(read("node1"), "node1:6868");
    assert!(read(":1").starts_with("--rpc-addr: ':1': names no host"), "{}", read(":1"));
}

#[test]
fn every_setting_is_shown_with_its_origin_and_no_secret() {
    let text = "encrypt: AAAAAAAAAAAAAAAAAAAAAA==\nretry-join: ['provider=x token=T0KEN']\ntags: {role: web}\n\
                webhook-endpoint: https://x/K3Y\nwebhook-payload: p\nwebhook-headers: ['A: H3ADER']\n";
    let config = with_file(&["--server"], text);
    let shown: HashMap<&str, (String, String)> =
        config.shown().into_iter().map(|one| (one.name, (one.value, one.origin))).collect();
    let expect = |name: &str, value: &str, origin: &str| {
        assert_eq!(shown.get(name), Some(&(value.to_owned(), origin.to_owned())), "{name}");
    };
    expect("server", "true", "--server");
    expect("rpc-port", "6868", "default");
    expect("tag", "role=web", "/etc/dkron/dkron.yml:3: tags");
    expect("encrypt", "(secret)", "/etc/dkron/dkron.yml:1: encrypt");
    expect("retry-join", "provider=x token=(secret)", "/etc/dkron/dkron.yml:2: retry-join");
    expect("webhook-headers", "(secret)", "/etc/dkron/dkron.yml:6: webhook-headers");
    let whole = format!("{shown:?} {config:?}");
    for secret in ["AAAA", "T0KEN", "K3Y", "H3ADER", "[00, 00"] {
        assert!(!whole.contains(secret), "{secret} is shown");
    }
}

#[test]
fn a_setting_that_is_typed_is_shown_or_has_no_value_of_its_own() {
    let without = ["tags", "bootstrap", "devmode", "reconcileinterval", "webhook-url"];
    let shown: Vec<&str> = good(&[], &[]).shown().iter().map(|one| one.name).collect();
    for setting in table::all() {
        assert_eq!(shown.contains(&setting.name), !without.contains(&setting.name), "{}", setting.name);
    }
}

#[test]
fn a_reload_takes_what_can_change_and_names_what_needs_a_restart() {
    let before = "server: true\nlog-level: info\ntags: {a: b}\nrpc-port: 7000\n";
    let after = "server: true\nlog-level: debug\ntags: {a: c}\nrpc-port: 7001\nmail-host: m\nmail-port: 25\n\
                 encrypt: AAAAAAAAAAAAAAAAAAAAAA==\nretry-interval: 30000ms\n";
    let config = with_file(&["--region=here"], before);
    let files = [("/etc/dkron/dkron.yml", after)];
    let machine = machine_with_files(&[("DKRON_REGION", "there")], Some([10, 0, 0, 1]), &files);
    let reload = config.reload(&machine).expect("good settings");
    let mail = ["log-level", "tag", "mail-host", "mail-port", "mail-subject-prefix"];
    assert_eq!(reload.changed, mail);
    let later = ["rpc-port", "advertise-rpc-port", "encrypt"];
    assert_eq!(reload.need_restart, later, "30000ms is 30s, and the flag holds the region");
    assert_eq!((reload.config.log_level, reload.config.rpc_port), (LogLevel::Debug, 7000));
    assert_eq!(reload.config.tags.get("a").map(String::as_str), Some("c"));
    assert!(reload.config.notices.mail.is_some() && reload.config.gossip.keys.is_empty());
    let again = reload.config.reload(&machine).expect("good settings");
    assert_eq!((again.changed.len(), again.need_restart.len()), (0, 3));
    let broken = machine_with_files(&[], None, &[("/etc/dkron/dkron.yml", "server: [")]);
    assert!(config.reload(&broken).is_err());
}

#[test]
fn the_page_on_configuration_has_every_setting_with_its_default() {
    let page = include_str!("../../../docs/configuration.md");
    for setting in table::all().filter(|setting| !setting.hidden) {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", setting.name)));
        let row = row.unwrap_or_else(|| panic!("docs/configuration.md has no row for {}", setting.name));
        assert!(setting.default.is_empty() || row.contains(setting.default), "the default in: {row}");
        assert_eq!(row.contains("(not yet)"), setting.unused, "whether it has an effect, in: {row}");
        assert_eq!(row.contains("| yes |"), setting.live, "whether a reload takes it, in: {row}");
    }
}
