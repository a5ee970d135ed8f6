//! Dkron's examples byte for byte, Go's rules of reading, and that what was saved is what comes back.

use super::*;
use crate::api::rest::read::ReadError;
use dkron_core::command::Status;
use dkron_core::job::{Backoff, Catchup, Concurrency, Words};
use dkron_core::schedule::Dst;
use dkron_core::time::Span;
use proptest::prelude::*;

const STORED: &str = r#"{"id":"job1","name":"job1","displayname":"Nightly","timezone":"Europe/Berlin","schedule":"0 30 2 * * *","owner":"Platform","owner_email":"p@example.com","success_count":12,"error_count":1,"last_success":"2025-12-20T01:30:02.517Z","last_error":"2025-12-01T01:30:01.1Z","disabled":false,"tags":{"server":"true:1"},"metadata":{"team":"x"},"retries":2,"dependent_jobs":["job2"],"parent_job":"","processors":{"log":{"forward":"true"}},"concurrency":"forbid","executor":"shell","executor_config":{"command":"date","shell":"false"},"status":"success","next":"2025-12-21T01:30:00Z","ephemeral":false,"starts_at":null,"expires_at":null}"#;
const SENT: &str =
    r#"{"name":"j","schedule":"@every 1m","executor":"shell","executor_config":{"command":"date"}}"#;
const ECHO: &str = r#"{"id":"","name":"j","displayname":"","timezone":"","schedule":"@every 1m","owner":"","owner_email":"","success_count":0,"error_count":0,"last_success":null,"last_error":null,"disabled":false,"tags":null,"metadata":null,"retries":0,"dependent_jobs":null,"parent_job":"","processors":null,"concurrency":"allow","executor":"shell","executor_config":{"command":"date"},"status":"","next":"0001-01-01T00:00:00Z","ephemeral":false,"starts_at":null,"expires_at":null}"#;

fn decode(text: &str) -> SentJob {
    decode_job(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    decode_job(text.as_bytes()).expect_err(text).to_string()
}

fn stored(sent: &SentJob) -> String {
    let view = JobView { id: &sent.job.name, echo: false, ..sent.echo() };
    String::from_utf8(encode_job(&view, false)).expect("JSON is UTF-8")
}

#[test]
fn a_stored_job_is_dkrons_byte_for_byte() {
    assert_eq!(stored(&decode(STORED)), STORED);
}

#[test]
fn the_reply_to_a_post_is_dkrons_byte_for_byte() {
    let echo = encode_job(&decode(SENT).echo(), false);
    assert_eq!(String::from_utf8(echo), Ok(ECHO.to_owned()));
}

#[test]
fn a_stored_job_without_processors_has_an_empty_object_of_them() {
    assert!(stored(&decode(SENT)).contains(r#""processors":{},"#));
}

#[test]
fn keys_match_in_any_case_unknown_ones_are_ignored_and_of_two_the_later_counts() {
    let sent =
        decode(r#"{"NAME":"a","Name":"b","shell":true,"Tags":{"a":"1"},"tags":{"b":"2"},"x":{"y":[1]}}"#);
    assert_eq!(sent.job.name, "b");
    assert_eq!(sent.job.tags.len(), 2, "maps are merged");
}

#[test]
fn null_leaves_a_default() {
    let keys = STORED.split(",\"").filter_map(|part| part.split_once("\":")).map(|(key, _)| key);
    let ours = ["catchup", "catchup_window", "start_deadline", "jitter", "dst", "backoff", "lost_after"];
    let mut counted = 0;
    for key in keys.filter(|key| !key.starts_with('{')).chain(ours) {
        assert_eq!(decode(&format!(r#"{{"{key}":null}}"#)), SentJob::default(), "{key}");
        counted += 1;
    }
    assert!(counted > 30, "{counted}");
    assert_eq!(decode(r#"{"tags":{"a":"1"},"tags":null}"#), SentJob::default());
    assert_eq!(decode("null"), SentJob::default());
}

#[test]
fn only_the_first_value_of_a_body_is_read() {
    assert_eq!(decode(r#" {"name":"a"} trailing {{{"#).job.name, "a");
    assert_eq!(decode(r#"{"name":"a"}{"name":"b"}"#).job.name, "a");
}

#[test]
fn a_wrong_type_is_told_with_field_value_and_what_is_allowed() {
    for (body, message) in [
        (r#"{"name":7}"#, "name: 7 is not allowed, allowed is a text"),
        (r#"{"retries":"three"}"#, "retries: \"three\" is not allowed, allowed is a whole number from 0 to"),
        (r#"{"retries":-1}"#, "retries: -1 is not allowed"),
        (r#"{"retries":1.0}"#, "retries: 1.0 is not allowed"),
        (r#"{"disabled":"yes"}"#, "disabled: \"yes\" is not allowed, allowed is true or false"),
        (r#"{"tags":{"a":1}}"#, "tags.a: 1 is not allowed, allowed is a text"),
        (r#"{"tags":["a"]}"#, "tags: [\"a\"] is not allowed, allowed is an object with texts"),
        (r#"{"executor_config":{"shell":true}}"#, "executor_config.shell: true is not allowed"),
        (r#"{"processors":{"log":{"forward":true}}}"#, "processors.log.forward: true is not allowed"),
        (r#"{"dependent_jobs":[1]}"#, "dependent_jobs[0]: 1 is not allowed"),
        (r#"{"starts_at":"soon"}"#, "starts_at: \"soon\" is not allowed, allowed is RFC 3339"),
        (r#"{"last_error":5}"#, "last_error: 5 is not allowed, allowed is an instant"),
        (r#"{"concurrency":"deny"}"#, "concurrency: invalid value 'deny', allowed are \"allow\" \"forbid\""),
        (r#"{"catchup":"some"}"#, "catchup: invalid value 'some', allowed are \"latest\" \"none\" \"all\""),
        (r#"{"dst":"never"}"#, "dst: invalid value 'never', allowed are \"once\""),
        (r#"{"status":"running"}"#, "status: invalid value 'running'"),
        (r#"{"jitter":"1d"}"#, "jitter: duration \"1d\": unknown unit"),
        (r#"{"jitter":5}"#, "jitter: 5 is not allowed, allowed is a text"),
        (r#"{"backoff":"1s..x"}"#, "backoff: duration \"x\""),
        ("[]", "the body is not JSON: invalid type"),
        ("{", "the body is not JSON: EOF"),
        ("", "the body is not JSON: it is empty"),
    ] {
        assert!(refusal(body).contains(message), "{body}: {}", refusal(body));
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(refusal(&deep).contains("recursion limit"), "{}", refusal(&deep));
    let large = format!(r#"{{"name":"{}"}}"#, "a".repeat(1024 * 1024));
    assert!(matches!(decode_job(large.as_bytes()), Err(ReadError::TooLarge(_))));
    let value = format!(r#"{{"retries":"{}"}}"#, "a".repeat(1000));
    assert!(refusal(&value).len() < 250, "a message does not repeat a whole value");
}

#[test]
fn the_two_forms_of_times_and_the_empty_concurrency_are_read() {
    let sent = decode(
        r#"{"starts_at":"2026-03-29T01:00","expires_at":"2026-03-29T03:30:00+02:00","concurrency":""}"#,
    );
    assert_eq!(
        sent.job.expires_at.zip(sent.job.starts_at).map(|(end, start)| end - start),
        Some(Span::from_seconds(1800))
    );
    assert_eq!(sent.job.concurrency, Concurrency::Allow);
}

#[test]
fn our_keys_are_shown_only_where_they_say_something() {
    let ours = r#""catchup":"all","catchup_window":"2h0m0s","start_deadline":"30s","jitter":"1.5s","dst":"both","backoff":"2s..1m0s","lost_after":"1h0m0s""#;
    let text = format!(r#"{},{ours}}}"#, STORED.trim_end_matches('}'));
    assert_eq!(stored(&decode(&text)), text);
    let defaults = r#""catchup":"latest","jitter":"0s","dst":"once","backoff":"1s..5m""#;
    assert_eq!(stored(&decode(&text.replace(&format!(",{ours}"), &format!(",{defaults}")))), STORED);
    assert_eq!(decode(r#"{"backoff":"10s"}"#).job.backoff.max, Span::from_seconds(10));
    assert!(stored(&decode(r#"{"backoff":"10s"}"#)).ends_with(r#""backoff":"10s"}"#));
}

#[test]
fn a_list_of_jobs_is_read_and_its_errors_name_the_place() {
    let list = format!("[{STORED},{SENT}]");
    let jobs = decode_jobs(list.as_bytes()).expect("a backup");
    assert_eq!(jobs.iter().map(|sent| sent.job.name.as_str()).collect::<Vec<_>>(), ["job1", "j"]);
    let views = jobs.iter().map(|sent| JobView { id: &sent.job.name, echo: false, ..sent.echo() });
    let again = decode_jobs(&encode_jobs(views, true)).expect("the same backup");
    assert_eq!(again[0], jobs[0]);
    let error = decode_jobs(br#"[{"name":"a"},{"name":1}]"#).expect_err("a wrong type");
    assert!(error.to_string().starts_with("jobs[1].name: 1 is not allowed"), "{error}");
    let error = decode_jobs(br#"[{"name":"a"},{"name":"b","dst":"x"}]"#).expect_err("a wrong word");
    assert!(error.to_string().starts_with("jobs[1]: dst: invalid value 'x'"), "{error}");
}

prop_compose! {
    fn any_words()(pairs in prop::collection::btree_map(".{0,6}", ".{0,8}", 0..4)) -> Words { pairs }
}

prop_compose! {
    fn any_texts()(
        name in ".{0,8}", display_name in ".*", timezone in ".{0,8}", schedule in ".{0,12}",
        owner in ".{0,5}", owner_email in ".{0,5}", parent_job in ".{0,5}", executor in ".{0,5}",
        tags in any_words(), metadata in any_words(), executor_config in any_words(),
        processors in prop::collection::btree_map(".{0,5}", any_words(), 0..3),
    ) -> Job {
        Job {
            name, display_name, timezone, schedule, owner, owner_email, parent_job, executor, tags, metadata,
            executor_config, processors, ..Job::default()
        }
    }
}

fn any_time() -> impl Strategy<Value = Option<Time>> {
    prop::option::of((1..i64::MAX).prop_map(Time::from_nanos))
}

fn any_span() -> impl Strategy<Value = Span> {
    any::<i64>().prop_map(Span::from_nanos)
}

prop_compose! {
    fn any_job()(
        texts in any_texts(),
        (disabled, ephemeral, retries) in any::<(bool, bool, u32)>(),
        (starts_at, expires_at) in (any_time(), any_time()),
        concurrency in prop::sample::select(vec![
            Concurrency::Allow, Concurrency::Forbid, Concurrency::Queue, Concurrency::Replace,
        ]),
        catchup in prop::sample::select(vec![Catchup::Latest, Catchup::None, Catchup::All]),
        dst in prop::sample::select(vec![Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron]),
        spans in prop::collection::vec(prop::option::of(any_span()), 3),
        (jitter, base, max) in (any_span(), any_span(), any_span()),
    ) -> Job {
        Job {
            disabled, ephemeral, retries, starts_at, expires_at, concurrency, catchup, dst, jitter,
            catchup_window: spans[0], start_deadline: spans[1], lost_after: spans[2],
            backoff: Backoff { base, max }, ..texts
        }
    }
}

prop_compose! {
    fn any_counters()(
        (success_count, error_count) in (0..i64::MAX as u64, 0..i64::MAX as u64),
        (last_success, last_error) in (any_time(), any_time()),
        status in prop::sample::select(Status::ALL.to_vec()),
    ) -> Counters {
        let (last_success, last_error) = (last_success.unwrap_or_default(), last_error.unwrap_or_default());
        Counters { success_count, error_count, last_success, last_error, status }
    }
}

proptest! {
    #[test]
    fn any_job_that_is_saved_is_restored_the_same(
        job in any_job(),
        counters in any_counters(),
        dependent_jobs in prop::collection::vec(".{0,5}", 0..3),
        next in any_time(),
        pretty: bool,
        echo: bool,
    ) {
        let sent = SentJob { id: job.name.clone(), job, counters, dependent_jobs, next };
        let bytes = encode_job(&JobView { echo, ..sent.echo() }, pretty);
        prop_assert_eq!(decode_job(&bytes), Ok(sent));
    }

    #[test]
    fn no_body_makes_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:a-z0-9. -]{0,80}") {
        let _ = decode_job(&body);
        let _ = decode_jobs(text.as_bytes());
    }
}
