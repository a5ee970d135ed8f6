//! Settings as typed: texts with the place where each was written. Nothing is judged here.

use super::flags::AgentFlags;
use super::surroundings::Surroundings;
use super::table::{self, Kind, Setting};
use super::words;
use std::collections::BTreeMap;

/// A text and where it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Typed {
    pub(super) origin: String,
    pub(super) value: String,
}

/// What was typed for each setting; nothing where nothing was.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    typed: BTreeMap<&'static str, Vec<Typed>>,
}

impl Raw {
    /// For each setting the flag, else the variable.
    pub(super) fn gather(flags: &AgentFlags, surroundings: &Surroundings) -> Raw {
        let typed = table::all().filter(|setting| !setting.file_only).filter_map(|setting| {
            let found = flag(setting, flags).or_else(|| variable(setting, surroundings))?;
            Some((setting.name, found))
        });
        Raw { typed: typed.collect() }
    }

    /// All texts of a list.
    pub(super) fn list(&self, name: &str) -> &[Typed] {
        debug_assert!(table::find(name).is_some(), "{name} is no setting");
        self.typed.get(name).map_or(&[], Vec::as_slice)
    }

    /// The text of a setting: the last one counts.
    pub(super) fn one(&self, name: &str) -> Option<&Typed> {
        self.list(name).last()
    }

    /// Which settings were typed anywhere.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static Setting, &[Typed])> {
        table::all().filter_map(|setting| Some((setting, self.typed.get(setting.name)?.as_slice())))
    }
}

fn flag(setting: &Setting, flags: &AgentFlags) -> Option<Vec<Typed>> {
    let origin = format!("--{}", setting.name);
    let typed = |value: String| Typed { origin: origin.clone(), value };
    let given = flags.given(setting.name)?.iter();
    Some(match setting.kind {
        Kind::List => given.flat_map(|text| words::split_list(text)).map(typed).collect(),
        _ => given.cloned().map(typed).collect(),
    })
}

/// The variable of a setting. An empty one is an unset one, as in Dkron. Lists have commas between their
/// parts; tags have white space, as in Dkron.
fn variable(setting: &Setting, surroundings: &Surroundings) -> Option<Vec<Typed>> {
    setting.names().find_map(|name| {
        let origin = variable_name(name);
        let value = (surroundings.variable)(&origin).filter(|value| !value.is_empty())?;
        let typed = |value: &str| Typed { origin: origin.clone(), value: value.to_owned() };
        Some(match (setting.kind, setting.name) {
            (Kind::List, "tag") => value.split_whitespace().map(typed).collect(),
            (Kind::List, _) => words::split_list(&value).iter().map(|part| typed(part)).collect(),
            _ => vec![typed(&value)],
        })
    })
}

/// `DKRON_RPC_PORT` for `rpc-port`.
pub(super) fn variable_name(name: &str) -> String {
    format!("DKRON_{}", name.to_ascii_uppercase().replace('-', "_"))
}
