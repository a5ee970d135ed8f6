//! The settings file: found, read, and turned into keys and values with the lines where they stand. What
//! they mean is judged elsewhere; here only what cannot be read is refused.

mod json;
mod lines;
mod toml;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub(super) use tree::{Content, Entry, Node};

use super::error::Problem;
use super::surroundings::Surroundings;
use std::io;
use std::path::{Path, PathBuf};
use tree::Broken;

/// Endings in the order in which a folder is searched; Dkron's.
const ENDINGS: [&str; 12] =
    ["json", "toml", "yaml", "yml", "properties", "props", "prop", "hcl", "tfvars", "dotenv", "env", "ini"];

const SUPPORTED: &str = "allowed are yaml, yml, json, toml, properties, props, prop, dotenv, env and ini";

/// A settings file that was read.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    /// Its keys, as written, in its order.
    pub(super) entries: Vec<Entry>,
}

/// The file that was asked for, which must be there, else the first one found. What was found and is broken
/// is a problem in both cases: nobody shall run on defaults in the belief that the file counts.
pub(super) fn load(
    asked: Option<&str>,
    surroundings: &Surroundings,
    warnings: &mut Vec<String>,
) -> Result<Option<Settings>, Problem> {
    if let Some(asked) = asked {
        let path = Path::new(asked);
        let text = (surroundings.read_file)(path);
        let text = text.map_err(|error| problem("--config", asked, format!("cannot be read: {error}")))?;
        return parse(path, &text).map(Some);
    }
    for path in candidates(surroundings) {
        match (surroundings.read_file)(&path) {
            Ok(text) => return parse(&path, &text).map(Some),
            Err(error) if is_absent(&error) => (),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                warnings.push(format!("{} is not read: {error}", path.display()));
            }
            Err(error) => {
                return Err(problem(&path.display().to_string(), "", format!("cannot be read: {error}")));
            }
        }
    }
    Ok(None)
}

/// The pairs of an object in JSON, which is how a variable holds a map.
pub(super) fn json_object(text: &str) -> Result<Vec<Entry>, String> {
    json::parse(text)
        .map_err(|broken| format!("{}, allowed is an object, as in {{\"role\": \"web\"}}", broken.problem))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Where Dkron looks, in its order.
fn candidates(surroundings: &Surroundings) -> impl Iterator<Item = PathBuf> {
    let home = (surroundings.variable)("HOME").filter(|home| !home.is_empty());
    let home = home.map(|home| Path::new(&home).join(".dkron"));
    let folders = [Some(PathBuf::from("/etc/dkron")), home, Some(PathBuf::from("config"))];
    folders
        .into_iter()
        .flatten()
        .flat_map(|folder| ENDINGS.into_iter().map(move |ending| folder.join(format!("dkron.{ending}"))))
}

fn parse(path: &Path, text: &str) -> Result<Settings, Problem> {
    let shown = path.display().to_string();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = match ending.as_str() {
        "yaml" | "yml" => yaml::parse(text),
        "json" => json::parse(text),
        "toml" => toml::parse(text),
        "properties" | "props" | "prop" => lines::parse(text, lines::Dialect::Properties),
        "dotenv" | "env" => lines::parse(text, lines::Dialect::Environment),
        "ini" => lines::parse(text, lines::Dialect::Ini),
        _ => {
            let kind = format!("settings files of the kind '{ending}' are not understood; {SUPPORTED}");
            return Err(problem(&shown, "", kind));
        }
    };
    let entries = parsed.map_err(|Broken { line, column, problem: what }| {
        problem(&format!("{shown}:{line}:{column}"), "", what)
    })?;
    Ok(Settings { path: path.to_owned(), entries })
}

fn problem(origin: &str, value: &str, problem: String) -> Problem {
    Problem { origin: origin.to_owned(), value: value.to_owned(), problem }
}
