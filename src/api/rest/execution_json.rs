//! Executions as Dkron's clients see them: in a list, alone, and while they run.

use super::go_json::Json;
use super::go_time;
use dkron_core::schedule::Zone;
use dkron_core::time::Time;

/// An execution to show.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionView<'a> {
    /// The job's name.
    pub job_name: &'a str,
    /// When it began; none for one that never did.
    pub started_at: Option<Time>,
    /// When it ended; none for one that still runs.
    pub finished_at: Option<Time>,
    /// Whether it did what was asked.
    pub success: bool,
    /// Its output, or while it runs the latest part of it.
    pub output: &'a [u8],
    /// Whether there was more output before that.
    pub cut: bool,
    /// Its node.
    pub node_name: &'a str,
    /// What the executions of one occurrence share: nanoseconds since the epoch.
    pub group: i64,
    /// Which try, from 1.
    pub attempt: u16,
}

/// How a list is shown.
#[derive(Clone, Copy, Debug)]
pub struct ListForm {
    /// The job's zone, UTC if it has none.
    pub zone: Zone,
    /// Only so many bytes of the end of each output.
    pub output_size_limit: Option<usize>,
}

impl ExecutionView<'_> {
    /// Dkron's id: `<started ns>-<node>`.
    pub fn id(&self) -> String {
        execution_id(self.started_at, self.node_name)
    }
}

/// Dkron's id of an execution: `<started ns>-<node>`. For one that never began, the number that Go gives
/// its zero time.
pub fn execution_id(started_at: Option<Time>, node_name: &str) -> String {
    const ZERO_NANOS: i64 = -6_795_364_578_871_345_152;
    format!("{}-{node_name}", started_at.map_or(ZERO_NANOS, Time::nanos))
}

/// `GET /v1/jobs/:job/executions`: times in the job's zone, outputs cut if asked for.
pub fn encode_executions<'a>(
    views: impl IntoIterator<Item = ExecutionView<'a>>,
    form: ListForm,
    pretty: bool,
) -> Vec<u8> {
    let element = |view: ExecutionView<'_>| {
        let limit = form.output_size_limit.unwrap_or(usize::MAX);
        let cut = view.output.len().saturating_sub(limit);
        let shown = ExecutionView { output: &view.output[cut..], ..view };
        let mut pairs = pairs(&shown, form.zone);
        pairs.push(("output_truncated".to_owned(), Json::Bool(cut > 0 || view.cut)));
        Json::Object(pairs)
    };
    Json::List(views.into_iter().map(element).collect()).render(pretty)
}

/// `GET /v1/jobs/:job/executions/:execution`: times in UTC, the whole output.
pub fn encode_execution(view: &ExecutionView<'_>, pretty: bool) -> Vec<u8> {
    Json::Object(pairs(view, Zone::utc())).render(pretty)
}

/// `GET /v1/busy`: what runs, times in UTC.
pub fn encode_busy<'a>(views: impl IntoIterator<Item = ExecutionView<'a>>, pretty: bool) -> Vec<u8> {
    let views = views.into_iter().map(|view| Json::Object(pairs(&view, Zone::utc())));
    Json::List(views.collect()).render(pretty)
}

/// The keys in Dkron's order; those that say nothing are left out.
fn pairs(view: &ExecutionView<'_>, zone: Zone) -> Vec<(String, Json)> {
    let some = |said: bool, value: Json| said.then_some(value);
    let keys = [
        ("id", Some(Json::text(view.id()))),
        ("job_name", some(!view.job_name.is_empty(), Json::text(view.job_name))),
        ("started_at", Some(go_time::in_zone(view.started_at, zone))),
        ("finished_at", Some(go_time::in_zone(view.finished_at, zone))),
        ("success", Some(Json::Bool(view.success))),
        ("output", some(!view.output.is_empty(), Json::Text(view.output.to_vec()))),
        ("node_name", some(!view.node_name.is_empty(), Json::text(view.node_name))),
        ("group", some(view.group != 0, Json::Number(view.group.into()))),
        ("attempt", some(view.attempt != 0, Json::Number(view.attempt.into()))),
    ];
    keys.into_iter().filter_map(|(key, value)| value.map(|value| (key.to_owned(), value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished() -> ExecutionView<'static> {
        ExecutionView {
            job_name: "job1",
            started_at: Some(Time::from_nanos(1_766_197_802_000_123_456)),
            finished_at: Some(Time::from_nanos(1_766_197_802_517_000_000)),
            success: true,
            output: b"Sat Dec 20\n",
            cut: false,
            node_name: "node1",
            group: 1_766_197_800_000_456_789,
            attempt: 1,
        }
    }

    fn list(view: ExecutionView<'_>, zone: &str, output_size_limit: Option<usize>) -> String {
        let zone = Zone::lookup(zone).expect("a zone");
        text(encode_executions([view], ListForm { zone, output_size_limit }, false))
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    #[test]
    fn a_list_is_dkrons_byte_for_byte() {
        let expected = r#"[{"id":"1766197802000123456-node1","job_name":"job1","started_at":"2025-12-20T03:30:02.000123456+01:00","finished_at":"2025-12-20T03:30:02.517+01:00","success":true,"output":"Sat Dec 20\n","node_name":"node1","group":1766197800000456789,"attempt":1,"output_truncated":false}]"#;
        assert_eq!(list(finished(), "Europe/Berlin", None), expected);
    }

    #[test]
    fn a_single_execution_is_in_utc_and_says_nothing_of_truncation() {
        let expected = r#"{"id":"1766197802000123456-node1","job_name":"job1","started_at":"2025-12-20T02:30:02.000123456Z","finished_at":"2025-12-20T02:30:02.517Z","success":true,"output":"Sat Dec 20\n","node_name":"node1","group":1766197800000456789,"attempt":1}"#;
        assert_eq!(text(encode_execution(&finished(), false)), expected);
    }

    #[test]
    fn a_running_execution_is_dkrons_byte_for_byte() {
        let running = ExecutionView { finished_at: None, success: false, output: b"line 7\n", ..finished() };
        let expected = r#"[{"id":"1766197802000123456-node1","job_name":"job1","started_at":"2025-12-20T02:30:02.000123456Z","finished_at":"0001-01-01T00:00:00Z","success":false,"output":"line 7\n","node_name":"node1","group":1766197800000456789,"attempt":1}]"#;
        assert_eq!(text(encode_busy([running], false)), expected);
        assert_eq!(text(encode_busy([], false)), "[]");
        assert!(
            list(running, "America/New_York", None).contains(r#""finished_at":"0000-12-31T19:03:58-04:56""#)
        );
    }

    #[test]
    fn a_limit_keeps_the_end_of_an_output_and_says_that_it_was_cut() {
        let cut = list(finished(), "UTC", Some(3));
        assert!(cut.contains(r#""output":"20\n""#) && cut.ends_with(r#""output_truncated":true}]"#), "{cut}");
        assert!(list(finished(), "UTC", Some(11)).ends_with(r#""output_truncated":false}]"#));
        assert!(!list(finished(), "UTC", Some(0)).contains(r#""output":"#));
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let never = ExecutionView {
            job_name: "",
            started_at: None,
            finished_at: None,
            success: false,
            output: b"",
            cut: false,
            node_name: "",
            group: 0,
            attempt: 0,
        };
        let expected = r#"{"id":"-6795364578871345152-","started_at":"0001-01-01T00:00:00Z","finished_at":"0001-01-01T00:00:00Z","success":false}"#;
        assert_eq!(text(encode_execution(&never, false)), expected);
    }
}
