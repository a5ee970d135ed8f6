//! Sizes of memory as Dkron's jobs write them: `1024`, `512mb`, `1.5GB`.

use super::super::ExecutorError;

const UNITS: [(&str, u64); 5] =
    [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40), ("B", 1)];

/// The number of bytes; none for an empty text.
pub(super) fn parse(text: &str) -> Result<Option<u64>, ExecutorError> {
    let bare = text.trim().to_ascii_uppercase();
    if bare.is_empty() {
        return Ok(None);
    }
    let unit = UNITS.iter().find(|(unit, _)| bare.ends_with(unit));
    let (number, factor) = unit
        .map_or((bare.as_str(), 1), |(unit, factor)| (bare[..bare.len() - unit.len()].trim_end(), *factor));
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let bytes = number.parse::<f64>().ok().filter(|_| plain).map(|number| number * factor as f64);
    match bytes {
        Some(bytes) if (1.0..9e18).contains(&bytes) => Ok(Some(bytes as u64)),
        _ => Err(ExecutorError::invalid(
            "mem_limit",
            text,
            "a number above zero is allowed, of bytes or with one of B, KB, MB, GB, TB",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_dkron_reads_them() {
        for (text, bytes) in [
            ("1024", 1024),
            ("1KB", 1024),
            ("1MB", 1 << 20),
            ("2GB", 2 << 30),
            ("512mb", 512 << 20),
            ("1.5GB", 3 << 29),
            ("1 TB", 1 << 40),
            ("7B", 7),
        ] {
            assert_eq!(parse(text), Ok(Some(bytes)), "{text}");
        }
        assert_eq!(parse(""), Ok(None));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["invalid", "-100MB", "0", "100PB", "nan", "1e3", "."] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
