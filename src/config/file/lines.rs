//! Files of a key and a value a line: Java properties, variables of an environment, INI.

use super::tree::{Broken, Content, Entry, Node};

/// Which kind of lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// `key=value` or `key: value`; `#` and `!` begin a remark.
    Properties,
    /// `key=value`, after `export` or not, the value in quotes or not.
    Environment,
    /// `key=value`, the value in quotes or not, and sections; a section's name goes before its keys.
    Ini,
}

pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Vec<Entry>, Broken> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || is_remark(trimmed, dialect) {
            continue;
        }
        if let (Dialect::Ini, Some(name)) = (dialect, in_brackets(trimmed)) {
            section = if name.eq_ignore_ascii_case("default") { String::new() } else { format!("{name}.") };
            continue;
        }
        let (key, value) = pair(trimmed, dialect).ok_or_else(|| {
            let column = line.len() - line.trim_start().len() + 1;
            Broken::new(index + 1, column, "is not a setting, allowed is KEY=VALUE")
        })?;
        let content = if value.is_empty() { Content::Nothing } else { Content::Text(value.to_owned()) };
        entries.push(Entry { key: format!("{section}{key}"), value: Node { line: index + 1, content } });
    }
    Ok(entries)
}

fn is_remark(line: &str, dialect: Dialect) -> bool {
    let also = match dialect {
        Dialect::Properties => '!',
        Dialect::Environment => '#',
        Dialect::Ini => ';',
    };
    line.starts_with(['#', also])
}

fn in_brackets(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']').map(str::trim)
}

fn pair(line: &str, dialect: Dialect) -> Option<(&str, &str)> {
    let (line, ends): (&str, &[char]) = match dialect {
        Dialect::Properties => (line, &['=', ':']),
        Dialect::Environment => (line.strip_prefix("export ").unwrap_or(line), &['=']),
        Dialect::Ini => (line, &['=', ':']),
    };
    let (key, value) = line.split_once(ends)?;
    let (key, value) = (key.trim(), value.trim());
    let value = if dialect == Dialect::Properties { value } else { without_quotes(value) };
    (!key.is_empty()).then_some((key, value))
}

fn without_quotes(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}
