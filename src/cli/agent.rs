//! `dkron agent`: starts a node.

use super::Failure;
use crate::config::{AgentFlags, Config, Problem, Surroundings, is_secret, nearest, pro_setting};
use crate::node::NodeError;
use anyhow::Context;
use clap::CommandFactory;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

/// The flags of the node's settings.
#[derive(clap::Args)]
pub(super) struct Agent {
    #[command(flatten)]
    flags: AgentFlags,
}

impl Agent {
    /// Checks the settings, those problems of the command line included, and runs the node to its end.
    pub(super) fn run(self, problems: Vec<Problem>) -> Result<ExitCode, Failure> {
        let config =
            Config::load(self.flags, problems, &Surroundings::real()).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("dkron")
            .build()
            .context("the asynchronous runtime does not start")?;
        let ended = runtime.block_on(crate::node::run(config));
        drop(runtime);
        match ended {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(NodeError::RoomAgain) => Err(start_again().into()),
            Err(error) => Err(anyhow::Error::from(error).into()),
        }
    }
}

/// This program with the same words, in the place of this process: comes back only with an error.
fn start_again() -> anyhow::Error {
    match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).exec().into(),
        Err(error) => error.into(),
    }
}

/// Takes flags that `dkron agent` does not have out of the line, each as a problem with the nearest known
/// name: they are told together with everything else that is wrong, not one at a start. The same for
/// `dkron config check`, which takes the same flags.
pub(super) fn set_unknown_flags_aside(words: Vec<OsString>) -> (Vec<OsString>, Vec<Problem>) {
    let path: &[&str] = match words.get(1).and_then(|word| word.to_str()) {
        Some("agent") => &["agent"],
        Some("doctor") => &["doctor"],
        Some("config") if words.get(2).is_some_and(|word| word == "check") => &["config", "check"],
        _ => return (words, Vec::new()),
    };
    let known = known_flags(path);
    let mut problems = Vec::new();
    let mut kept = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        match word.to_str().and_then(|word| unknown_flag(word, &known)) {
            None => kept.push(word),
            Some(mut problem) => {
                let is_value = |next: &OsString| next.to_str().is_some_and(|next| !next.starts_with('-'));
                if !word.to_str().is_some_and(|word| word.contains('=')) {
                    let value = words.next_if(is_value);
                    problem.value = value.map_or(String::new(), |value| value.to_string_lossy().into_owned());
                }
                if is_near_secret(&problem, &known) {
                    problem.value.clear();
                }
                problems.push(problem);
            }
        }
    }
    (kept, problems)
}

/// Whether a mistyped flag was meant for a secret: its value is not shown either.
fn is_near_secret(problem: &Problem, known: &[String]) -> bool {
    let name = problem.origin.trim_start_matches('-');
    is_secret(name) || nearest(name, known.iter().map(String::as_str)).is_some_and(is_secret)
}

/// The long names of all flags, aliases and `--help` included.
fn known_flags(path: &[&str]) -> Vec<String> {
    let line = super::Line::command();
    let command = path.iter().try_fold(&line, |command, name| command.find_subcommand(name));
    let Some(command) = command else { return Vec::new() };
    let names = command.get_arguments().flat_map(|flag| {
        let aliases = flag.get_all_aliases().unwrap_or_default();
        flag.get_long().into_iter().chain(aliases).map(str::to_owned).collect::<Vec<_>>()
    });
    names.chain(["help".to_owned()]).collect()
}

fn unknown_flag(word: &str, known: &[String]) -> Option<Problem> {
    let flag = word.strip_prefix("--").filter(|flag| !flag.is_empty())?;
    let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
    if known.iter().any(|known| known == name) {
        return None;
    }
    let near = nearest(name, known.iter().map(String::as_str));
    let hint = match (pro_setting(name), near) {
        (Some(effect), _) => format!("it is one of Dkron Pro; {effect}"),
        (None, Some(near)) => format!("did you mean --{near}?"),
        (None, None) => "`dkron agent --help` lists the known ones".to_owned(),
    };
    let problem = format!("unknown flag; {hint}");
    Some(Problem { origin: format!("--{name}"), value: value.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(line: &str) -> (Vec<OsString>, Vec<String>) {
        let (kept, problems) = set_unknown_flags_aside(line.split(' ').map(OsString::from).collect());
        (kept, problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn unknown_flags_are_told_with_the_nearest_name_and_the_rest_is_kept() {
        let (kept, problems) =
            aside("dkron agent --sever --node-nam x --bind=1.2.3.4 --quux=7 --tag role=web");
        assert_eq!(kept, ["dkron", "agent", "--bind=1.2.3.4", "--tag", "role=web"]);
        assert_eq!(problems[0], "--sever: unknown flag; did you mean --server?");
        assert_eq!(problems[1], "--node-nam: 'x': unknown flag; did you mean --node-name?");
        assert_eq!(problems[2], "--quux: '7': unknown flag; `dkron agent --help` lists the known ones");
    }

    #[test]
    fn other_commands_and_help_are_left_alone() {
        assert!(aside("dkron version --sever").1.is_empty());
        assert!(aside("dkron agent --help").1.is_empty());
        assert!(aside("dkron config check --strict --config x --bind y").1.is_empty());
        assert_eq!(aside("dkron config check --sever").1.len(), 1);
        let (_, problems) = aside("dkron agent --encrpt KEY --mail-pasword=WORD --password WORD");
        assert!(
            problems.len() == 3 && !problems.concat().contains("KEY") && !problems.concat().contains("WORD")
        );
        let (_, problems) = aside("dkron agent --acl");
        assert_eq!(
            problems[0],
            "--acl: unknown flag; it is one of Dkron Pro; the API is closed by `dkron token bootstrap`"
        );
        assert!(aside("dkron agent --advertise 1.2.3.4 --server=false").1.is_empty());
    }
}
