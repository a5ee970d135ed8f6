//! The flags of `dkron agent`, made from the table of settings. All are texts: what they mean is judged in
//! one place, all together.

use super::table::{self, Kind, Setting};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeMap;
use std::fmt;

/// The name of the one flag that is no setting: which settings file to read.
pub(super) const FILE_FLAG: &str = "config";

/// What was given on the command line, by setting.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct AgentFlags {
    given: BTreeMap<&'static str, Vec<String>>,
    file: Option<String>,
}

impl AgentFlags {
    /// The texts given for a setting, none if it was not.
    pub(super) fn given(&self, name: &str) -> Option<&[String]> {
        self.given.get(name).map(Vec::as_slice)
    }

    /// The settings file that was asked for.
    pub(super) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

/// Only which flags there are: some hold secrets.
impl fmt::Debug for AgentFlags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.given.keys()).finish()
    }
}

impl clap::Args for AgentFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE_FLAG).long(FILE_FLAG).value_name("FILE").help(
            "The settings file [default: dkron.yml, .yaml, .json or .toml in /etc/dkron, ~/.dkron or ./config]",
        );
        let groups = table::GROUPS.into_iter();
        let flags = groups.flat_map(|(heading, settings)| {
            settings
                .iter()
                .filter(|setting| !setting.file_only)
                .map(move |one| flag(one).help_heading(heading))
        });
        command.arg(file).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for AgentFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<AgentFlags, clap::Error> {
        let given = table::all().filter(|setting| !setting.file_only).filter_map(|setting| {
            let values = matches.get_many::<String>(setting.name)?;
            Some((setting.name, values.cloned().collect()))
        });
        Ok(AgentFlags { given: given.collect(), file: matches.get_one::<String>(FILE_FLAG).cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = AgentFlags::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(setting: &Setting) -> Arg {
    let help = match setting.default {
        "" => setting.help.to_owned(),
        default => format!("{} [default: {default}]", setting.help),
    };
    let flag = Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.value)
        .help(help)
        .hide(setting.hidden)
        .visible_aliases(setting.alias);
    match setting.kind {
        Kind::Switch => flag.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Text => flag.action(ArgAction::Set),
        Kind::List | Kind::Map => flag.action(ArgAction::Append),
    }
}
