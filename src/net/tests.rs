//! Connections between nodes that show certificates: who gets through, who is refused and with what words, and what
//! is read again.

use super::trust::{Certificate, Role, Trust};
use super::{Dialer, Door, Incoming, Stream, listen};
use crate::config::Tls;
use crate::task::{self, CancellationToken};
use futures::StreamExt;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(20);

/// An authority in memory.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Writes what a node of these names needs; it holds until the end of this year.
    fn files(&self, folder: &Path, names: &[&str], year: i32) -> Tls {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "a test");
        params.not_after = date_time_ymd(year, 12, 31);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |name: &str| folder.join(name);
        let put = |name: &str, text: &str| fs::write(path(name), text).expect("a file");
        put("ca.pem", &self.pem);
        put("cert.pem", &certificate.pem());
        put("key.pem", &key.serialize_pem());
        Tls { ca_file: path("ca.pem"), cert_file: path("cert.pem"), key_file: path("key.pem") }
    }

    fn trust(&self, names: &[&str], year: i32) -> (TempDir, Trust) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = self.files(folder.path(), names, year);
        (folder, Trust::load(&files, "global", Role::Agent).expect("good files"))
    }
}

const SERVER: &[&str] = &["server.global.dkron"];
const AGENT: &[&str] = &["agent.global.dkron"];

/// A server of TLS whose accepted connections come out of a channel.
async fn served(trust: Trust) -> (SocketAddr, mpsc::Receiver<Stream>, CancellationToken) {
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), "a test").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (sender, streams) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    drop(task::spawn("test-incoming", async move {
        let mut incoming = Incoming::new(listener, Door::nodes(Some(trust))).into_stream();
        let taking = async {
            while let Some(Ok(stream)) = incoming.next().await {
                if sender.send(stream).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! { () = taking => {}, () = stopped.cancelled() => {} }
    }));
    (address, streams, stop)
}

async fn dialled(trust: &Trust, address: SocketAddr) -> std::io::Result<Stream> {
    tokio::time::timeout(LONG, super::dialer::connect(trust, &address.to_string().into()))
        .await
        .expect("in time")
}

/// What a dial that must fail says; that a server refuses comes with the first answer.
async fn refusal(trust: &Trust, address: SocketAddr) -> String {
    match dialled(trust, address).await {
        Err(error) => super::trust::reason(&error),
        Ok(mut stream) => {
            let read = tokio::time::timeout(LONG, stream.read_u8()).await.expect("in time");
            super::trust::reason(&read.expect_err("refused"))
        }
    }
}

#[tokio::test]
async fn nodes_of_one_authority_reach_each_other_and_know_their_roles() {
    let authority = Authority::new("ours");
    let ((_one, server), (_other, agent)) = (authority.trust(SERVER, 2099), authority.trust(AGENT, 2099));
    let (address, mut streams, _stop) = served(server).await;
    let mut near = dialled(&agent, address).await.expect("a connection");
    near.write_all(b"hello").await.expect("written");
    near.flush().await.expect("sent");
    let mut far = streams.recv().await.expect("a connection");
    let mut said = [0; 5];
    far.read_exact(&mut said).await.expect("read");
    assert_eq!(&said, b"hello");
    assert!(far.peer().is_one_of(&[Role::Agent]) && !far.peer().is_one_of(&[Role::Server]));
    assert!(near.peer().is_one_of(&[Role::Server]));
    assert!(far.peer().speaks_as("anyone", false).is_ok(), "bound to no node");
    let said = far.peer().speaks_as("server1", true).expect_err("an agent");
    assert!(
        said.contains("'server1' says that it is a server") && said.contains("agent.global.dkron"),
        "{said}"
    );
    assert!(far.tcp().nodelay().expect("the setting"), "what is said is not held back");
}

#[tokio::test]
async fn strangers_the_expired_and_the_silent_are_refused_by_name() {
    let authority = Authority::new("ours");
    let (_server, server) = authority.trust(SERVER, 2099);
    let (address, _streams, _stop) = served(server).await;
    let (_folder, expired) = authority.trust(AGENT, 2020);
    assert_eq!(refusal(&expired, address).await, "it refuses this node's certificate: expired");
    let stranger = Authority::new("another");
    let (_folder, foreign) = stranger.trust(AGENT, 2099);
    assert_eq!(refusal(&foreign, address).await, "its certificate is of another authority");
    // One that trusts us, with a certificate that we do not trust.
    let (folder, half) = stranger.trust(AGENT, 2099);
    fs::write(folder.path().join("ca.pem"), &authority.pem).expect("a file");
    assert!(half.refresh());
    assert_eq!(refusal(&half, address).await, "it refuses this node's certificate: of another authority");
    let mut clear = TcpStream::connect(address).await.expect("a connection");
    clear.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, clear.read_to_end(&mut answer)).await.expect("it is hung up");
    assert!(read.is_err() || answer.first() != Some(&0), "no HTTP comes back: {answer:?}");
}

#[tokio::test]
async fn who_is_dialled_must_be_a_server_of_the_region() {
    let authority = Authority::new("ours");
    let (_agent, agent) = authority.trust(AGENT, 2099);
    for (names, year, words) in [
        (AGENT, 2099, "its certificate does not name server.global.dkron"),
        (
            &["server.eu.dkron", "agent.global.dkron"][..],
            2099,
            "its certificate does not name server.global.dkron",
        ),
        (
            &["*.global.dkron", "agent.global.dkron"][..],
            2099,
            "its certificate is not that of a server of this region",
        ),
        (&["server.global.dkron", "agent.global.dkron"][..], 2020, "its certificate has expired"),
    ] {
        let (_folder, other) = authority.trust(names, year);
        let (address, _streams, _stop) = served(other).await;
        let said = refusal(&agent, address).await;
        assert!(said.starts_with(words), "{names:?}: {said}");
    }
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = plain.local_addr().expect("an address");
    drop(task::spawn("test-plain", async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"\0\0\x06\x04\0\0\0\0\0hello").await;
        }
    }));
    assert_eq!(refusal(&agent, address).await, "it does not speak TLS");
}

#[tokio::test]
async fn changed_files_count_for_new_connections_and_cut_no_old_one() {
    let authority = Authority::new("ours");
    let (folder, server) = authority.trust(SERVER, 2099);
    let (_agent, agent) = authority.trust(AGENT, 2099);
    let (address, mut streams, _stop) = served(server.clone()).await;
    let mut old = dialled(&agent, address).await.expect("a connection");
    let mut far = streams.recv().await.expect("accepted");
    assert!(!server.refresh(), "nothing has changed");
    let before = server.own();
    fs::write(folder.path().join("key.pem"), "nonsense").expect("a file");
    assert!(!server.refresh(), "what cannot be used changes nothing");
    assert_eq!(server.own(), before);
    drop(authority.files(folder.path(), &["server.global.dkron", "new.example"], 2098));
    assert!(server.refresh());
    assert_eq!(server.own().names, ["server.global.dkron", "new.example"]);
    old.write_all(b"x").await.expect("written");
    old.flush().await.expect("sent");
    assert_eq!(far.read_u8().await.expect("read"), b'x', "the old connection goes on");
    let new = dialled(&agent, address).await.expect("a connection");
    let shown = new.peer().certificate().map(|certificate: &Certificate| certificate.names.clone());
    assert_eq!(shown.as_deref(), Some(&["server.global.dkron".to_owned(), "new.example".to_owned()][..]));
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_setting() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let files = authority.files(folder.path(), AGENT, 2099);
    let said = |files: &Tls, role| match Trust::load(files, "global", role) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    let server = said(&files, Role::Server);
    assert!(
        server.starts_with("tls-cert-file: ") && server.ends_with("needs server.global.dkron"),
        "{server}"
    );
    let missing = said(&Tls { ca_file: "/nowhere".into(), ..files.clone() }, Role::Agent);
    assert!(missing.starts_with("tls-ca-file: '/nowhere': cannot be read"), "{missing}");
    let swapped = said(&Tls { key_file: files.ca_file.clone(), ..files.clone() }, Role::Agent);
    assert!(swapped.contains("holds no private key") && !swapped.contains("BEGIN CERT"), "{swapped}");
    let other = tempfile::tempdir().expect("a folder");
    let foreign = authority.files(other.path(), AGENT, 2099);
    let mixed = said(&Tls { key_file: foreign.key_file, ..files }, Role::Agent);
    assert!(
        mixed.starts_with("tls-key-file: ") && mixed.contains("does not go with tls-cert-file"),
        "{mixed}"
    );
}

#[tokio::test]
async fn without_trust_everything_is_in_clear_and_nothing_is_known() {
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), "a test").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let _dialled = TcpStream::connect(address).await.expect("connected");
    let mut incoming = Incoming::new(listener, Door::nodes(None)).into_stream();
    let accepted = incoming.next().await.expect("a connection").expect("accepted");
    assert!(accepted.tcp().nodelay().expect("the setting"), "what is said is not held back");
    assert!(accepted.peer().certificate().is_none() && accepted.peer().speaks_as("x", true).is_ok());
    assert!(Dialer::default().line("no address").is_err());
}
