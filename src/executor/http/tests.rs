//! Requests to a small server in this process.

use super::*;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{any, get};
use dkron_core::ids::ExecutionId;
use dkron_core::time::Time;

async fn server() -> String {
    let echo = |headers: HeaderMap, body: Bytes| async move {
        let mut text = String::from_utf8_lossy(&body).into_owned();
        for (name, value) in &headers {
            text.push_str(&format!("\n{name}={}", value.to_str().unwrap_or("?")));
        }
        text
    };
    let router = Router::new()
        .route("/echo", any(echo))
        .route("/400", get(|| async { (StatusCode::BAD_REQUEST, "bad") }))
        .route("/500", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "broken") }))
        .route("/large", get(|| async { "x".repeat(1_000_000) + "end" }))
        .route("/never", get(std::future::pending::<()>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(crate::task::spawn("test server", async move { axum::serve(listener, router).await }));
    format!("http://{address}")
}

async fn run_with(http: &Http, pairs: &[(&str, &str)]) -> Answer {
    let task = Task {
        id: ExecutionId(0x77),
        attempt: 1,
        job_name: "tick".into(),
        nominal: Time::EPOCH,
        config: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    match http.prepare(&task) {
        Ok(Work::Call(call)) => call.await,
        Ok(Work::Process(_)) => panic!("a request is no process"),
        Err(error) => panic!("{error}"),
    }
}

async fn run(pairs: &[(&str, &str)]) -> Answer {
    run_with(&Http::default(), pairs).await
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(answer.output.kept()).into_owned()
}

#[tokio::test]
async fn a_request_carries_body_headers_and_names() {
    let url = server().await + "/echo";
    let headers = r#"["X-Link: http://a:1/b"]"#;
    let answer = run(&[("method", "POST"), ("url", &url), ("headers", headers), ("body", "hello")]).await;
    let text = text(&answer);
    assert_eq!((answer.verdict, answer.code), (Verdict::Succeeded, Some(200)), "{}", answer.error);
    for line in [
        "hello",
        "x-link=http://a:1/b",
        "dkron-job=tick",
        "dkron-attempt=1",
        "dkron-scheduled-at=1970-01-01T00:00:00Z",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.contains("idempotency-key=00000000000000000000000000000077"));
    assert!(text.contains("traceparent=00-00000000000000000000000000000077-"));
}

#[tokio::test]
async fn codes_are_matched_exactly_and_none_expected_takes_any() {
    let base = server().await;
    let (bad, broken) = (format!("{base}/400"), format!("{base}/500"));
    assert_eq!(run(&[("method", "GET"), ("url", &broken)]).await.verdict, Verdict::Succeeded);
    assert_eq!(
        run(&[("method", "GET"), ("url", &bad), ("expectCode", "200, 400")]).await.verdict,
        Verdict::Succeeded
    );
    let answer = run(&[("method", "GET"), ("url", &bad), ("expectCode", "200")]).await;
    assert_eq!(answer.error, "received response code does not match the expected code");
    assert_eq!((answer.verdict, answer.code, text(&answer)), (Verdict::Failed, Some(400), "bad".to_owned()));
}

#[tokio::test]
async fn a_body_is_searched_for_the_expected_one() {
    let url = server().await + "/400";
    assert_eq!(
        run(&[("method", "GET"), ("url", &url), ("expectBody", "^ba.")]).await.verdict,
        Verdict::Succeeded
    );
    let answer = run(&[("method", "GET"), ("url", &url), ("expectBody", "good")]).await;
    assert_eq!(answer.error, "received response body did not match the expected body");
}

#[tokio::test]
async fn a_large_body_is_counted_and_its_end_kept() {
    let url = server().await + "/large";
    let answer = run(&[("method", "GET"), ("url", &url)]).await;
    assert_eq!(answer.output.total(), 1_000_003);
    assert_eq!(answer.output.kept().len(), dkron_core::limits::OUTPUT_BYTES_MAX);
    assert!(answer.output.kept().ends_with(b"end"));
}

#[tokio::test]
async fn a_request_without_an_answer_times_out() {
    let url = server().await + "/never";
    let answer = run(&[("method", "GET"), ("url", &url), ("timeout", "1")]).await;
    assert_eq!(answer.verdict, Verdict::TimedOut);
    assert!(answer.error.contains("no answer within 1 s"), "{}", answer.error);
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_that_says_why() {
    let answer = run(&[("method", "GET"), ("url", "http://127.0.0.1:1/")]).await;
    assert_eq!(answer.verdict, Verdict::Failed);
    assert!(answer.error.to_lowercase().contains("refused"), "{}", answer.error);
}

#[tokio::test]
async fn clients_are_shared_and_bounded() {
    let (http, url) = (Http::default(), server().await + "/echo");
    for _ in 0..3 {
        run_with(&http, &[("method", "GET"), ("url", &url)]).await;
    }
    assert_eq!(http.clients.len(), 1);
    for number in 0..110 {
        let roots = format!("/none/{number}");
        let answer = run_with(&http, &[("method", "GET"), ("url", &url), ("tlsRootCAsFile", &roots)]).await;
        assert!(text(&answer).contains("Warning: /none/"), "{}", text(&answer));
    }
    assert_eq!(http.clients.len(), 100);
}
