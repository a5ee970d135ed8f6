//! Each kind of finding, from a small ledger that has it.

use super::*;
use crate::job::Concurrency;

const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> Time {
    Time::from_seconds(1_800_000_000 + seconds)
}

fn job(name: &str, schedule: &str) -> Job {
    Job { name: name.into(), schedule: schedule.into(), ..Job::default() }
}

/// A run that starts 2 ms after its tick and lasts for so many seconds.
fn run(job: &str, tick: i64, lasts: i64) -> Run {
    let started_at = at(tick) + Span::from_millis(2);
    Run {
        job: job.into(),
        scheduled_at: at(tick),
        execution: format!("{job}-{tick}"),
        attempt: 1,
        node: "one".into(),
        started_at,
        ended: Some((started_at + Span::from_nanos(lasts * SECOND), 0)),
    }
}

/// The job is there from second 0 to second 60.
fn promise(job: Job) -> Promise {
    let windows = vec![Window::exact(at(0), at(60))];
    Promise {
        jobs: vec![Watched { job, windows, anchor: None }],
        skips: Some(Vec::new()),
        late: Span::from_seconds(1),
        skew: Span::ZERO,
        nodes: Some(1),
        unscheduled: false,
        default_zone: Zone::utc(),
    }
}

fn skip(job: &str, from: i64, to: i64, reason: SkipReason) -> Skip {
    Skip { job: job.into(), from: at(from), to: at(to), reason }
}

/// Every ten seconds: at 0, 10, ... 50.
fn tens() -> Vec<Run> {
    (0..6).map(|tick| run("a", tick * 10, 1)).collect()
}

fn found(promise: &Promise, runs: &[Run]) -> Vec<String> {
    let report = check(promise, runs).expect("good definitions");
    let show = |finding: &Finding| {
        let (from, to) = ((finding.from - at(0)).seconds(), (finding.to - at(0)).seconds());
        format!("{} {} {from}..{to} x{}", finding.kind, finding.job, finding.count)
    };
    report.findings.iter().map(show).collect()
}

#[test]
fn a_ledger_that_keeps_the_promise_has_no_findings_and_says_how_much_was_looked_at() {
    let promise = promise(job("a", "*/10 * * * * *"));
    let report = check(&promise, &tens()).expect("good definitions");
    assert_eq!(report, Report { ticks: 6, runs: 6, ..Report::default() });
}

#[test]
fn neighbouring_missing_ticks_are_one_silent_finding() {
    let mut runs = tens();
    runs.drain(2..4);
    runs.pop();
    let mut promise = promise(job("a", "*/10 * * * * *"));
    assert_eq!(found(&promise, &runs), ["silent a 20..30 x2", "silent a 50..50 x1"]);
    promise.skips = None;
    assert_eq!(found(&promise, &runs), ["missed a 20..30 x2", "missed a 50..50 x1"]);
}

#[test]
fn a_skip_record_excuses_only_by_a_policy_that_the_job_has() {
    let mut runs = tens();
    runs.drain(2..4);
    let mut forbid = promise(Job { concurrency: Concurrency::Forbid, ..job("a", "*/10 * * * * *") });
    forbid.skips = Some(vec![skip("a", 20, 30, SkipReason::Overlap)]);
    let report = check(&forbid, &runs).expect("good definitions");
    assert_eq!((report.findings.len(), report.skipped), (0, 2));
    let mut allow = promise(job("a", "*/10 * * * * *"));
    allow.skips = Some(vec![skip("a", 20, 30, SkipReason::Overlap)]);
    assert_eq!(found(&allow, &runs), ["missed a 20..30 x2"]);
    allow.skips = Some(vec![skip("a", 20, 20, SkipReason::Missed), skip("a", 30, 30, SkipReason::Held)]);
    assert_eq!(found(&allow, &runs), ["missed a 20..20 x1"]);
}

#[test]
fn an_execution_that_starts_twice_is_doubled() {
    let mut runs = tens();
    runs.push(Run { node: "two".into(), ..runs[3].clone() });
    assert_eq!(found(&promise(job("a", "*/10 * * * * *")), &runs), ["doubled a 30..30 x1"]);
}

#[test]
fn two_executions_of_a_tick_are_doubled_unless_the_job_runs_on_several_nodes() {
    let mut runs = tens();
    runs.push(Run { execution: "other".into(), node: "two".into(), ..runs[3].clone() });
    let mut promise = promise(job("a", "*/10 * * * * *"));
    assert_eq!(found(&promise, &runs), ["doubled a 30..30 x1"]);
    promise.nodes = None;
    assert!(found(&promise, &runs).is_empty(), "it runs on both nodes");
    promise.jobs[0].job.tags = [("server".to_owned(), "true:1".to_owned())].into();
    assert_eq!(found(&promise, &runs), ["doubled a 30..30 x1"]);
    runs[6].attempt = 2;
    assert!(found(&promise, &runs).is_empty(), "a retry is not a double");
}

#[test]
fn a_start_before_its_time_is_early_beyond_the_skew() {
    let mut runs = tens();
    runs[1].started_at = at(10) - Span::from_millis(5);
    let mut promise = promise(job("a", "*/10 * * * * *"));
    assert_eq!(found(&promise, &runs), ["early a 10..10 x1"]);
    promise.skew = Span::from_millis(5);
    assert!(found(&promise, &runs).is_empty());
}

#[test]
fn a_first_attempt_long_after_its_time_is_late_but_jitter_retries_and_queues_may_wait() {
    let mut runs = tens();
    runs[1].started_at = at(13);
    let mut promise = promise(job("a", "*/10 * * * * *"));
    assert_eq!(found(&promise, &runs), ["late a 10..10 x1"]);
    promise.jobs[0].job.jitter = Span::from_seconds(2);
    assert!(found(&promise, &runs).is_empty());
    promise.jobs[0].job = Job { concurrency: Concurrency::Queue, ..job("a", "*/10 * * * * *") };
    runs[1].ended = None;
    assert!(found(&promise, &runs).is_empty());
    promise.jobs[0].job = job("a", "*/10 * * * * *");
    runs[1].attempt = 2;
    assert!(found(&promise, &runs).is_empty());
}

#[test]
fn two_live_runs_of_a_forbidding_job_overlap_but_siblings_on_other_nodes_do_not() {
    let mut runs = tens();
    runs[1] = run("a", 10, 12);
    let mut promise = promise(Job { concurrency: Concurrency::Forbid, ..job("a", "*/10 * * * * *") });
    assert_eq!(found(&promise, &runs), ["overlap a 20..20 x1"]);
    promise.jobs[0].job.concurrency = Concurrency::Allow;
    assert!(found(&promise, &runs).is_empty());
    promise.jobs[0].job.concurrency = Concurrency::Forbid;
    promise.nodes = Some(2);
    runs[1] = run("a", 10, 1);
    runs.push(Run { execution: "sibling".into(), node: "two".into(), ..runs[1].clone() });
    assert!(found(&promise, &runs).is_empty());
}

#[test]
fn a_run_that_no_definition_explains_is_unexpected() {
    let mut runs = tens();
    runs.push(run("a", 15, 1));
    runs.push(run("ghost", 10, 1));
    let mut promise = promise(job("a", "*/10 * * * * *"));
    assert_eq!(found(&promise, &runs), ["unexpected a 15..15 x1", "unexpected ghost 10..10 x1"]);
    promise.unscheduled = true;
    assert_eq!(found(&promise, &runs), ["unexpected ghost 10..10 x1"]);
    promise.skips = Some(vec![skip("a", 10, 10, SkipReason::Held)]);
    assert_eq!(found(&promise, &runs), ["unexpected a 10..10 x1", "unexpected ghost 10..10 x1"]);
}

#[test]
fn a_tick_near_a_change_may_run_and_need_not() {
    let mut promise = promise(job("a", "*/10 * * * * *"));
    let uncertain = Window { may_from: at(0), must_from: at(11), must_until: at(39), may_until: at(60) };
    promise.jobs[0].windows = vec![uncertain];
    assert!(found(&promise, &tens()).is_empty());
    assert!(found(&promise, &tens()[2..4]).is_empty());
    assert_eq!(found(&promise, &tens()[2..3]), ["silent a 30..30 x1"]);
    promise.jobs[0].windows[0].may_from = at(10);
    assert_eq!(found(&promise, &tens()), ["unexpected a 0..0 x1"], "it was not there yet");
}

#[test]
fn an_interval_counts_from_the_first_tick_seen() {
    let promise = promise(job("a", "@every 10s"));
    let mut runs: Vec<Run> = (0..6).map(|tick| run("a", 4 + tick * 10, 1)).collect();
    assert!(found(&promise, &runs).is_empty());
    runs.remove(0);
    assert_eq!(found(&promise, &runs), ["silent a 4..4 x1"]);
    assert_eq!(found(&promise, &[]).len(), 1, "one finding for all");
}

#[test]
fn disabled_jobs_and_children_need_not_run_and_a_disabled_one_must_not() {
    let disabled = promise(Job { disabled: true, ..job("a", "*/10 * * * * *") });
    assert!(found(&disabled, &[]).is_empty());
    assert_eq!(found(&disabled, &tens()[..1]), ["unexpected a 0..0 x1"]);
    let child = promise(Job { parent_job: "p".into(), ..job("a", "") });
    assert!(found(&child, &tens()).is_empty());
}

#[test]
fn two_runs_of_a_parent_may_end_at_once_and_start_two_of_its_child() {
    let child = promise(Job { parent_job: "p".into(), ..job("a", "") });
    let mut runs = tens();
    runs.push(Run { execution: "other".into(), ..runs[3].clone() });
    assert!(found(&child, &runs).is_empty());
    runs.push(runs[3].clone());
    assert_eq!(found(&child, &runs), ["doubled a 30..30 x1"]);
}

#[test]
fn an_unreadable_definition_is_an_error() {
    assert!(check(&promise(job("a", "every now and then")), &[]).is_err());
}

#[test]
fn starts_and_ends_of_an_execution_meet() {
    let text = "# a ledger\nstart a 2027-01-15T08:00:00Z x 1 1800000000002000000\n\
                end a 2027-01-15T08:00:00Z x 1 1800000001002000000 3\n\nend a 2027-01-15T08:00:00Z gone 1 5 0\n";
    let lines = read_lines("one", text).expect("a readable ledger");
    let mut expected = run("a", 0, 1);
    expected.execution = "x".into();
    expected.ended = expected.ended.map(|(end, _)| (end, 3));
    assert_eq!(lines, Lines { runs: vec![expected], torn: false, startless_ends: 1 });
}

#[test]
fn a_torn_last_line_is_left_out_whatever_it_says() {
    let whole = "start a 2027-01-15T08:00:00Z x 1 1800000000002000000\n";
    for cut in 1..whole.len() {
        let lines = read_lines("one", &whole[..cut]).expect("a readable ledger");
        assert_eq!((lines.runs.len(), lines.torn), (0, true), "{cut}");
    }
    let text = format!("{whole}start b");
    let lines = read_lines("one", &text).expect("a readable ledger");
    assert_eq!((lines.runs.len(), lines.torn), (1, true));
}

#[test]
fn an_unreadable_line_is_told_with_its_number_and_the_word_that_is_wrong() {
    let start = "start a 2027-01-15T08:00:00Z x 1 1800000000002000000";
    for (line, problem) in [
        ("begin a 2027-01-15T08:00:00Z x 1 5", "unknown kind \"begin\""),
        ("start a", "no scheduled time"),
        ("start a yesterday x 1 5", "\"yesterday\" is not an instant"),
        ("start a 2027-01-15T08:00:00Z x first 5", "attempt \"first\""),
        ("end a 2027-01-15T08:00:00Z x 1 5", "no exit status"),
        ("start a 2027-01-15T08:00:00Z x 1 5 6", "\"6\" is too much"),
    ] {
        let error = read_lines("one", &format!("{start}\n{line}\n")).expect_err(line).to_string();
        assert!(error.starts_with("line 2: ") && error.contains(problem), "{error}");
    }
}
