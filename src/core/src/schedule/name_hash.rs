//! `~` in an expression: a value taken from the job's name.
//!
//! Jobs that may run "at some hour" spread over the day by themselves, and the same job keeps its
//! hour on every server. The arithmetic is Dkron's, so that jobs moved here keep their times.

use std::borrow::Cow;

/// The number of values that `~` may take in each of the six fields, and the lowest of them. A day
/// stays below 29, so that it exists in every month.
const RANGES: [(u64, u64); 6] = [(60, 0), (60, 0), (24, 0), (28, 1), (12, 1), (7, 0)];

/// Replaces every `~` by the value that the name gives in its field. The text stays as it is when it
/// has none or holds a descriptor. Fields count from single spaces; a sixth and further one are
/// left alone.
pub(super) fn resolve<'a>(expression: &'a str, job_name: &str) -> Cow<'a, str> {
    let is_word = |part: &str| part.starts_with('@');
    if !expression.contains('~') || expression.split(' ').any(is_word) {
        return Cow::Borrowed(expression);
    }
    let hash: u64 = job_name.chars().map(|letter| u64::from(u32::from(letter))).sum();
    let has_zone = |part: &str| part.starts_with("TZ=") || part.starts_with("CRON_TZ=");
    let mut field = 0;
    if expression.split_whitespace().filter(|part| !has_zone(part)).count() == 5 {
        field = 1;
    }
    let mut parts = Vec::new();
    for part in expression.split(' ') {
        if has_zone(part) {
            parts.push(Cow::Borrowed(part));
            continue;
        }
        parts.push(match RANGES.get(field) {
            Some((size, lowest)) if part.contains('~') => {
                Cow::Owned(part.replace('~', &(hash % size + lowest).to_string()))
            }
            _ => Cow::Borrowed(part),
        });
        field += 1;
    }
    Cow::Owned(parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_values_that_dkron_gives() {
        let cases = [
            ("0 0 ~ * * *", "0 0 18 * * *"),
            ("TZ=Europe/Madrid 0 0 1 * ~ *", "TZ=Europe/Madrid 0 0 1 * 7 *"),
            ("~ ~ ~ ~ ~ ~", "18 18 18 19 7 4"),
            ("0 ~/15 * * * *", "0 18/15 * * * *"),
            ("0 ~,~ * * * *", "0 18,18 * * * *"),
            ("@every ~", "@every ~"),
            ("0 0 1 * * *", "0 0 1 * * *"),
        ];
        for (expression, expected) in cases {
            assert_eq!(resolve(expression, "test_job"), expected);
        }
    }

    #[test]
    fn five_fields_hash_as_the_last_five_of_six() {
        assert_eq!(resolve("~ ~ ~ ~ ~", "test_job"), "18 18 19 7 4");
        assert_eq!(resolve("CRON_TZ=UTC ~ ~ * * *", "test_job"), "CRON_TZ=UTC 18 18 * * *");
    }

    #[test]
    fn a_name_in_any_script_counts_by_its_code_points() {
        assert_eq!(resolve("0 ~ * * * *", "é"), format!("0 {} * * * *", 0xe9 % 60));
    }
}
