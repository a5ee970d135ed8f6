//! Certificates and tokens as an operator makes them: by the real command line.

use crate::cluster::harness::Cluster;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The command line with nothing of the test's environment.
pub(super) fn dkron(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
    command.args(words).env_clear().output().expect("the binary runs")
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command prints, if it succeeds.
#[track_caller]
pub(super) fn told(words: &[&str]) -> String {
    let output = dkron(words);
    assert!(output.status.success(), "{words:?}: {}", err(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same as JSON.
#[track_caller]
pub(super) fn told_json(words: &[&str]) -> Value {
    let words = [words, &["--output", "json"]].concat();
    serde_json::from_str(&told(&words)).expect("JSON")
}

/// An authority in a folder, and what it signs.
pub(super) struct Authority(PathBuf);

impl Authority {
    pub(super) fn create(folder: &Path) -> Authority {
        told(&["tls", "ca", "create", "--directory", text(folder)]);
        Authority(folder.to_owned())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn file(&self, name: &str) -> String {
        text(&self.path(name)).to_owned()
    }

    /// A certificate and key called so.
    pub(super) fn sign(&self, file_name: &str, words: &[&str]) {
        let (certificate, key) = (self.file("dkron-ca.pem"), self.file("dkron-ca-key.pem"));
        let places = ["--ca-file", &certificate, "--ca-key-file", &key, "--directory", text(&self.0)];
        let name = ["--file-name", file_name];
        told(&[&["tls", "cert", "create"], words, &places, &name].concat());
    }

    /// The flags of a node with the files called so.
    pub(super) fn flags(&self, file_name: &str) -> [String; 3] {
        [
            format!("--tls-ca-file={}", self.file("dkron-ca.pem")),
            format!("--tls-cert-file={}", self.file(&format!("{file_name}.pem"))),
            format!("--tls-key-file={}", self.file(&format!("{file_name}-key.pem"))),
        ]
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A key for gossip, new for every cluster.
pub(super) fn encrypt() -> String {
    format!("--encrypt={}", told(&["keygen"]).trim())
}

/// Adds servers `1..=count` with the files called `server`, each expecting all, and agent 4 with those called
/// `agent`; starts nothing.
pub(super) fn add_nodes(cluster: &mut Cluster, authority: &Authority, count: u8, more: &[&str]) {
    let (encrypt, join) = (encrypt(), format!("--join={}", cluster.address(1)));
    let expect = format!("--bootstrap-expect={count}");
    let flags = authority.flags("server");
    for number in 1..=count {
        let mut words: Vec<&str> = vec![&expect, &encrypt];
        words.extend(flags.iter().map(String::as_str));
        words.extend((number > 1).then_some(join.as_str()));
        words.extend(more);
        cluster.add_server(number, &words);
    }
    let flags = authority.flags("agent");
    let words: Vec<&str> = flags.iter().map(String::as_str).chain(["--tag", "role=web"]).collect();
    cluster.add_agent(4, &words);
}

/// A cluster whose servers and agent are ready.
pub(super) fn start(cluster: &mut Cluster, count: u8) {
    (1..=count).for_each(|number| cluster.start(number));
    (1..=count).for_each(|number| cluster.wait_until_ready(number));
    cluster.start(4);
}

/// The authority and the two usual pairs, in the cluster's folder.
pub(super) fn authority(cluster: &Cluster) -> Authority {
    let folder = cluster.folder().join("tls");
    let authority = Authority::create(&folder);
    authority.sign("server", &["--server"]);
    authority.sign("agent", &["--agent"]);
    authority
}

/// Closes the API by way of a server; the first token.
#[track_caller]
pub(super) fn bootstrap(cluster: &Cluster, server: u8) -> String {
    let url = format!("http://{}", cluster.api(server));
    let made = told_json(&["token", "bootstrap", "--url", &url]);
    made["token"].as_str().expect("a token").to_owned()
}
