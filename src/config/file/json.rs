//! JSON. Values are taken as slices of the text, which is how their lines are known.

use super::tree::{Broken, Content, Entry, Node, line_at, top};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

const DEPTH_MAX: usize = 32;

pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Broken> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        Broken::new(error.line(), error.column(), format!("is not JSON: {}", without_place(&error)))
    })?;
    top(node(raw, text, DEPTH_MAX)?)
}

/// The parser's message; the place is told before it.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

fn node(raw: &RawValue, text: &str, depth: usize) -> Result<Node, Broken> {
    let slice = raw.get();
    let offset = (slice.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let refuse = |problem: String| Broken::at(text, offset, problem);
    let refused = |error: serde_json::Error| refuse(format!("is not JSON: {}", without_place(&error)));
    if depth == 0 {
        return Err(refuse(format!("is nested deeper than {DEPTH_MAX} levels")));
    }
    let content = match slice.as_bytes().first() {
        Some(b'{') => {
            let pairs: Pairs<'_> = serde_json::from_str(slice).map_err(refused)?;
            let entries = pairs
                .0
                .into_iter()
                .map(|(key, value)| Ok(Entry { key, value: node(value, text, depth - 1)? }));
            Content::Map(entries.collect::<Result<_, Broken>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(slice).map_err(refused)?;
            let items = items.into_iter().map(|item| node(item, text, depth - 1));
            Content::List(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Content::Text(serde_json::from_str(slice).map_err(refused)?),
        Some(b'n') => Content::Nothing,
        _ => Content::Text(slice.to_owned()),
    };
    Ok(Node { line: line_at(text, offset), content })
}

/// The pairs of an object in their order, doubles included.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'de>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
