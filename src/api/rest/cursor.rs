//! Where a list by pages goes on, as a word that clients hand back unread: `X-Next-Cursor`.
//!
//! It names the list that it belongs to by a checksum of the question, so that one of another list is refused and
//! never guessed at. Positions in the history are equal on all servers, so that any server takes it.

use crate::app::executions::Place;
use crate::app::jobs;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dkron_core::ids::{ExecutionRef, OccurrenceRef};

/// The format's number: another one is refused.
const VERSION: u8 = 1;
/// More than any cursor that was given out.
const TEXT_BYTES_MAX: usize = 1_024;

/// What a place is one of.
const JOBS_BY_NUMBER: u8 = 1;
const JOBS_BY_TEXT: u8 = 2;
const EXECUTIONS_OPEN: u8 = 3;
const EXECUTIONS_ENDED: u8 = 4;

/// A place in a list of jobs, of the question with this checksum.
pub fn encode_jobs(question: u32, place: &jobs::Place) -> String {
    let (kind, key) = match &place.key {
        jobs::Key::Number(number) => (JOBS_BY_NUMBER, number.to_be_bytes().to_vec()),
        jobs::Key::Text(text) => (JOBS_BY_TEXT, [&[text.len() as u8][..], &text[..]].concat()),
    };
    encode(question, kind, &[&key, place.name.as_bytes()])
}

/// The place that a text stands for, if it is one of this question.
pub fn decode_jobs(question: u32, text: &str) -> Option<jobs::Place> {
    let (kind, rest) = decode(question, text)?;
    let (key, name) = match kind {
        JOBS_BY_NUMBER => {
            let (number, name) = rest.split_first_chunk::<8>()?;
            (jobs::Key::Number(i64::from_be_bytes(*number)), name)
        }
        JOBS_BY_TEXT => {
            let (length, rest) = rest.split_first()?;
            let (text, name) = rest.split_at_checked(usize::from(*length))?;
            (jobs::Key::Text(text.to_vec()), name)
        }
        _ => return None,
    };
    Some(jobs::Place { key, name: String::from_utf8(name.to_vec()).ok()? })
}

/// A place in a list of executions, of the question with this checksum.
pub fn encode_executions(question: u32, place: Place) -> String {
    match place {
        Place::Ended(position) => encode(question, EXECUTIONS_ENDED, &[&position.to_be_bytes()]),
        Place::Open { since, before } => {
            let ExecutionRef { occurrence: OccurrenceRef { index, position }, ordinal, attempt } = before;
            let parts: [&[u8]; 5] = [
                &since.to_be_bytes(),
                &index.to_be_bytes(),
                &position.to_be_bytes(),
                &ordinal.to_be_bytes(),
                &attempt.to_be_bytes(),
            ];
            encode(question, EXECUTIONS_OPEN, &parts)
        }
    }
}

/// The place that a text stands for, if it is one of this question.
pub fn decode_executions(question: u32, text: &str) -> Option<Place> {
    match decode(question, text)? {
        (EXECUTIONS_ENDED, rest) => Some(Place::Ended(u64::from_be_bytes(rest.try_into().ok()?))),
        (EXECUTIONS_OPEN, rest) => {
            let rest: [u8; 24] = rest.try_into().ok()?;
            let (since, rest) = rest.split_first_chunk::<8>()?;
            let (index, rest) = rest.split_first_chunk::<8>()?;
            let (position, rest) = rest.split_first_chunk::<4>()?;
            let (ordinal, rest) = rest.split_first_chunk::<2>()?;
            let occurrence =
                OccurrenceRef { index: u64::from_be_bytes(*index), position: u32::from_be_bytes(*position) };
            let ordinal = u16::from_be_bytes(*ordinal);
            let attempt = u16::from_be_bytes(rest.try_into().ok()?);
            let before = ExecutionRef { occurrence, ordinal, attempt };
            Some(Place::Open { since: u64::from_be_bytes(*since), before })
        }
        _ => None,
    }
}

fn encode(question: u32, kind: u8, parts: &[&[u8]]) -> String {
    let mut bytes = vec![VERSION, kind];
    bytes.extend_from_slice(&question.to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(question: u32, text: &str) -> Option<(u8, Vec<u8>)> {
    let bytes =
        BASE64_URL_SAFE_NO_PAD.decode(Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX)?).ok()?;
    let (bytes, sum) = bytes.split_last_chunk::<4>()?;
    let ([version, kind], rest) = bytes.split_first_chunk::<2>()?;
    let (asked, rest) = rest.split_first_chunk::<4>()?;
    let whole = crc32fast::hash(bytes).to_be_bytes() == *sum;
    let fits = *version == VERSION && u32::from_be_bytes(*asked) == question;
    (whole && fits).then(|| (*kind, rest.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_comes_back_for_its_own_question_only() {
        let name = "nightly-report".to_owned();
        for key in
            [jobs::Key::Number(-7), jobs::Key::Text(b"zulu".to_vec()), jobs::Key::Text(vec![b'x'; 255])]
        {
            let place = jobs::Place { key, name: name.clone() };
            let text = encode_jobs(5, &place);
            assert_eq!(decode_jobs(5, &text), Some(place));
            assert_eq!((decode_jobs(6, &text), decode_executions(5, &text)), (None, None));
        }
        let occurrence = OccurrenceRef { index: 1 << 40, position: 3 };
        let before = ExecutionRef { occurrence, ordinal: 2, attempt: 9 };
        for place in [Place::Open { since: 17, before }, Place::Ended(u64::MAX)] {
            let text = encode_executions(5, place);
            assert_eq!(decode_executions(5, &text), Some(place));
            assert_eq!((decode_executions(4, &text), decode_jobs(5, &text)), (None, None));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_harm(text in ".{0,80}") {
            prop_assert_eq!(decode_jobs(1, &text), None);
            prop_assert_eq!(decode_executions(1, &text), None);
        }
    }
}
