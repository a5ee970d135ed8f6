//! YAML, from the parser's events: they have the lines, and an alias cannot grow without bound.

use super::tree::{Broken, Content, Entry, Node, top};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use std::collections::BTreeMap;

/// More than any settings file needs; what aliases repeat is counted.
const NODES_MAX: usize = 10_000;
/// Deeper than any setting.
const DEPTH_MAX: usize = 32;

pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Broken> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| broken(&error))?;
        builder.take(event, span.start)?;
    }
    top(builder.root.unwrap_or(Node { line: 1, content: Content::Nothing }))
}

fn broken(error: &ScanError) -> Broken {
    at(*error.marker(), format!("is not YAML: {}", error.info()))
}

fn at(marker: Marker, problem: impl Into<String>) -> Broken {
    Broken::new(marker.line(), marker.col() + 1, problem)
}

/// A list or map that is not at its end yet.
struct Open {
    node: Node,
    anchor: usize,
    /// In a map, the key whose value comes next.
    key: Option<(String, usize)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, (Node, usize)>,
    count: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, marker: Marker) -> Result<(), Broken> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let content = match (plain, &*text) {
                    (true, "" | "~" | "null" | "Null" | "NULL") => Content::Nothing,
                    _ => Content::Text(text.into_owned()),
                };
                self.put(Node { line: marker.line(), content }, anchor, marker)
            }
            Event::SequenceStart(anchor, _) => self.begin(Content::List(Vec::new()), anchor, marker),
            Event::MappingStart(anchor, _) => self.begin(Content::Map(Vec::new()), anchor, marker),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(done) => self.put(done.node, done.anchor, marker),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, count) = known.ok_or_else(|| at(marker, "is not YAML: an unknown alias"))?;
                self.count += count;
                self.put(node, 0, marker)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(at(marker, "holds a second document; one is allowed"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, marker: Marker) -> Result<(), Broken> {
        if self.open.len() >= DEPTH_MAX {
            return Err(at(marker, format!("is nested deeper than {DEPTH_MAX} levels")));
        }
        self.open.push(Open { node: Node { line: marker.line(), content }, anchor, key: None });
        Ok(())
    }

    /// Puts a value that is complete where it belongs.
    fn put(&mut self, node: Node, anchor: usize, marker: Marker) -> Result<(), Broken> {
        self.count += 1;
        if self.count > NODES_MAX {
            return Err(at(marker, format!("holds more than {NODES_MAX} values, aliases included")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), nodes(&node)));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.content, open.key.take()) {
            (Content::List(list), _) => list.push(node),
            (Content::Map(map), Some((key, line))) => {
                // A list or map begins where its key stands.
                let line = if matches!(node.content, Content::Text(_)) { node.line } else { line };
                map.push(Entry { key, value: Node { line, ..node } });
            }
            (_, None) => match node.content {
                Content::Text(key) => open.key = Some((key, node.line)),
                Content::Nothing => open.key = Some((String::new(), node.line)),
                _ => return Err(at(marker, "has a key that is no text")),
            },
            _ => (),
        }
        Ok(())
    }
}

/// How many values a value holds, itself included.
fn nodes(node: &Node) -> usize {
    1 + match &node.content {
        Content::List(list) => list.iter().map(nodes).sum(),
        Content::Map(map) => map.iter().map(|entry| nodes(&entry.value)).sum(),
        _ => 0,
    }
}
