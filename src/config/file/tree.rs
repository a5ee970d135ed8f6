//! What a settings file holds, whatever its kind: texts, lists and maps with the line of each.

/// A value and the line where it stands; 0 where that is not known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::config) struct Node {
    pub(in crate::config) line: usize,
    pub(in crate::config) content: Content,
}

/// What a value is. Numbers and words for yes and no are texts, as they were written: what is allowed is
/// the setting's matter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::config) enum Content {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, as written, with its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) value: Node,
}

/// Where a file cannot be read, and why. Lines and columns begin with 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) problem: String,
}

impl Broken {
    pub(super) fn new(line: usize, column: usize, problem: impl Into<String>) -> Broken {
        Broken { line, column, problem: problem.into() }
    }

    /// At a byte of the text.
    pub(super) fn at(text: &str, offset: usize, problem: impl Into<String>) -> Broken {
        let before = text.get(..offset).unwrap_or(text);
        let last = before.rsplit('\n').next().unwrap_or("");
        Broken::new(line_at(text, offset), last.chars().count() + 1, problem)
    }
}

/// The line of a byte of the text.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// What a whole file must be.
pub(super) fn top(node: Node) -> Result<Vec<Entry>, Broken> {
    match node.content {
        Content::Map(entries) => Ok(entries),
        Content::Nothing => Ok(Vec::new()),
        _ => Err(Broken::new(node.line.max(1), 1, "is no map of settings, as in `server: true`")),
    }
}
