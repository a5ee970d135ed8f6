//! Settings files: the first line says of which kind the rest is.

use super::engine::{Target, equal};
use clap::Parser;
use dkron::config::{AgentFlags, Config, InterfaceAddress, InterfaceFlags, Surroundings};
use std::net::{IpAddr, Ipv4Addr};

pub(super) const TARGET: Target = Target {
    name: "configs",
    rounds: 800,
    seeds: Vec::new,
    words: &[
        "server: true",
        "bootstrap-expect: 3",
        "node-name: ",
        "tag:\n  - dc=a",
        "tags:\n  dc: a",
        "join: ",
        "retry-join: [",
        "{{ GetPrivateIP }}",
        "{{ GetInterfaceIP \"eth0\" }}",
        "retry-interval: 1h30m",
        "encrypt: ",
        "webhook-headers: ",
        "log-level: debug",
        "provider=aws tag_key=a",
        "127.0.0.1:8946",
        "[::1]:1",
        "&a ",
        "*a",
        "!!binary ",
        "|\n ",
        "\"\\u0041\"",
        "1e9",
        "0x1f",
        "true",
        "null",
        "[[a]]",
        "a.b = 1",
        "# ",
    ],
    run,
};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: AgentFlags,
}

fn load(arguments: &[String], kind: &str, text: &str) -> Result<Config, Vec<String>> {
    let words = ["agent".to_owned()].into_iter().chain(arguments.iter().cloned());
    let flags = Line::try_parse_from(words).map_err(|error| vec![error.to_string()])?.flags;
    let (path, text) = (format!("/etc/dkron.{kind}"), text.to_owned());
    let surroundings = Surroundings {
        variable: Box::new(|_| None),
        host_name: Box::new(|| "box".to_owned()),
        interfaces: Box::new(interfaces),
        address_of: Box::new(|name| (name == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        local_zone: Box::new(|| None),
        read_file: Box::new(move |asked| match asked.to_str() == Some(&path) {
            true => Ok(text.clone()),
            false => Err(std::io::ErrorKind::NotFound.into()),
        }),
    };
    let told = |errors: dkron::config::ConfigErrors| errors.to_string().lines().map(str::to_owned).collect();
    Config::load(flags, Vec::new(), &surroundings).map_err(told)
}

/// Loopback and a private address.
fn interfaces() -> Vec<InterfaceAddress> {
    let one = |name: &str, ip: [u8; 4], loopback| InterfaceAddress {
        name: name.to_owned(),
        ip: IpAddr::from(ip),
        prefix: 24,
        flags: InterfaceFlags { up: true, loopback, ..InterfaceFlags::default() },
        default: !loopback,
    };
    vec![one("lo", [127, 0, 0, 1], true), one("eth0", [10, 0, 0, 1], false)]
}

fn run(bytes: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let (kind, text) = text.split_once('\n').unwrap_or(("yml", &text));
    let asked = [format!("--config=/etc/dkron.{kind}")];
    let config = match load(&asked, kind, text) {
        Ok(config) => config,
        Err(told) if told.iter().all(|line| line.trim().is_empty()) => {
            return Err("the file is refused without a word".to_owned());
        }
        Err(told) => return Ok(told.into_iter().next().unwrap_or_default()),
    };
    let again = load(&asked, kind, text).map_err(|told| format!("refused the second time: {told:?}"))?;
    equal("settings read twice", &config, &again)?;
    let names: Vec<&str> =
        config.shown().iter().filter(|one| one.origin != "default").map(|one| one.name).collect();
    shown_again(&config).map(|()| format!("{} with {}", kind.len().min(9), names.join(" ")))
}

/// What is shown of the settings, given as flags, is the same settings; but for those that count only beside a secret,
/// which is not shown.
fn shown_again(config: &Config) -> Result<(), String> {
    let speaks = |value: &str| !value.is_empty() && !value.contains("(secret)");
    let alone = |name: &str| !name.starts_with("mail-") && !name.contains("webhook-");
    let shown = config.shown();
    let arguments: Vec<String> = shown
        .iter()
        .filter(|one| one.origin != "default" && speaks(&one.value) && alone(one.name))
        .filter(|one| !dkron::config::is_secret(one.name))
        .map(|one| format!("--{}={}", one.name, one.value))
        .collect();
    let again = load(&arguments, "none", "").map_err(|told| format!("{arguments:?} is refused: {told:?}"))?;
    for (one, other) in shown.iter().zip(again.shown()) {
        let given = arguments.iter().any(|argument| argument.starts_with(&format!("--{}=", one.name)));
        if given {
            equal(one.name, &one.value, &other.value)?;
        }
    }
    Ok(())
}
