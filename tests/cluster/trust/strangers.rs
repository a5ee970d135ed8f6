//! Who does not belong is refused, and both sides say whom and why.

use super::kit::{self, Authority};
use crate::cluster::harness::Cluster;
use dkron::config::Tls;
use dkron::net::Dialer;
use dkron::net::trust::{Role, Trust};
use dkron::task;
use dkron_core::bootstrap::Hello;
use dkron_wire::consensus::service::{ConsensusClient, VoteRequest};
use dkron_wire::formation::service::FormationClient;
use dkron_wire::submit::service::{LeaderClient, SubmitRequest};
use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use std::fs;
use tonic::{Code, Status};

/// A server of one with TLS, which is ready.
fn secured() -> (Cluster, Authority) {
    let mut cluster = Cluster::new();
    let authority = kit::authority(&cluster);
    kit::add_nodes(&mut cluster, &authority, 1, &[]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    (cluster, authority)
}

fn add_agent(cluster: &mut Cluster, number: u8, flags: &[String]) {
    let words: Vec<&str> = flags.iter().map(String::as_str).collect();
    cluster.add_agent(number, &words);
    cluster.start(number);
}

/// A certificate for an agent of this authority that ended years ago.
fn sign_expired(authority: &Authority) {
    let read = |name: &str| fs::read_to_string(authority.path(name)).expect("a file");
    let key = KeyPair::from_pem(&read("dkron-ca-key.pem")).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&read("dkron-ca.pem"), key).expect("an authority");
    let own = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["agent.global.dkron".to_owned()]).expect("a name");
    params.not_after = date_time_ymd(2020, 1, 1);
    let certificate = params.signed_by(&own, &issuer).expect("a certificate");
    fs::write(authority.path("old.pem"), certificate.pem()).expect("a file");
    fs::write(authority.path("old-key.pem"), own.serialize_pem()).expect("a file");
}

#[test]
fn an_agent_without_a_certificate_of_another_authority_or_of_the_past_is_refused_by_name() {
    let (mut cluster, authority) = secured();
    let stranger = Authority::create(&cluster.folder().join("stranger"));
    stranger.sign("agent", &["--agent"]);
    sign_expired(&authority);
    add_agent(&mut cluster, 5, &[]);
    add_agent(&mut cluster, 6, &stranger.flags("agent"));
    add_agent(&mut cluster, 7, &authority.flags("old"));
    cluster.wait_for_log(1, "it does not speak TLS");
    cluster.wait_for_log(5, "it speaks TLS, and this node is set to speak in clear");
    cluster.wait_for_log(6, "its certificate is of another authority");
    cluster.wait_for_log(1, "it refuses this node's certificate: of another authority");
    cluster.wait_for_log(7, "it refuses this node's certificate: expired");
    cluster.wait_for_log(1, "its certificate has expired");
    let members = cluster.members(1);
    assert_eq!(members.keys().collect::<Vec<_>>(), ["node1"], "{members:?}");
}

#[test]
fn a_certificate_bound_to_one_node_does_not_speak_as_another() {
    let (mut cluster, authority) = secured();
    authority.sign("bound", &["--agent", "--node-name", "agent5"]);
    add_agent(&mut cluster, 5, &authority.flags("bound"));
    cluster.wait_for_member(1, "agent5", "alive");
    add_agent(&mut cluster, 6, &authority.flags("bound"));
    let words = "'agent6' is not whom its certificate is bound to, which is agent5";
    cluster.wait_for_log(1, words);
    cluster.wait_for_log(6, words);
    assert!(!cluster.members(1).contains_key("agent6"));
}

#[test]
fn nodes_whose_certificates_are_not_for_them_do_not_start_and_neither_does_tls_without_a_gossip_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::create(folder.path());
    authority.sign("agent", &["--agent"]);
    authority.sign("client", &["--client"]);
    let data = folder.path().join("data");
    let data = format!("--data-dir={}", data.display());
    let refused = |more: &[&str], file_name: &str| {
        let flags = authority.flags(file_name);
        let flags = flags.iter().map(String::as_str);
        let words: Vec<&str> = ["agent", "--bind=127.99.7.1", &data].into_iter().chain(flags).collect();
        let output = kit::dkron(&[&words, more].concat());
        assert_eq!(output.status.code(), Some(1), "{}", kit::err(&output));
        kit::err(&output)
    };
    let server = ["--server", "--bootstrap-expect=1", "--http-addr=127.99.7.1:8080"];
    let said = refused(&server, "agent");
    assert!(
        said.contains("is for agent.global.dkron, a node of this kind and region needs server.global.dkron"),
        "{said}"
    );
    let said = refused(&["--join=127.99.7.2"], "client");
    assert!(said.contains("needs agent.global.dkron"), "{said}");
    authority.sign("server", &["--server"]);
    let said = refused(&server, "server");
    assert!(said.contains("encrypt: is not set, and tls-cert-file is"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_certificate_neither_votes_nor_passes_writes_on_nor_forms_clusters() {
    let (cluster, authority) = task::blocking("a cluster", secured).await.expect("a cluster");
    let files = Tls {
        ca_file: authority.path("dkron-ca.pem"),
        cert_file: authority.path("agent.pem"),
        key_file: authority.path("agent-key.pem"),
    };
    let trust = Trust::load(&files, "global", Role::Agent).expect("good files");
    let dialer = Dialer::new(Some(trust));
    let refused = |what: &str, status: Status| {
        assert_eq!(status.code(), Code::PermissionDenied, "{what}: {status}");
        let words = "the caller's certificate is for agent.global.dkron, this call is for role: server";
        assert!(status.message().contains(words), "{what}: {status}");
    };
    for port in [6868, 8946] {
        let channel = dialer.dial(&format!("{}:{port}", cluster.address(1))).await.expect("a connection");
        let vote = ConsensusClient::new(channel.clone()).vote(VoteRequest::default()).await;
        refused("vote", vote.expect_err("refused"));
        let submit = LeaderClient::new(channel.clone()).submit(SubmitRequest::default()).await;
        refused("submit", submit.expect_err("refused"));
        let hello = Hello { from: dkron_core::ids::NodeId(2), about: None, initialised: false };
        let hello = dkron_wire::formation::hello_to_wire(dkron_core::ids::NodeId(1), &hello);
        refused("hello", FormationClient::new(channel.clone()).hello(hello).await.expect_err("refused"));
        let question = dkron_wire::formation::question_to_wire(None, "global");
        let servers = FormationClient::new(channel).servers(question).await;
        assert!(servers.is_ok(), "{port}: what an agent may ask: {servers:?}");
    }
    let logged = task::blocking("a log", move || {
        cluster.wait_for_log(1, "a call is refused");
        cluster.log(1)
    });
    let log = logged.await.expect("a log");
    assert!(log.contains("/dkron.consensus.v1.Consensus/Vote"), "{log}");
}
