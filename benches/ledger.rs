//! Deciding without disk and network: `cargo bench --bench ledger`.
//!
//! The real planner and the real apply, each entry of the size that the proposer would make; the agent's
//! answers are made up, since there is none.

mod measure;

use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Batch, Command, Event, Report};
use dkron_core::delivery::Launch;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::plan::{Order, Planner};
use dkron_core::time::{Span, Time};
use measure::{fleet, millis, print_machine, rate, row, timed};
use std::time::Duration;

/// How many reports one entry holds.
const REPORTS: usize = 500;

/// A ledger at work, and where its time goes.
struct Work {
    ledger: Ledger,
    planner: Planner,
    plan: Duration,
    decide: Duration,
    report: Duration,
}

impl Work {
    fn over(ledger: Ledger) -> Work {
        let zero = Duration::ZERO;
        Work { ledger, planner: Planner::default(), plan: zero, decide: zero, report: zero }
    }

    /// One entry with this action.
    fn apply(&mut self, time: Time, action: Action) -> (dkron_core::command::Reply, Duration) {
        let batch = Batch { time, commands: vec![Command { request: None, action }] };
        let index = self.ledger.state.applied() + 1;
        let (mut applied, time) = timed(|| self.ledger.apply(index, &batch));
        (applied.replies.remove(0), time)
    }

    /// Plans and applies until nothing is due; what is to be launched. `deciding` false only hands over.
    fn decide_all(&mut self, now: Time) -> Vec<Launch> {
        let mut launches = Vec::new();
        loop {
            let (plan, time) = timed(|| self.planner.plan(&mut self.ledger, now, true));
            self.plan += time;
            let idle = plan.proposals.is_empty() && plan.orders.is_empty();
            for proposal in plan.proposals {
                let (reply, time) = self.apply(now, proposal.action);
                self.decide += time;
                self.planner.answered(&mut self.ledger, proposal.token, Some(&reply));
            }
            launches.extend(plan.orders.into_iter().filter_map(|(_, order)| match order {
                Order::Launch(launch) => Some(launch),
                Order::Cancel(..) => None,
            }));
            if idle && !plan.more {
                return launches;
            }
        }
    }

    /// The agent's words on all of these, accepted and then ended.
    fn report_all(&mut self, launches: &[Launch], now: Time) {
        let outcome = Outcome {
            verdict: Verdict::Succeeded,
            started_at: now,
            finished_at: now,
            code: Some(0),
            error: "".into(),
            tail: Default::default(),
            output_bytes: 0,
        };
        for event in [Event::Accepted, Event::Finished(outcome)] {
            for part in launches.chunks(REPORTS) {
                let report = |launch: &Launch| Report {
                    execution: launch.execution,
                    check: launch.id.check(),
                    event: event.clone(),
                };
                let (_, time) = self.apply(now, Action::Report(part.iter().map(report).collect()));
                self.report += time;
            }
        }
    }
}

/// Launches a second, from due to done, of jobs that are due every second.
fn measure_throughput(jobs: usize, seconds: i64) {
    let mut work = Work::over(fleet::ledger(jobs, Some("@every 1s")));
    let mut launched = 0;
    for second in 1..=seconds {
        let now = fleet::NOW.floor_second() + Span::from_seconds(second);
        let launches = work.decide_all(now);
        launched += launches.len();
        work.report_all(&launches, now);
    }
    assert_eq!(launched, jobs * seconds as usize, "every tick is launched once");
    assert_eq!(work.ledger.state.occurrences().count(), 0, "all are done");
    let all = work.plan + work.decide + work.report;
    row(&format!("launches from due to done, {jobs} jobs due each second"), rate(launched, all), "");
    for (what, time) in
        [("plan", work.plan), ("apply decisions", work.decide), ("apply reports", work.report)]
    {
        row(
            &format!("  of that: {what}, for each launch"),
            format!("{:.2} us", time.as_secs_f64() * 1e6 / launched as f64),
            "",
        );
    }
}

/// Many due at one instant: until all are decided and listed for their node.
fn measure_burst(jobs: usize, goal: &str) {
    let mut work = Work::over(fleet::ledger(jobs, Some("@every 1h")));
    let due = fleet::NOW.floor_second() + Span::from_seconds(3_600);
    let launches = work.decide_all(due);
    assert_eq!(launches.len(), jobs, "every tick is launched once");
    let (decide, all) = (work.plan + work.decide, format!("{jobs} due at one instant"));
    row(&format!("{all}: planned, decided and ordered"), millis(decide), goal);
    row("  of that: plan", millis(work.plan), "");
    row("  of that: apply", millis(work.decide), "");
}

fn main() {
    print_machine();
    measure_throughput(20_000, 10);
    measure_burst(10_000, "100 ms");
    measure_burst(1_000_000, "2,000 ms (stretch)");
}
