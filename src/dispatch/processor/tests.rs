//! Each processor alone, and one after the other.

use super::*;
use dkron_core::job::Job;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

fn piece(output: &[u8], succeeded: bool) -> Piece<'_> {
    Piece { job: "report", id: "17-node1".to_owned(), succeeded, output }
}

fn outcome() -> Outcome {
    Outcome {
        verdict: Verdict::Succeeded,
        started_at: Time::from_nanos(17),
        finished_at: Time::from_nanos(18),
        code: Some(0),
        error: "".into(),
        tail: Arc::default(),
        output_bytes: 0,
    }
}

fn subject(processors: &[(&str, &[(&str, &str)])]) -> Subject {
    let words = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Words>()
    };
    let processors = processors.iter().map(|(name, pairs)| ((*name).to_owned(), words(pairs))).collect();
    let job = Job { name: "report".to_owned(), processors, ..Job::default() };
    Subject { job: "report".into(), node: "node1".into(), definition: definition::encode(&job).into() }
}

#[test]
fn the_log_has_the_output_between_two_lines_on_the_stream_of_its_end() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let text = log::process(&piece(b"hello\n", true), &mut out, &mut err).expect("it is written");
    assert_eq!(text, "Output in dkron log");
    let expected = "----- BEGIN OUTPUT job=report execution=17-node1 -----\nhello\n----- END OUTPUT -----\n";
    assert_eq!((out.as_slice(), err.as_slice()), (expected.as_bytes(), &b""[..]));
    log::process(&piece(b"hello", false), &mut Vec::new(), &mut err).expect("it is written");
    assert_eq!(err, expected.as_bytes());
}

#[test]
fn the_system_log_gets_a_message_for_each_line() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("log");
    let daemon = UnixDatagram::bind(&socket).expect("a socket");
    let text = syslog::process(&piece(b"one\n\ntwo", true), &socket).expect("it is sent");
    assert_eq!(text, "Output in syslog");
    for line in ["one", "two"] {
        let mut message = [0; 256];
        let length = daemon.recv(&mut message).expect("a message");
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        assert!(message.starts_with("<78>"), "{message}");
        assert!(message.ends_with(&format!(" [dkron][{}]: {line}", std::process::id())), "{message}");
    }
    drop(daemon);
    let error = syslog::process(&piece(b"one", true), &socket).expect_err("nobody listens");
    assert!(error.to_string().contains("no system log"), "{error}");
}

#[test]
fn a_file_is_named_by_dkrons_id_and_readable_by_all() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = files::process(&piece(b"hello", true), folder.path().to_str()).expect("it is written");
    assert_eq!(text, folder.path().join("17-node1.log").display().to_string());
    assert_eq!(fs::read(&text).expect("it is there"), b"hello");
    let mode = fs::metadata(&text).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777 & !0o022, 0o644);
    let missing = folder.path().join("none");
    assert!(files::process(&piece(b"hello", true), missing.to_str()).is_err());
    assert!(!missing.exists(), "only the default folder is made");
}

#[test]
fn a_link_is_not_followed_and_a_node_name_leads_nowhere() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let target = folder.path().join("target");
    std::os::unix::fs::symlink(&target, folder.path().join("17-node1.log")).expect("a link");
    assert!(files::process(&piece(b"hello", true), folder.path().to_str()).is_err());
    assert!(!target.exists());
    assert_eq!(id(&outcome(), "../../etc/cron d"), "17-.._.._etc_cron_d");
    assert_eq!(id(&Outcome { started_at: Time::EPOCH, ..outcome() }, "n"), "18-n");
}

#[test]
fn processors_run_by_name_each_with_what_the_one_before_left() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().to_str().expect("a path");
    let both = subject(&[("log", &[]), ("files", &[("log_dir", path)])]);
    let text = process(&both, &outcome(), b"hello".to_vec());
    assert_eq!(text.as_deref(), Some(&b"Output in dkron log"[..]));
    assert_eq!(fs::read(folder.path().join("17-node1.log")).expect("it is there"), b"hello");
}

#[test]
fn what_is_forwarded_unknown_or_fails_leaves_the_output_as_it_is() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().to_str().expect("a path");
    let forwarding = subject(&[("files", &[("log_dir", path), ("forward", "true")]), ("slack", &[])]);
    assert_eq!(process(&forwarding, &outcome(), b"hello".to_vec()), None);
    assert!(folder.path().join("17-node1.log").exists());
    let failing = subject(&[("files", &[("log_dir", "/no/such/folder")])]);
    assert_eq!(process(&failing, &outcome(), b"hello".to_vec()), None);
    let bad = subject(&[("files", &[("log_dir", path), ("forward", "perhaps")])]);
    assert!(
        process(&bad, &outcome(), b"hello".to_vec()).is_some(),
        "anything but true is false, as in Dkron"
    );
}
