//! Settings as typed: texts with the place where each was written. Only their form is judged here: a list
//! where one value is needed, a key that nobody knows.

use super::error::Problem;
use super::file::{self, Content, Entry, Node, Settings};
use super::flags::AgentFlags;
use super::surroundings::Surroundings;
use super::table::{self, Kind, Setting};
use super::words::{self, nearest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A text and where it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Typed {
    pub(super) origin: String,
    pub(super) value: String,
}

/// What was typed for each setting; nothing where nothing was.
#[derive(Debug, Default)]
pub(super) struct Raw {
    typed: BTreeMap<&'static str, Vec<Typed>>,
    /// The settings file that was read.
    pub(super) file: Option<PathBuf>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Raw {
    /// For each setting the flag, else the variable, else what the file says.
    pub(super) fn gather(flags: &AgentFlags, surroundings: &Surroundings) -> Raw {
        let mut raw = Raw::default();
        match file::load(flags.file(), surroundings, &mut raw.warnings) {
            Ok(None) => (),
            Ok(Some(settings)) => raw.take_file(settings),
            Err(problem) => raw.problems.push(problem),
        }
        for setting in table::all() {
            let variable = |raw: &mut Raw| raw.variable(setting, surroundings);
            if let Some(found) = flag(setting, flags).or_else(|| variable(&mut raw)) {
                raw.typed.insert(setting.name, found);
            }
        }
        raw
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

    /// Where each setting that was typed was typed.
    pub(super) fn origins(&self) -> BTreeMap<&'static str, String> {
        let first =
            |(name, typed): (&&'static str, &Vec<Typed>)| Some((*name, typed.first()?.origin.clone()));
        self.typed.iter().filter_map(first).collect()
    }

    fn refuse(&mut self, origin: &str, value: &str, problem: impl Into<String>) {
        self.problems.push(Problem {
            origin: origin.to_owned(),
            value: value.to_owned(),
            problem: problem.into(),
        });
    }

    /// The variable of a setting. An empty one is an unset one, as in Dkron. Lists have commas between
    /// their parts, tags white space, and a map is an object in JSON.
    fn variable(&mut self, setting: &Setting, surroundings: &Surroundings) -> Option<Vec<Typed>> {
        if setting.file_only && setting.kind != Kind::Map {
            return None;
        }
        let found = setting.names().find_map(|name| {
            let origin = variable_name(name);
            let value = (surroundings.variable)(&origin).filter(|value| !value.is_empty())?;
            Some((origin, value))
        });
        let (origin, value) = found?;
        let typed = |value: &str| Typed { origin: origin.clone(), value: value.to_owned() };
        Some(match setting.kind {
            Kind::List => parts(setting, &value).iter().map(|part| typed(part)).collect(),
            Kind::Map => match file::json_object(&value) {
                Ok(entries) => self.map(&Place { path: Path::new(""), key: &origin }, entries),
                Err(problem) => {
                    self.refuse(&origin, &value, problem);
                    Vec::new()
                }
            },
            Kind::Switch | Kind::Text => vec![typed(&value)],
        })
    }

    fn take_file(&mut self, Settings { path, entries }: Settings) {
        let mut tags = Vec::new();
        for Entry { key, value } in entries {
            let place = Place { path: &path, key: &key };
            let known = table::find(&key);
            // In files without maps, `tags.role=web` is how one is written.
            if let (None, Some(tag)) = (known, key.to_ascii_lowercase().strip_prefix("tags.")) {
                tags.push(Entry { key: tag.to_owned(), value });
                continue;
            }
            match known {
                None => self.warn_of_unknown(&place.at(value.line), &key),
                Some(setting) => self.take_value(setting, &place, value),
            }
        }
        if !tags.is_empty() {
            let found = self.map(&Place { path: &path, key: "tags" }, tags);
            self.typed.entry("tags").or_default().extend(found);
        }
        self.file = Some(path);
    }

    fn take_value(&mut self, setting: &'static Setting, place: &Place<'_>, value: Node) {
        let origin = &place.at(value.line);
        if self.typed.contains_key(setting.name) {
            let names = setting.names().collect::<Vec<_>>().join(" or ");
            return self.refuse(origin, "", format!("{names} is set twice in this file, once is allowed"));
        }
        let typed = |value: String| Typed { origin: origin.to_owned(), value };
        let found = match (setting.kind, value.content) {
            (_, Content::Nothing) => return,
            (Kind::Switch | Kind::Text, Content::Text(text)) => vec![typed(text)],
            (Kind::List, Content::Text(text)) => parts(setting, &text).into_iter().map(typed).collect(),
            (Kind::List, Content::List(items)) => {
                let texts = items.into_iter().filter_map(|item| self.text(&place.at(item.line), item));
                texts.filter(|typed| !typed.value.trim().is_empty()).collect()
            }
            (Kind::Map, Content::Map(entries)) => self.map(place, entries),
            // Dkron documents tags as a list of maps, too.
            (Kind::Map, Content::List(items)) => {
                let mut entries = Vec::new();
                for item in items {
                    match item.content {
                        Content::Map(more) => entries.extend(more),
                        _ => self.refuse(origin, "", "is no map, allowed is NAME: VALUE, as in role: web"),
                    }
                }
                self.map(place, entries)
            }
            (kind, content) => return self.refuse(origin, "", misfit(kind, &content)),
        };
        self.typed.insert(setting.name, found);
    }

    /// An item of a list.
    fn text(&mut self, origin: &str, item: Node) -> Option<Typed> {
        match item.content {
            Content::Text(value) => Some(Typed { origin: origin.to_owned(), value }),
            content => {
                self.refuse(origin, "", misfit(Kind::Text, &content));
                None
            }
        }
    }

    /// The pairs of a map as `name=value`. Names in a file become lower-case, as in Dkron; where that changes
    /// one, it is told.
    fn map(&mut self, place: &Place<'_>, entries: Vec<Entry>) -> Vec<Typed> {
        let mut typed = Vec::new();
        for Entry { key, value } in entries {
            let origin = place.at(value.line);
            let lower = if place.is_variable() { key.clone() } else { key.to_lowercase() };
            if lower != key {
                self.warnings.push(format!(
                    "{origin}: the tag '{key}' is read as '{lower}', as in Dkron; write it as `tag` to keep its case"
                ));
            }
            if let Some(Typed { origin, value }) = self.text(&origin, value) {
                typed.push(Typed { origin, value: format!("{lower}={value}") });
            }
        }
        typed
    }

    /// Dkron passes over such keys without a word.
    fn warn_of_unknown(&mut self, origin: &str, key: &str) {
        let names = table::all().flat_map(Setting::names);
        let warning = match (table::pro_setting(key), nearest(&key.to_ascii_lowercase(), names)) {
            (Some(effect), _) => format!("{origin} has no effect, a setting of Dkron Pro: {effect}"),
            (None, Some(near)) => format!("{origin} has no effect, an unknown key; did you mean {near}?"),
            (None, None) => format!("{origin} has no effect, an unknown key"),
        };
        self.warnings.push(warning);
    }
}

/// Where a map or list was written: a key of a file, or a variable, which has no path.
struct Place<'a> {
    path: &'a Path,
    key: &'a str,
}

impl Place<'_> {
    fn is_variable(&self) -> bool {
        self.path.as_os_str().is_empty()
    }

    fn at(&self, line: usize) -> String {
        let Place { path, key } = self;
        match (self.is_variable(), line) {
            (true, _) => (*key).to_owned(),
            (false, 0) => format!("{}: {key}", path.display()),
            (false, _) => format!("{}:{line}: {key}", path.display()),
        }
    }
}

fn misfit(kind: Kind, content: &Content) -> String {
    let found = match content {
        Content::Nothing => "is empty",
        Content::Text(_) => "is a text",
        Content::List(_) => "is a list",
        Content::Map(_) => "is a map",
    };
    let needed = match kind {
        Kind::Switch | Kind::Text => "one value is needed",
        Kind::List => "a list of values is needed",
        Kind::Map => "a map is needed, as in {role: web}",
    };
    format!("{found}, {needed}")
}

fn flag(setting: &Setting, flags: &AgentFlags) -> Option<Vec<Typed>> {
    let origin = format!("--{}", setting.name);
    let typed = |value: String| Typed { origin: origin.clone(), value };
    let given = flags.given(setting.name)?.iter();
    Some(match setting.kind {
        Kind::List => given.flat_map(|text| filled(words::split_list(text))).map(typed).collect(),
        _ => given.cloned().map(typed).collect(),
    })
}

/// The parts of a list in one text: with commas, tags with white space, as in Dkron.
fn parts(setting: &Setting, text: &str) -> Vec<String> {
    match setting.name {
        "tag" => text.split_whitespace().map(str::to_owned).collect(),
        _ => filled(words::split_list(text)),
    }
}

/// An empty text is an empty list, as in Dkron: start scripts pass on variables that may be unset.
fn filled(mut parts: Vec<String>) -> Vec<String> {
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// `DKRON_RPC_PORT` for `rpc-port`.
pub(super) fn variable_name(name: &str) -> String {
    format!("DKRON_{}", name.to_ascii_uppercase().replace('-', "_"))
}
