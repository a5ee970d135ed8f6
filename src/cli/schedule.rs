//! `dkron schedule next`: when an expression fires.

use super::{Failure, Output};
use dkron_core::rules::{Expression, Timing};
use dkron_core::schedule::{Dst, Zone};
use dkron_core::time::Time;
use std::process::ExitCode;

/// The commands on schedules.
#[derive(clap::Args)]
pub(super) struct Schedule {
    #[command(subcommand)]
    command: Question,
}

#[derive(clap::Subcommand)]
enum Question {
    /// Print the next times at which an expression fires
    Next(Next),
}

#[derive(clap::Args)]
struct Next {
    /// The expression, as in a job's `schedule`: "0 30 2 * * *", "@every 10s", "30 2 * * *"
    expression: String,
    /// The zone of the expression, an IANA name
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    tz: String,
    /// What a change of the clocks does: once, skip, both, dkron
    #[arg(long, default_value = "once", value_name = "POLICY")]
    dst: Dst,
    /// Only times after this instant [default: now]
    #[arg(long, value_name = "RFC3339")]
    from: Option<Time>,
    /// How many times to print
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// The job's name, which `~` in an expression stands for
    #[arg(long, default_value = "job", value_name = "NAME")]
    job: String,
    /// How to print them
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
}

impl Schedule {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Question::Next(next) = self.command;
        next.run()
    }
}

impl Next {
    fn run(self) -> Result<ExitCode, Failure> {
        let from = self.from.unwrap_or_else(crate::clock::wall);
        let timing = self.timing()?;
        let zone = timing.zone.unwrap_or(Zone::utc());
        let times = timing.times(from).take(self.count as usize);
        println!("{}", print(&times.collect::<Vec<_>>(), zone, self.output));
        Ok(ExitCode::SUCCESS)
    }

    /// The expression as a job of this name and zone would be read.
    fn timing(&self) -> Result<Timing, Failure> {
        let expression = Expression { text: &self.expression, zone: &self.tz, dst: self.dst, job: &self.job };
        Timing::of_expression(expression).map_err(Failure::misused)
    }
}

/// A JSON array of RFC 3339 instants in UTC, or a line each with the local reading beside it.
fn print(times: &[Time], zone: Zone, output: Output) -> String {
    match output {
        Output::Json => serde_json::Value::from_iter(times.iter().map(Time::to_string)).to_string(),
        Output::Table => times.iter().map(|time| line(*time, zone)).collect::<Vec<_>>().join("\n"),
    }
}

fn line(time: Time, zone: Zone) -> String {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).unwrap_or_default();
    let local = timestamp.to_zoned_datetime(zone.time_zone().clone());
    format!("{time}  {}", local.strftime("%a %Y-%m-%d %H:%M:%S %:z %Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, tz: &str, dst: Dst) -> Result<String, String> {
        let question = Next {
            expression: expression.to_owned(),
            tz: tz.to_owned(),
            dst,
            from: None,
            count: 2,
            job: "job".to_owned(),
            output: Output::Json,
        };
        let timing =
            question.timing().map_err(|failure| format!("{:#} ({})", failure.error, failure.code))?;
        let zone = timing.zone.unwrap_or(Zone::utc());
        let from: Time = "2026-03-28T12:00:00Z".parse().expect("an instant");
        Ok(print(&timing.times(from).take(2).collect::<Vec<_>>(), zone, Output::Json))
    }

    #[test]
    fn the_next_times_are_an_array_of_instants_in_utc() {
        let times = next("0 30 2 * * *", "Europe/Berlin", Dst::Once).expect("a schedule");
        assert_eq!(times, r#"["2026-03-29T01:00:00Z","2026-03-30T00:30:00Z"]"#);
        let times = next("0 30 2 * * *", "Europe/Berlin", Dst::Dkron).expect("a schedule");
        assert_eq!(times, r#"["2026-03-30T00:30:00Z","2026-03-31T00:30:00Z"]"#);
        assert_eq!(next("@manually", "UTC", Dst::Once).expect("a schedule"), "[]");
    }

    #[test]
    fn a_bad_expression_names_the_field_and_exits_with_2() {
        let error = next("0 99 2 * * *", "UTC", Dst::Once).expect_err("a bad minute");
        assert!(
            error.contains("minute \"99\"") && error.contains("0 to 59") && error.ends_with("(2)"),
            "{error}"
        );
        assert!(
            next("", "UTC", Dst::Once).expect_err("nothing").contains("schedule: can't parse job schedule")
        );
        let error = next("@daily", "Europe/Berlino", Dst::Once).expect_err("a bad zone");
        assert!(error.contains("timezone") && error.contains("Europe/Berlin"), "{error}");
    }

    #[test]
    fn a_table_shows_the_local_reading_too() {
        let zone = Zone::lookup("Europe/Berlin").expect("a zone");
        let time: Time = "2026-03-29T01:00:00Z".parse().expect("an instant");
        assert_eq!(
            print(&[time], zone, Output::Table),
            "2026-03-29T01:00:00Z  Sun 2026-03-29 03:00:00 +02:00 CEST"
        );
    }
}
