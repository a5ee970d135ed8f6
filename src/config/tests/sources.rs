//! Where settings come from: flag before variable before file before default, in every form of each.

use super::*;

type Variables<'a> = &'a [(&'a str, &'a str)];

fn with_file(words: &[&str], variables: &[(&str, &str)], text: &str) -> Result<Config, ConfigErrors> {
    let files = [("/etc/dkron/dkron.yml", text)];
    Config::load(flags(words), Vec::new(), &machine_with_files(variables, Some([10, 0, 0, 1]), &files))
}

fn good_file(text: &str) -> Config {
    with_file(&[], &[], text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let file = "rpc-port: 4000\nregion: file\njoin: [c]\ntag: [x=file]\nserver: true\n";
    let rows: [(&[&str], Variables<'_>, &str, [&str; 5]); 4] = [
        (&[], &[], "", ["6868", "global", "", "", "false"]),
        (&[], &[], file, ["4000", "file", "c:8946", "x=file", "true"]),
        (
            &[],
            &[
                ("DKRON_RPC_PORT", "3000"),
                ("DKRON_JOIN", "b,b2"),
                ("DKRON_TAG", "x=env y=env"),
                ("DKRON_REGION", ""),
            ],
            file,
            ["3000", "file", "b:8946 b2:8946", "x=env y=env", "true"],
        ),
        (
            &["--rpc-port=2000", "--join=a", "--tag=x=flag", "--server=false"],
            &[
                ("DKRON_RPC_PORT", "3000"),
                ("DKRON_JOIN", "b"),
                ("DKRON_TAG", "x=env"),
                ("DKRON_SERVER", "true"),
            ],
            file,
            ["2000", "file", "a:8946", "x=flag", "false"],
        ),
    ];
    for (words, variables, text, expected) in rows {
        let config = with_file(words, variables, text).unwrap_or_else(|error| panic!("{error}"));
        let join: Vec<String> = config.join.once.iter().map(joined).collect();
        let tags: Vec<String> = config.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
        let found = [
            config.rpc_port.to_string(),
            config.region.clone(),
            join.join(" "),
            tags.join(" "),
            config.server.to_string(),
        ];
        assert_eq!(found, expected, "{words:?} {variables:?}");
    }
}

#[test]
fn the_guides_file_works_as_written() {
    let config = good_file(
        "# dkron.yml\nserver: true\nbootstrap-expect: 3\nretry-join:\n- 10.19.3.9\n- 10.19.4.64\n- 10.19.7.215\n",
    );
    assert!(config.server && config.bootstrap_expect == 3);
    let retry: Vec<String> = config.join.retry.iter().map(joined).collect();
    assert_eq!(retry, ["10.19.3.9:8946", "10.19.4.64:8946", "10.19.7.215:8946"]);
    assert_eq!(config.file, Some(PathBuf::from("/etc/dkron/dkron.yml")));
}

#[test]
fn keys_are_read_in_any_case_and_values_in_any_dress() {
    let config =
        good_file("Server: \"1\"\nRPC-Port: \"7000\"\nenable-prometheus: T\nBind: 10.0.0.5\njoin: a,b\n");
    assert!(config.server && config.observation.prometheus);
    assert_eq!((config.rpc_port, config.bind.to_string().as_str()), (7000, "10.0.0.5:8946"));
    assert_eq!(config.join.once.len(), 2);
}

#[test]
fn tags_are_a_map_or_a_list_and_the_list_goes_first() {
    let rows: [(&str, Variables<'_>, &[&str], &str); 7] = [
        ("tags:\n  role: web\n  n: 1\n", &[], &[], "n=1 role=web"),
        ("tags:\n- role: web\n- x: y\n", &[], &[], "role=web x=y"),
        ("tags: {role: web}\ntag: a=b\n", &[], &[], "a=b"),
        ("tags: {role: web}\n", &[("DKRON_TAGS", "{\"Role\": \"env\"}")], &[], "Role=env"),
        ("tags: {role: web}\n", &[("DKRON_TAG", "a=b")], &[], "a=b"),
        ("tags: {role: web}\n", &[], &["--tag=Role=Web"], "Role=Web"),
        ("tag: a=1 b=2\n", &[], &[], "a=1 b=2"),
    ];
    for (text, variables, words, expected) in rows {
        let config = with_file(words, variables, text).unwrap_or_else(|error| panic!("{error}"));
        let tags: Vec<String> = config.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
        assert_eq!(tags.join(" "), expected, "{text}");
    }
    let config = good_file("tags:\n  Role: web\n");
    assert_eq!(config.tags.get("role").map(String::as_str), Some("web"));
    assert!(
        config.warnings[0].contains("the tag 'Role' is read as 'role', as in Dkron"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn problems_of_a_file_name_its_line_and_all_are_told() {
    let text = "rpc-port: 0\nserver:\n  a: b\nraft-multiplier: [1]\njoin: {a: b}\nRetry-Max: 1\nretry-max: 2\n\
                encrypt: c2VjcmV0\ntags: web\ntag:\n- [x]\n";
    let error = with_file(&["--slots=0"], &[("DKRON_TAGS", "[1]")], text).expect_err("wrong").to_string();
    for part in [
        "--slots: '0': is not a number from 1 to 100000",
        "/etc/dkron/dkron.yml:1: rpc-port: '0': is not a number from 1 to 65535",
        "/etc/dkron/dkron.yml:2: server: is a map, one value is needed",
        "/etc/dkron/dkron.yml:4: raft-multiplier: is a list, one value is needed",
        "/etc/dkron/dkron.yml:5: join: is a map, a list of values is needed",
        "/etc/dkron/dkron.yml:7: retry-max: retry-max is set twice in this file",
        "/etc/dkron/dkron.yml:8: encrypt: is a key of 6 bytes",
        "/etc/dkron/dkron.yml:9: tags: is a text, a map is needed",
        "/etc/dkron/dkron.yml:11: tag: is a list, one value is needed",
        "DKRON_TAGS: '[1]': is no map of settings",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    assert!(!error.contains("c2VjcmV0"), "a secret is shown: {error}");
}

#[test]
fn unknown_keys_and_keys_of_dkron_pro_are_told() {
    let config =
        good_file("retry_join: [a]\nquux: 1\nacl:\n  enabled: true\ncert-file: a.pem\nserver: true\n");
    let expected = [
        "/etc/dkron/dkron.yml:1: retry_join has no effect, an unknown key; did you mean retry-join?",
        "/etc/dkron/dkron.yml:2: quux has no effect, an unknown key",
        "/etc/dkron/dkron.yml:3: acl has no effect, a setting of Dkron Pro: the API is closed by `dkron token bootstrap`",
        "/etc/dkron/dkron.yml:5: cert-file has no effect, a setting of Dkron Pro: the settings for TLS between",
    ];
    for part in expected {
        assert!(
            config.warnings.iter().any(|warning| warning.starts_with(part)),
            "{part}: {:?}",
            config.warnings
        );
    }
}

#[test]
fn keys_that_only_a_file_may_have_are_checked_and_told() {
    let config = good_file("bootstrap: true\nserver: true\ndevmode: true\nreconcileinterval: 10s\n");
    assert_eq!(config.bootstrap_expect, 1);
    let told = config.warnings.join("\n");
    assert!(told.contains("devmode has no effect: data are always kept"), "{told}");
    assert!(
        told.contains("reconcileinterval has no effect: changes are acted on when they happen"),
        "{told}"
    );
    let error =
        with_file(&["--bootstrap-expect=3"], &[], "bootstrap: true\nserver: true\nreconcileinterval: soon\n");
    let error = error.expect_err("wrong").to_string();
    assert!(error.contains("dkron.yml:1: bootstrap: 'true': contradicts bootstrap-expect"), "{error}");
    assert!(error.contains("dkron.yml:3: reconcileinterval: 'soon': duration"), "{error}");
    let variables = [("DKRON_BOOTSTRAP", "true")];
    assert_eq!(with_file(&[], &variables, "").expect("good").bootstrap_expect, 0, "as in Dkron");
}

#[test]
fn files_are_searched_in_dkrons_order_and_one_that_is_asked_for_must_be_there() {
    let files = [
        ("config/dkron.toml", "slots = 3"),
        ("/home/me/.dkron/dkron.json", "{\"slots\": 2}"),
        ("my.ini", "slots=4"),
    ];
    let load = |words: &[&str], home: &str| {
        let variables = [("HOME", home)];
        Config::load(flags(words), Vec::new(), &machine_with_files(&variables, None, &files))
    };
    assert_eq!(load(&[], "/home/me").expect("good").slots, 2);
    assert_eq!(load(&[], "/home/you").expect("good").slots, 3);
    assert_eq!(load(&["--config=my.ini"], "/home/me").expect("good").slots, 4);
    let error = load(&["--config=none.yml", "--slots=x"], "/home/me").expect_err("no file").to_string();
    assert!(error.contains("--config: 'none.yml': cannot be read: "), "{error}");
    assert!(error.contains("--slots: 'x'"), "{error}");
}

#[test]
fn a_broken_file_stops_the_start_wherever_it_was_found() {
    let error = with_file(&[], &[], "server: true\nx: [1\n").expect_err("broken").to_string();
    assert!(error.contains("/etc/dkron/dkron.yml:") && error.contains("is not YAML"), "{error}");
    let files = [("/etc/dkron/dkron.hcl", "x")];
    let error =
        Config::load(flags(&[]), Vec::new(), &machine_with_files(&[], None, &files)).expect_err("a kind");
    assert!(error.to_string().contains("of the kind 'hcl' are not understood; allowed are yaml"), "{error}");
}

#[test]
fn what_a_start_script_leaves_empty_is_not_set() {
    let words = ["--advertise-addr=", "--encrypt=", "--join=", "--tag=", "--statsd-addr=", "--mail-host="];
    let config =
        with_file(&words, &[], "retry-join: \"\"\nwebhook-headers: [\"\"]\n").expect("good settings");
    assert_eq!(config.advertise.to_string(), "10.0.0.1:8946");
    assert!(config.gossip.keys.is_empty() && config.join.once.is_empty() && config.join.retry.is_empty());
    assert!(config.tags.is_empty() && config.observation.statsd.is_none() && config.notices.mail.is_none());
}
