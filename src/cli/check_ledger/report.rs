//! Prints what a check found.

use super::inputs::Ledgers;
use crate::cli::Output;
use dkron_core::ledger::{Finding, Report};
use serde_json::json;

/// The report for people or for programs.
pub(super) fn print(report: &Report, ledgers: &Ledgers, output: Output) -> String {
    match output {
        Output::Table => table(report, ledgers),
        Output::Json => json(report, ledgers).to_string(),
    }
}

fn table(report: &Report, ledgers: &Ledgers) -> String {
    let width = report.findings.iter().map(|finding| finding.job.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = report.findings.iter().map(|finding| line(finding, width)).collect();
    lines.push(format!(
        "{} ticks had to run, {} of them were skipped by policy; {} runs, {} without an end; {} findings",
        report.ticks,
        report.skipped,
        report.runs,
        report.unfinished,
        report.findings.len()
    ));
    for (count, what) in [(ledgers.torn, "torn line"), (ledgers.startless_ends, "end without a start")] {
        if count > 0 {
            lines.push(format!("{count} {what}{} left out", if count == 1 { " was" } else { "s were" }));
        }
    }
    lines.join("\n")
}

fn line(finding: &Finding, width: usize) -> String {
    let ticks = match finding.count {
        1 => finding.from.to_string(),
        count => format!("{} to {} ({count} ticks)", finding.from, finding.to),
    };
    let execution = finding.execution.as_ref().map_or(String::new(), |execution| format!("  {execution}"));
    format!(
        "{:<10}  {:<width$}  {ticks}{execution}  {}",
        finding.kind.to_string(),
        finding.job,
        finding.detail
    )
}

fn json(report: &Report, ledgers: &Ledgers) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "kind": finding.kind.to_string(),
            "job": finding.job,
            "from": finding.from.to_string(),
            "to": finding.to.to_string(),
            "count": finding.count,
            "execution": finding.execution,
            "detail": finding.detail,
        })
    };
    json!({
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "ticks": report.ticks,
        "skipped": report.skipped,
        "runs": report.runs,
        "unfinished": report.unfinished,
        "torn": ledgers.torn,
        "startless_ends": ledgers.startless_ends,
    })
}
