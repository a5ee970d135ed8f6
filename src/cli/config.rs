//! `dkron config check`: says which settings `dkron agent` would have with the same flags, and where each
//! comes from, or everything that is wrong with them.

use super::{Failure, Output};
use crate::config::{AgentFlags, Config, Problem, Shown, Surroundings};
use std::process::ExitCode;

/// The commands on settings.
#[derive(clap::Args)]
pub(super) struct Settings {
    #[command(subcommand)]
    command: Question,
}

#[derive(clap::Subcommand)]
enum Question {
    /// Print the settings that `dkron agent` would have, and where each comes from
    #[command(args_override_self = true)]
    Check(Box<Check>),
}

#[derive(clap::Args)]
struct Check {
    /// Fail on warnings, too
    #[arg(long)]
    strict: bool,
    /// How to print them
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
    #[command(flatten)]
    flags: AgentFlags,
}

impl Settings {
    pub(super) fn run(self, problems: Vec<Problem>) -> Result<ExitCode, Failure> {
        let Question::Check(check) = self.command;
        check.run(problems)
    }
}

impl Check {
    fn run(self, problems: Vec<Problem>) -> Result<ExitCode, Failure> {
        let config =
            Config::load(self.flags, problems, &Surroundings::real()).map_err(anyhow::Error::from)?;
        println!("{}", print(&config.shown(), self.output));
        config.warnings.iter().for_each(|warning| eprintln!("Warning: {warning}"));
        match self.strict && !config.warnings.is_empty() {
            true => Err(anyhow::anyhow!("there are warnings, and --strict was asked for").into()),
            false => Ok(ExitCode::SUCCESS),
        }
    }
}

/// A JSON object by name, or a line each.
fn print(settings: &[Shown], output: Output) -> String {
    match output {
        Output::Json => {
            let object = settings.iter().map(|Shown { name, value, origin }| {
                ((*name).to_owned(), serde_json::json!({"value": value, "origin": origin}))
            });
            serde_json::Value::Object(object.collect()).to_string()
        }
        Output::Table => table(settings),
    }
}

fn table(settings: &[Shown]) -> String {
    let width = |of: fn(&Shown) -> usize| settings.iter().map(of).max().unwrap_or(0);
    let names = width(|one| one.name.len());
    let values = width(|one| one.value.chars().count()).min(40);
    let lines = settings.iter().map(|Shown { name, value, origin }| {
        let value = if value.is_empty() { "-" } else { value };
        format!("{name:names$}  {value:values$}  {origin}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_table_for_people_and_an_object_for_programs() {
        let one = |name, value: &str, origin: &str| Shown {
            name,
            value: value.to_owned(),
            origin: origin.to_owned(),
        };
        let settings = [one("server", "true", "--server"), one("join", "", "default")];
        assert_eq!(print(&settings, Output::Table), "server  true  --server\njoin    -     default");
        let expected =
            r#"{"join":{"origin":"default","value":""},"server":{"origin":"--server","value":"true"}}"#;
        assert_eq!(print(&settings, Output::Json), expected);
    }
}
