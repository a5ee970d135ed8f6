//! TOML. Its tables are maps; settings stand above the first table.

use super::tree::{Broken, Content, Entry, Node, line_at};
use toml_edit::{Document, Item, TableLike, Value};

pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Broken> {
    let document = Document::parse(text).map_err(|error| {
        let offset = error.span().map_or(text.len(), |span| span.start);
        Broken::at(text, offset, format!("is not TOML: {}", error.message()))
    })?;
    Ok(entries(document.as_table(), text))
}

fn entries(table: &dyn TableLike, text: &str) -> Vec<Entry> {
    let entry = |(key, item): (&str, &Item)| Entry { key: key.to_owned(), value: node(item, text) };
    table.iter().map(entry).collect()
}

fn node(item: &Item, text: &str) -> Node {
    let content = match item {
        Item::None => Content::Nothing,
        Item::Value(value) => return of_value(value, text),
        Item::Table(table) => Content::Map(entries(table, text)),
        Item::ArrayOfTables(tables) => Content::List(
            tables
                .iter()
                .map(|table| Node {
                    line: line(table.span(), text),
                    content: Content::Map(entries(table, text)),
                })
                .collect(),
        ),
    };
    Node { line: line(item.span(), text), content }
}

fn of_value(value: &Value, text: &str) -> Node {
    let content = match value {
        Value::String(word) => Content::Text(word.value().clone()),
        Value::Integer(number) => Content::Text(number.value().to_string()),
        Value::Float(number) => Content::Text(number.value().to_string()),
        Value::Boolean(truth) => Content::Text(truth.value().to_string()),
        Value::Datetime(time) => Content::Text(time.value().to_string()),
        Value::Array(array) => Content::List(array.iter().map(|item| of_value(item, text)).collect()),
        Value::InlineTable(table) => Content::Map(entries(table, text)),
    };
    Node { line: line(value.span(), text), content }
}

fn line(span: Option<std::ops::Range<usize>>, text: &str) -> usize {
    span.map_or(0, |span| line_at(text, span.start))
}
