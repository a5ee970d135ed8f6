//! Clients of Dkron that others published, unchanged, against the real binary.

use crate::node::harness::Node;
use crate::rig::python;
use std::path::Path;
use std::process::Command;

/// Runs a session of a client against a node.
fn hold_session(environment: &Path, script: &str, node: &Node) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools").join(script);
    let output = Command::new(environment.join("bin/python"))
        .arg(script)
        .arg(node.api().to_string())
        .current_dir(node.folder())
        .output()
        .expect("python runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    assert!(said[0].contains("is content"), "{}", said.concat());
}

#[test]
fn pydkron_runs_unchanged() {
    let Some(environment) = python::environment("pydkron", &["pydkron==0.2.4"]) else { return };
    hold_session(&environment, "pydkron_session.py", &Node::start());
}
