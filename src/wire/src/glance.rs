//! What lists filter and sort by, read off a definition's bytes without making a job of it: a list looks at a million
//! definitions to show a hundred.

use crate::error::WireError;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

const DISPLAY_NAME: u32 = 2;
const SCHEDULE: u32 = 4;
const METADATA: u32 = 9;
const PAIR_KEY: u32 = 1;
const PAIR_VALUE: u32 = 2;

/// A few parts of a definition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Glance<'a> {
    /// The name for people.
    pub display_name: &'a str,
    /// The expression.
    pub schedule: &'a str,
    metadata: Vec<&'a [u8]>,
}

impl<'a> Glance<'a> {
    /// These parts of the definition in these bytes.
    ///
    /// # Errors
    /// [`WireError`] for bytes that are no definition.
    pub fn at(bytes: &'a [u8]) -> Result<Glance<'a>, WireError> {
        read(bytes)
    }

    /// Whether this pair is among the metadata.
    pub fn has(&self, key: &str, value: &str) -> bool {
        // Of a key that comes twice the last one counts, as everywhere.
        let pairs = self.metadata.iter().rev().filter_map(|pair| read_pair(pair).ok());
        pairs.into_iter().find(|(found, _)| *found == key).is_some_and(|(_, found)| found == value)
    }
}

fn read(mut rest: &[u8]) -> Result<Glance<'_>, WireError> {
    let mut glance = Glance::default();
    while rest.has_remaining() {
        match decode_key(&mut rest).map_err(malformed)? {
            (DISPLAY_NAME, WireType::LengthDelimited) => glance.display_name = text(&mut rest)?,
            (SCHEDULE, WireType::LengthDelimited) => glance.schedule = text(&mut rest)?,
            (METADATA, WireType::LengthDelimited) => glance.metadata.push(part(&mut rest)?),
            (tag, kind) => skip_field(kind, tag, &mut rest, DecodeContext::default()).map_err(malformed)?,
        }
    }
    Ok(glance)
}

fn read_pair(mut rest: &[u8]) -> Result<(&str, &str), WireError> {
    let (mut key, mut value) = ("", "");
    while rest.has_remaining() {
        match decode_key(&mut rest).map_err(malformed)? {
            (PAIR_KEY, WireType::LengthDelimited) => key = text(&mut rest)?,
            (PAIR_VALUE, WireType::LengthDelimited) => value = text(&mut rest)?,
            (tag, kind) => skip_field(kind, tag, &mut rest, DecodeContext::default()).map_err(malformed)?,
        }
    }
    Ok((key, value))
}

/// The bytes of a field that says its length.
fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], WireError> {
    let length = decode_varint(rest).map_err(malformed)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len());
    let (part, after) = rest.split_at(length.ok_or_else(cut)?);
    *rest = after;
    Ok(part)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, WireError> {
    std::str::from_utf8(part(rest)?).map_err(|_| cut())
}

fn cut() -> WireError {
    WireError::Malformed { what: "job", problem: "a field is cut, or is no text".to_owned() }
}

fn malformed(error: prost::DecodeError) -> WireError {
    WireError::malformed("job", &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition;
    use dkron_core::job::Job;
    use proptest::prelude::*;

    #[test]
    fn a_glance_sees_what_the_whole_definition_says() {
        let metadata = [("team", "x"), ("a", ""), ("ß", "y")];
        let job = Job {
            name: "n".repeat(200),
            display_name: "Nightly".into(),
            schedule: "@daily".into(),
            metadata: metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            tags: [("team".to_owned(), "z".to_owned())].into(),
            ..Job::default()
        };
        let bytes = definition::encode(&job);
        let glance = Glance::at(&bytes).expect("a definition");
        assert_eq!((glance.display_name, glance.schedule), ("Nightly", "@daily"));
        assert!(metadata.iter().all(|(key, value)| glance.has(key, value)));
        assert!(!glance.has("team", "z") && !glance.has("name", ""));
        assert!(Glance::at(&[]).expect("no field").display_name.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_as_the_whole_definition_is(
            bytes in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            if definition::decode(&bytes).is_ok() {
                prop_assert!(Glance::at(&bytes).is_ok());
            }
        }
    }
}
