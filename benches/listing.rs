//! Lists among a million: pages of jobs by name and by place, every filter and order, executions across jobs:
//! `cargo bench --bench listing`. `DKRON_BENCH_JOBS` asks for another number.
//!
//! The lists are those of the API without HTTP and JSON. A page of jobs by name is what a client asks for all the
//! time; the rest looks at all jobs. The history is on disk, as the daemon keeps it, and in the system's memory.

mod measure;

use dkron::app::access::Caller;
use dkron::app::jobs::{Filter, Part, Place, Sort, Wanted, list};
use dkron::history::{self, Applied, Retention, Settings};
use dkron_core::execution::{Finished, HistoryRow, Outcome, Verdict};
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, OccurrenceRef, Origin};
use dkron_core::state::State;
use dkron_core::time::{Span, Time};
use measure::{fleet, mebibytes, millis, print_machine, rate, resident_bytes, row, timed};
use std::hint::black_box;
use std::time::Duration;

/// Rows of a page.
const PAGE: usize = 100;
/// Pages that are looked at.
const PAGES: usize = 1_000;
/// Rows of one entry of the log.
const ROWS_PER_ENTRY: u64 = 250;

fn wanted(part: Part) -> Wanted {
    let (filter, sort) = (Filter::default(), Sort::Name);
    Wanted { filter, sort, descending: false, part, caller: Caller::Anybody }
}

/// The worst but one in a hundred.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn pages(state: &State) {
    let total = state.job_count();
    // Spread evenly over all places, in no order.
    let place = |number: usize| number.wrapping_mul(7_919) % PAGES * total.saturating_sub(PAGE) / PAGES;
    let by_place = (0..PAGES).map(|number| {
        let part = Part::Places(place(number)..place(number) + PAGE);
        timed(|| black_box(list(state, &wanted(part)).expect("a page"))).1
    });
    row("jobs: a page of 100 by name, at any place: p99", millis(p99(by_place.collect())), "5 ms");
    let by_cursor = (0..PAGES).map(|number| {
        let name = state.name_at(place(number)).expect("a name").to_string();
        let after = Place { key: dkron::app::jobs::Key::Number(0), name };
        timed(|| black_box(list(state, &wanted(Part::After(Some(after), PAGE))).expect("a page"))).1
    });
    row("jobs: a page of 100 by name, after a cursor: p99", millis(p99(by_cursor.collect())), "5 ms");
}

fn filters(state: &State) {
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    let team = vec![("team".to_owned(), "x".to_owned())];
    let asked = [
        ("q", text("report-0777"), Sort::Name),
        ("q that is nowhere", text("nowhere"), Sort::Name),
        ("metadata", Filter { metadata: team, ..Filter::default() }, Sort::Name),
        ("status", Filter { status: Some("untriggered".to_owned()), ..Filter::default() }, Sort::Name),
        ("disabled", Filter { disabled: Some(false), ..Filter::default() }, Sort::Name),
        ("job_prefix", Filter { prefix: Some("tenant-00".to_owned()), ..Filter::default() }, Sort::Name),
        ("nothing, by schedule", Filter::default(), Sort::Schedule),
        ("nothing, by displayname", Filter::default(), Sort::DisplayName),
        ("nothing, by next", Filter::default(), Sort::Next),
    ];
    for (name, filter, sort) in asked {
        let wanted = Wanted { filter, sort, ..wanted(Part::Places(0..PAGE)) };
        let (found, time) = timed(|| list(state, &wanted).expect("a list"));
        row(&format!("jobs: {name} ({} match)", found.total), millis(time), "1000 ms");
    }
}

fn run(number: u64, count: u64) -> HistoryRow {
    let at = fleet::NOW + Span::from_millis(i64::try_from(number).unwrap_or_default());
    let verdict = if number.is_multiple_of(1_000) { Verdict::Lost } else { Verdict::Succeeded };
    HistoryRow::Finished(Finished {
        job: JobUid(u128::from(number % count) << 64 | 7),
        job_name: format!("tenant-{:07}", number % count).into(),
        id: ExecutionId(u128::from(number) << 64 | 1),
        execution: ExecutionRef {
            occurrence: OccurrenceRef { index: number / ROWS_PER_ENTRY + 1, position: 0 },
            ordinal: 0,
            attempt: 1,
        },
        origin: Origin::Schedule,
        nominal: at,
        decided_at: at,
        node: format!("node-{}", number % 50).into(),
        outcome: Outcome {
            verdict,
            started_at: at,
            finished_at: at + Span::from_seconds(1),
            code: Some(0),
            error: "".into(),
            tail: b"done\n".as_slice().into(),
            output_bytes: 5,
        },
    })
}

fn executions(count: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { retention: Retention::default(), ..Settings::new(folder.path()) };
    let opened = history::open(settings).expect("opened");
    let (began, before) = (dkron::clock::monotonic(), resident_bytes());
    for index in 1..=count / ROWS_PER_ENTRY {
        let numbers = (index - 1) * ROWS_PER_ENTRY..index * ROWS_PER_ENTRY;
        let rows = numbers.map(|number| run(number, count)).collect();
        opened.appender.append_blocking(Applied { index, rows }).expect("taken");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(opened.appender.sync()).expect("durable");
    row(&format!("history: {count} rows of as many jobs written"), rate(count as usize, began.elapsed()), "");
    row("history: memory that they take", mebibytes(resident_bytes().saturating_sub(before)), "");
    let of = |verdict| history::Filter { verdicts: vec![verdict], ..history::Filter::default() };
    let node = history::Filter { node: Some("node-7".to_owned()), ..history::Filter::default() };
    let early = history::Filter {
        to: Some(Time::from_nanos(fleet::NOW.nanos() + 1_500_000_000)),
        ..history::Filter::default()
    };
    let asked = [
        ("the newest", history::Filter::default()),
        ("one status in a thousand", of(Verdict::Lost)),
        ("a status that is nowhere", of(Verdict::TimedOut)),
        ("one node in fifty", node),
        ("the oldest half second", early),
    ];
    for (name, filter) in asked {
        let (found, time) = timed(|| opened.history.search(&filter, None, PAGE, usize::MAX));
        row(&format!("executions: {name} ({} shown)", found.rows.len()), millis(time), "1000 ms");
    }
    drop((opened.appender, opened.history));
    opened.threads.join();
}

fn main() {
    print_machine();
    let jobs = std::env::var("DKRON_BENCH_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1_000_000);
    let (ledger, time) = timed(|| fleet::ledger(jobs, None));
    row(&format!("{jobs} jobs stored in a state"), rate(jobs, time), "");
    pages(&ledger.state);
    filters(&ledger.state);
    drop(ledger);
    executions(jobs as u64);
}
