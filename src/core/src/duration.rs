//! Durations as people write them (`1h30m`, `1.5s`), read and printed.
//!
//! Job definitions, executors and policies all carry lengths of time as text in Go's notation, so
//! there is one reader and one printer for all of them, and one wording for what is wrong.

use crate::time::Span;

/// Why a text is not a duration. Every message names the text and the units that are allowed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DurationError {
    /// A number was expected where there is none: the text is empty, only a sign, or starts a part
    /// with a unit.
    #[error(
        "duration {value:?}: a number is missing; write numbers with ns, us, µs, ms, s, m or h, as in 1h30m"
    )]
    Number {
        /// The whole text.
        value: String,
    },
    /// A number has no unit after it.
    #[error("duration {value:?}: a unit is missing; allowed are ns, us, µs, ms, s, m and h, as in 1h30m")]
    NoUnit {
        /// The whole text.
        value: String,
    },
    /// A number has a unit that does not exist.
    #[error("duration {value:?}: unknown unit {unit:?}; allowed are ns, us, µs, ms, s, m and h, as in 1h30m")]
    Unit {
        /// The whole text.
        value: String,
        /// What stands where the unit should be.
        unit: String,
    },
    /// More than 2^63 nanoseconds, about 292 years.
    #[error("duration {value:?}: too long; at most about 292 years, in ns, us, µs, ms, s, m or h")]
    TooLong {
        /// The whole text.
        value: String,
    },
}

/// Units with their length in nanoseconds. Both ways to write the Greek letter are in use.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// More digits than a nanosecond needs in the largest unit; further ones change nothing.
const FRACTION_DIGITS: usize = 18;

/// Reads a duration in Go's notation: an optional sign, then one or more numbers, each with an
/// optional fraction and a unit (`ns`, `us`, `µs`, `ms`, `s`, `m`, `h`), without spaces; or a bare `0`.
/// What is finer than a nanosecond is cut off.
///
/// # Errors
/// A [`DurationError`] that names the text when it is anything else or does not fit.
pub fn parse_duration(text: &str) -> Result<Span, DurationError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Span::ZERO);
    }
    let limit = i64::MAX as u128 + u128::from(negative);
    let mut total = 0_u128;
    loop {
        let (nanos, after) = part(text, rest)?;
        total = total.saturating_add(nanos);
        if total > limit {
            return Err(DurationError::TooLong { value: text.to_owned() });
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    let magnitude = total as i128;
    let signed = if negative { -magnitude } else { magnitude };
    i64::try_from(signed).map(Span::from_nanos).map_err(|_| DurationError::TooLong { value: text.to_owned() })
}

/// Reads one number with its unit from the start of `rest`: its nanoseconds and what follows.
fn part<'a>(text: &str, rest: &'a str) -> Result<(u128, &'a str), DurationError> {
    let (whole, after) = digits(rest);
    let (fraction, after) = match after.strip_prefix('.') {
        Some(decimals) => digits(decimals),
        None => ("", after),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Number { value: text.to_owned() });
    }
    let end = after.find(|letter: char| letter == '.' || letter.is_ascii_digit()).unwrap_or(after.len());
    let (unit, following) = after.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::NoUnit { value: text.to_owned() });
    }
    let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::Unit { value: text.to_owned(), unit: unit.to_owned() });
    };
    let shown = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let scale = 10_u128.pow(shown.len() as u32);
    let nanos = number(whole).saturating_mul(*length).saturating_add(number(shown) * length / scale);
    Ok((nanos, following))
}

/// Splits the leading decimal digits from a text.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()))
}

/// The value of decimal digits, none being zero; the largest one where it does not fit.
fn number(digits: &str) -> u128 {
    digits
        .bytes()
        .fold(0, |value: u128, digit| value.saturating_mul(10).saturating_add(u128::from(digit - b'0')))
}

/// Prints a span in Go's notation: `1h30m0s`, `1.5s`, `100ms`, `1µs`, `2ns`, `0s`. What it prints,
/// [`parse_duration`] reads back to the same span.
pub fn print_duration(span: Span) -> String {
    let sign = if span.nanos() < 0 { "-" } else { "" };
    let nanos = span.nanos().unsigned_abs();
    let body = match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(nanos, 1_000_000, "ms"),
        _ => clock(nanos),
    };
    format!("{sign}{body}")
}

/// Hours, minutes and seconds, from the first that is not zero.
fn clock(nanos: u64) -> String {
    const MINUTE: u64 = 60_000_000_000;
    let seconds = decimal(nanos % MINUTE, 1_000_000_000, "s");
    match nanos / MINUTE {
        0 => seconds,
        minutes @ 1..60 => format!("{minutes}m{seconds}"),
        minutes => format!("{}h{}m{seconds}", minutes / 60, minutes % 60),
    }
}

/// A number of units with as many decimals as needed; `unit` is a power of ten.
fn decimal(nanos: u64, unit: u64, name: &str) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", nanos / unit, nanos % unit);
    format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn nanos(text: &str) -> i64 {
        parse_duration(text).map(Span::nanos).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn durations_read_as_go_reads_them() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("1h30m", HOUR * 3 / 2),
            ("1.5h", HOUR * 3 / 2),
            (".5h", HOUR / 2),
            ("1.h", HOUR),
            ("-1m", -HOUR / 60),
            ("+5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1us2\u{b5}s3\u{3bc}s", 6_000),
            ("0.0000000001s", 0),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("-9223372036854775808ns", i64::MIN),
        ];
        for (text, expected) in cases {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_text_and_the_units() {
        for text in [
            "",
            "-",
            "+",
            "s",
            ".",
            ".s",
            "1",
            "1h5",
            "1d",
            "1 h",
            "1h ",
            "1w",
            "3000000h",
            "9223372036854775808ns",
        ] {
            let message = parse_duration(text).expect_err(text).to_string();
            assert!(message.contains(&format!("{text:?}")), "{message}");
            assert!(message.contains("ns, us, µs, ms, s, m"), "{message}");
        }
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (HOUR * 3 / 2, "1h30m0s"),
            (-HOUR, "-1h0m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (span, expected) in cases {
            assert_eq!(print_duration(Span::from_nanos(span)), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_to_the_same_span(span in any::<i64>()) {
            prop_assert_eq!(nanos(&print_duration(Span::from_nanos(span))), span);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-+.0-9a-zµμ ]{0,40}|.{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}
