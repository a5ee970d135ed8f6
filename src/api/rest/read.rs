//! Reading what clients send, by the rules of Go's `encoding/json`: unknown keys are ignored, known ones
//! match in any case, `null` leaves a field as it is, only the first value of the body is read.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A body larger than this is refused before it is read, but for a backup's.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Why a body is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON, or nested deeper than 128 levels.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// It is too large to be read.
    #[error("the body has {0} bytes, at most {BODY_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// A field holds a value of another kind or range.
    #[error("{field}: {value} is not allowed, allowed is {allowed}")]
    Field {
        /// The field, with its place in a list or map.
        field: String,
        /// The value, cut to a readable length.
        value: String,
        /// What may stand there.
        allowed: String,
    },
    /// A word or span that the field does not know; the message says which field.
    #[error(transparent)]
    Job(#[from] dkron_core::job::JobError),
    /// The same in one job of a list.
    #[error("{place}: {error}")]
    JobInList {
        /// The job's place.
        place: String,
        /// What is wrong.
        error: dkron_core::job::JobError,
    },
}

impl ReadError {
    /// A field with a value that may not stand there.
    pub fn field(field: &str, value: &Value, allowed: impl Into<String>) -> ReadError {
        let mut text = value.to_string();
        if text.chars().count() > 80 {
            text = text.chars().take(80).chain("...".chars()).collect();
        }
        ReadError::Field { field: field.to_owned(), value: text, allowed: allowed.into() }
    }

    /// The same with the place of the field before its name.
    pub(super) fn within(self, place: &str) -> ReadError {
        match self {
            ReadError::Field { field, value, allowed } => {
                ReadError::Field { field: format!("{place}.{field}"), value, allowed }
            }
            ReadError::Job(error) => ReadError::JobInList { place: place.to_owned(), error },
            other => other,
        }
    }
}

/// An object with its keys in the order of the text: of two equal ones the later counts, as in Go.
#[derive(Debug)]
pub struct Fields(pub Vec<(String, Value)>);

/// The first JSON value of a body. Invalid UTF-8 is replaced, as Go does; what follows is ignored.
///
/// # Errors
/// [`ReadError::Syntax`] for a body that does not begin with JSON of this shape.
pub fn first_value<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, ReadError> {
    let text = String::from_utf8_lossy(body);
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<T>();
    match values.next() {
        Some(value) => value.map_err(|error| ReadError::Syntax(error.to_string())),
        None => Err(ReadError::Syntax("it is empty".to_owned())),
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Ordered;

        impl<'de> Visitor<'de> for Ordered {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    fields.push(pair);
                }
                Ok(Fields(fields))
            }

            fn visit_unit<E>(self) -> Result<Fields, E> {
                Ok(Fields(Vec::new()))
            }
        }

        deserializer.deserialize_any(Ordered)
    }
}

/// Reads a text into its place; `null` leaves it.
pub fn text(field: &str, value: Value, place: &mut String) -> Result<(), ReadError> {
    match value {
        Value::Null => {}
        Value::String(text) => *place = text,
        other => return Err(ReadError::field(field, &other, "a text")),
    }
    Ok(())
}

/// Reads yes or no into its place; `null` leaves it.
pub fn boolean(field: &str, value: &Value, place: &mut bool) -> Result<(), ReadError> {
    match value {
        Value::Null => {}
        Value::Bool(value) => *place = *value,
        other => return Err(ReadError::field(field, other, "true or false")),
    }
    Ok(())
}

/// Reads a whole number, written without decimals or exponent, into its place; `null` leaves it.
pub fn number<T: TryFrom<u64> + fmt::Display>(
    field: &str,
    value: &Value,
    max: u64,
    place: &mut T,
) -> Result<(), ReadError> {
    if value.is_null() {
        return Ok(());
    }
    let number = value.as_u64().filter(|number| *number <= max).and_then(|number| T::try_from(number).ok());
    *place =
        number.ok_or_else(|| ReadError::field(field, value, format!("a whole number from 0 to {max}")))?;
    Ok(())
}

/// Reads a map of texts into its place. As in Go a second map is merged into the first, and `null` empties it.
pub fn words(field: &str, value: Value, place: &mut BTreeMap<String, String>) -> Result<(), ReadError> {
    match value {
        Value::Null => place.clear(),
        Value::Object(pairs) => {
            for (key, value) in pairs {
                let mut word = String::new();
                text(&format!("{field}.{key}"), value, &mut word)?;
                place.insert(key, word);
            }
        }
        other => return Err(ReadError::field(field, &other, "an object with texts")),
    }
    Ok(())
}

/// Reads a list of texts into its place; `null` empties it.
pub fn list(field: &str, value: Value, place: &mut Vec<String>) -> Result<(), ReadError> {
    place.clear();
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                let mut word = String::new();
                text(&format!("{field}[{index}]"), item, &mut word)?;
                place.push(word);
            }
        }
        other => return Err(ReadError::field(field, &other, "a list of texts")),
    }
    Ok(())
}
