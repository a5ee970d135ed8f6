//! Requests through the agent: to a tiny server that answers as it is told.

use super::{DataDir, Node, text};
use dkron_core::execution::Verdict;
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

#[tokio::test]
async fn a_request_is_an_execution_like_any_other() {
    let (data, base) = (DataDir::new(), server());
    let mut node = Node::start(&data, 4).await;
    let url = format!("{base}/200/0");
    let headers = r#"["X-Team: a:b"]"#;
    node.launch(1, "http", &[("method", "GET"), ("url", &url), ("headers", headers)]).await;
    let outcome = node.outcome(1).await;
    assert_eq!((outcome.verdict, outcome.code), (Verdict::Succeeded, Some(200)), "{}", outcome.error);
    let text = text(&outcome).to_lowercase();
    assert!(text.contains("x-team: a:b") && text.contains("dkron-job: tick"), "{text}");

    for (number, status, expected, verdict) in [
        (2, "200", "200,206", Verdict::Succeeded),
        (3, "20", "200", Verdict::Failed),
        (4, "404", "200", Verdict::Failed),
    ] {
        let url = format!("{base}/{status}/0");
        node.launch(number, "http", &[("method", "GET"), ("url", &url), ("expectCode", expected)]).await;
        assert_eq!(node.outcome(number).await.verdict, verdict, "{status} where {expected} is expected");
    }
}

#[tokio::test]
async fn a_long_answer_is_bounded_and_none_is_given_up() {
    let (data, base) = (DataDir::new(), server());
    let mut node = Node::start(&data, 4).await;
    let url = format!("{base}/200/1000000");
    node.launch(1, "http", &[("method", "GET"), ("url", &url)]).await;
    assert!(node.outcome(1).await.output_bytes > 1_000_000);
    assert_eq!(fs::read(data.output(1)).expect("the output is kept").len(), OUTPUT_BYTES_MAX);

    let url = format!("{base}/never");
    node.launch(2, "http", &[("method", "GET"), ("url", &url), ("timeout", "1")]).await;
    let outcome = node.outcome(2).await;
    assert_eq!(outcome.verdict, Verdict::TimedOut, "{}", outcome.error);
}
