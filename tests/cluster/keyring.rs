//! The keys of gossip are replaced while the servers run, and nobody is taken for dead.

use super::harness::Cluster;
use crate::rig::patience::eventually;

const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn keyring(cluster: &Cluster, server: u8, words: &[&str]) -> (i32, String) {
    let address = format!("--rpc-addr={}", cluster.address(server));
    cluster.run(&[&["keyring"][..], words, &[address.as_str()]].concat())
}

/// The keys of each server, as the command prints them.
fn keys(cluster: &Cluster, server: u8) -> Vec<String> {
    let (_, said) = keyring(cluster, server, &["list"]);
    let servers = said.lines().filter(|line| line.starts_with("node"));
    servers.map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")).collect()
}

fn encrypted() -> Cluster {
    let mut cluster = Cluster::new();
    for number in 1..=3 {
        let join = format!("--join={}", cluster.address(1));
        let arguments = ["--bootstrap-expect=3", "--encrypt", OLD, &join];
        cluster.add_server(number, &arguments[..if number == 1 { 3 } else { 4 }]);
        cluster.start(number);
    }
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    cluster
}

#[test]
fn a_key_is_replaced_on_all_servers_without_a_death_and_outlasts_restarts() {
    let mut cluster = encrypted();
    let [old] = &keys(&cluster, 1)[..1] else { panic!("no key") };
    let old = old.clone();
    let (code, said) = keyring(&cluster, 1, &["use", NEW]);
    assert!(code == 1 && said.contains("is not on node1, node2, node3: install it first"), "{said}");
    let (code, said) = keyring(&cluster, 2, &["install", NEW]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains(NEW), "a key is never printed");
    let both = keys(&cluster, 3);
    assert!(both.len() == 3 && both.iter().all(|keys| keys.starts_with(&old) && keys != &old), "{both:?}");
    let (code, said) = keyring(&cluster, 3, &["remove", OLD]);
    assert!(code == 1 && said.contains("encrypts on node1, node2, node3"), "{said}");
    let name = both[0].split_whitespace().last().expect("a name").to_owned();
    let (code, said) = keyring(&cluster, 1, &["use", &name]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = keyring(&cluster, 1, &["remove", OLD]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(keys(&cluster, 2), vec![format!("{name}*"); 3]);
    // A server that could not read the others would be given up within a few seconds: as many pass here, and one
    // restart.
    cluster.terminate(3);
    cluster.start(3);
    cluster.wait_until_ready(3);
    eventually("all of them alive", || {
        let members = cluster.members(1);
        (members.len() == 3 && members.values().all(|status| status == "alive")).then_some(())
    });
    for number in 1..=3 {
        let log = cluster.log(number);
        assert!(!log.contains("liveness=Failed") && !log.contains("is failed"), "{log}");
    }
    assert_eq!(keys(&cluster, 3), vec![format!("{name}*"); 3]);
    cluster.expect_writes(2, "in-secret");
}

#[test]
fn a_server_that_does_not_answer_is_named_and_the_command_can_be_repeated() {
    let mut cluster = encrypted();
    cluster.kill(3);
    let (code, said) = keyring(&cluster, 1, &["install", NEW]);
    assert!(code == 1 && said.contains("1 of 3 servers did not do it"), "{said}");
    let of_third = said.lines().find(|line| line.starts_with("node3")).expect("a line for node3");
    assert!(of_third.contains("it did not answer"), "{said}");
    cluster.start(3);
    cluster.wait_until_ready(3);
    let (code, said) = keyring(&cluster, 1, &["install", NEW]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn servers_without_encryption_say_so() {
    let cluster = Cluster::of_three();
    let (code, said) = keyring(&cluster, 1, &["list"]);
    assert!(code == 0 && said.matches("its gossip is not encrypted").count() == 3, "{said}");
    let (code, said) = keyring(&cluster, 1, &["install", NEW]);
    assert!(code == 1 && said.contains("start the servers with `encrypt`"), "{said}");
    let (code, said) = keyring(&cluster, 1, &["install", "c2VjcmV0"]);
    assert!(code == 2 && said.contains("allowed are 16, 24 or 32"), "{said}");
}
