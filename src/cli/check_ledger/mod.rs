//! `dkron check-ledger`: compares what jobs wrote down with what their definitions promise. Exits with 0
//! if all fits, 1 with findings, 2 if there was nothing that could be compared.

mod inputs;
mod report;

use super::{FAILED, Failure, Output};
use dkron_core::ledger::{Promise, check};
use dkron_core::schedule::Zone;
use dkron_core::time::{Span, Time};
use std::path::PathBuf;
use std::process::ExitCode;

/// The command's inputs; docs/check-ledger.md explains them.
#[derive(clap::Args)]
pub(super) struct CheckLedger {
    /// Ledgers: files, one for each node, or directories of such files
    #[arg(long, required = true, num_args = 1.., value_name = "FILE|DIRECTORY")]
    ledger: Vec<PathBuf>,
    /// The jobs' definitions: the answer of GET /v1/jobs
    #[arg(long, value_name = "FILE")]
    jobs: PathBuf,
    /// The first instant to look at; all jobs must be there by then
    #[arg(long, value_name = "RFC3339")]
    from: Time,
    /// The instant before which to stop; late runs must have had their time by now
    #[arg(long, value_name = "RFC3339")]
    until: Time,
    /// Skip records: a JSON array of {"job", "from", "to", "reason"}
    #[arg(long, value_name = "FILE")]
    skips: Option<PathBuf>,
    /// How late a first attempt may start, in milliseconds
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    late_ms: i64,
    /// How far the nodes' clocks may differ, in milliseconds
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    skew_ms: i64,
    /// How many nodes a job without a count may run on [default: as many as there are ledgers]
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// Expect runs outside the schedule, started by hand
    #[arg(long)]
    allow_unscheduled: bool,
    /// The zone of jobs without one
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    default_zone: String,
    /// How to print the findings
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
}

impl CheckLedger {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (promise, ledgers) = self.read().map_err(Failure::misused)?;
        let report = check(&promise, &ledgers.runs).map_err(Failure::misused)?;
        println!("{}", report::print(&report, &ledgers, self.output));
        Ok(ExitCode::from(if report.findings.is_empty() { 0 } else { FAILED }))
    }

    fn read(&self) -> anyhow::Result<(Promise, inputs::Ledgers)> {
        anyhow::ensure!(self.from < self.until, "--from {} is not before --until {}", self.from, self.until);
        let default_zone = Zone::lookup(&self.default_zone)?;
        let mut ledgers = inputs::read_ledgers(&self.ledger)?;
        ledgers.runs.retain(|run| self.from <= run.scheduled_at && run.scheduled_at < self.until);
        let promise = Promise {
            jobs: inputs::read_jobs(&self.jobs, self.from, self.until)?,
            skips: self.skips.as_deref().map(inputs::read_skips).transpose()?,
            late: Span::from_millis(self.late_ms),
            skew: Span::from_millis(self.skew_ms),
            nodes: self.nodes,
            unscheduled: self.allow_unscheduled,
            default_zone,
        };
        Ok((promise, ledgers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::fs;
    use std::path::Path;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: CheckLedger,
    }

    const JOBS: &str = r#"[{"name":"a","schedule":"*/10 * * * * *"}]"#;
    const RANGE: [&str; 4] = ["--from", "2027-01-15T08:00:00Z", "--until", "2027-01-15T08:00:20Z"];

    fn line(tick: u32, kind: &str) -> String {
        format!(
            "{kind} a 2027-01-15T08:00:{tick:02}Z id{tick} 1 {}",
            1_800_000_000_002_000_000 + u64::from(tick) * 1_000_000_000
        )
    }

    fn command(folder: &Path, more: &[&str]) -> CheckLedger {
        let (ledger, jobs) = (folder.join("ledger"), folder.join("jobs.json"));
        let paths =
            ["check", "--ledger", ledger.to_str().expect("a path"), "--jobs", jobs.to_str().expect("a path")];
        let words = paths.iter().chain(&RANGE).chain(more);
        Line::try_parse_from(words).expect("a command line").command
    }

    fn folder(ledger: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("ledger")).expect("a folder");
        fs::write(folder.path().join("ledger/one.txt"), ledger).expect("a file");
        fs::write(folder.path().join("jobs.json"), JOBS).expect("a file");
        folder
    }

    fn whole() -> String {
        let lines = [line(0, "start"), format!("{} 0", line(0, "end")), line(10, "start")];
        format!("{}\n", lines.join("\n"))
    }

    #[test]
    fn a_clean_ledger_of_a_folder_exits_with_0_and_one_with_findings_with_1() {
        let clean = folder(&whole());
        assert_eq!(command(clean.path(), &[]).run().expect("a report"), ExitCode::SUCCESS);
        let missing = folder(&format!("{}\n", line(0, "start")));
        assert_eq!(command(missing.path(), &[]).run().expect("a report"), ExitCode::from(1));
    }

    #[test]
    fn runs_outside_the_range_are_not_looked_at() {
        let outside = folder(&format!("{}{}\n", whole(), line(20, "start").replace("1 18", "1 17")));
        assert_eq!(command(outside.path(), &[]).run().expect("a report"), ExitCode::SUCCESS);
    }

    #[test]
    fn skip_records_are_read_and_a_reason_that_does_not_exist_is_told() {
        let skipped = folder(&format!("{}\n", line(0, "start")));
        let file = skipped.path().join("skips.json");
        let skip = r#"[{"job":"a","from":"2027-01-15T08:00:10Z","to":"2027-01-15T08:00:10Z","count":1,"reason":"held"}]"#;
        fs::write(&file, skip).expect("a file");
        let more = ["--skips", file.to_str().expect("a path")];
        assert_eq!(command(skipped.path(), &more).run().expect("a report"), ExitCode::SUCCESS);
        fs::write(&file, skip.replace("held", "lazy")).expect("a file");
        let failure = command(skipped.path(), &more).run().expect_err("a bad reason");
        assert_eq!(failure.code, 2);
        assert!(
            format!("{:#}", failure.error).contains("reason: 'lazy', allowed are missed, overlap"),
            "{failure:?}"
        );
    }

    #[test]
    fn bad_inputs_exit_with_2_and_say_where() {
        let cases = [
            (folder("start a\n"), vec![], "one.txt: line 1: no scheduled time"),
            (folder(&whole()), vec!["--default-zone", "Nowhere"], "Nowhere"),
            (folder(&whole()), vec!["--ledger", "missing.txt"], "missing.txt"),
        ];
        for (folder, more, message) in cases {
            let failure = command(folder.path(), &more).run().expect_err(message);
            assert_eq!(failure.code, 2);
            assert!(format!("{:#}", failure.error).contains(message), "{failure:?}");
        }
    }

    #[test]
    fn a_report_names_findings_and_what_was_looked_at() {
        let missing = folder(&format!("{}\nstart to", line(0, "start")));
        let (promise, ledgers) = command(missing.path(), &[]).read().expect("good inputs");
        let report = check(&promise, &ledgers.runs).expect("good definitions");
        let table = report::print(&report, &ledgers, Output::Table);
        assert!(table.contains("missed") && table.contains("2027-01-15T08:00:10Z"), "{table}");
        assert!(table.contains("2 ticks had to run") && table.contains("1 torn line"), "{table}");
        let json: serde_json::Value =
            serde_json::from_str(&report::print(&report, &ledgers, Output::Json)).expect("JSON");
        assert_eq!(json["findings"][0]["kind"], "missed");
        assert_eq!(json["findings"][0]["from"], "2027-01-15T08:00:10Z");
        assert_eq!((&json["ticks"], &json["torn"]), (&2.into(), &1.into()));
    }
}
