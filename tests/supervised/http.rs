//! Requests through the agent: to a tiny server that answers as it is told.

use super::rig::Rig;
use dkron_core::execution::Verdict;
use dkron_core::ids::ExecutionId;
use dkron_core::limits::OUTPUT_BYTES_MAX;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

/// Answers each connection with the status in its path and so many bytes as the path says: `/<status>/<bytes>`;
/// `/never` is not answered. The head of the request comes back before the bytes.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let path = head[0].split(' ').nth(1).expect("a path").to_owned();
            if path == "/never" {
                silent.push(stream);
                continue;
            }
            let (status, bytes) = path[1..].split_once('/').expect("a status and a length");
            let body = head.join("\n") + &"x".repeat(bytes.parse().expect("a length"));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Word\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_an_execution_like_any_other() {
    let (mut rig, base) = (Rig::start().await, server());
    let url = format!("{base}/200/0");
    let headers = r#"["X-Team: a:b"]"#;
    let (outcome, text) = rig.run("http", &[("method", "GET"), ("url", &url), ("headers", headers)]).await;
    assert_eq!((outcome.verdict, outcome.code), (Verdict::Succeeded, Some(200)), "{}", outcome.error);
    let text = text.to_lowercase();
    assert!(text.contains("x-team: a:b") && text.contains("dkron-job: tick"), "{text}");

    for (status, expected, verdict) in [
        ("200", "200,206", Verdict::Succeeded),
        ("20", "200", Verdict::Failed),
        ("404", "200", Verdict::Failed),
    ] {
        let url = format!("{base}/{status}/0");
        let (outcome, _) =
            rig.run("http", &[("method", "GET"), ("url", &url), ("expectCode", expected)]).await;
        assert_eq!(outcome.verdict, verdict, "{status} where {expected} is expected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_bounded_and_none_is_given_up() {
    let (mut rig, base) = (Rig::start().await, server());
    let url = format!("{base}/200/1000000");
    let number = rig.launch("http", &[("method", "GET"), ("url", &url)]).await;
    let outcome = rig.outcome(number).await;
    assert!(outcome.output_bytes > 1_000_000);
    let file = rig.data.path().join("agent/outputs").join(ExecutionId(number).to_string());
    assert_eq!(fs::read(file).expect("the output is kept").len(), OUTPUT_BYTES_MAX);

    let url = format!("{base}/never");
    let (outcome, _) = rig.run("http", &[("method", "GET"), ("url", &url), ("timeout", "1")]).await;
    assert_eq!(outcome.verdict, Verdict::TimedOut, "{}", outcome.error);
}
