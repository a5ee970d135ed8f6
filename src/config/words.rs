//! Small readers of typed words: yes and no, lists with commas.

/// Reads yes or no in the spellings that Dkron takes.
pub(super) fn parse_bool(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Splits `a,b` into two; a part in double quotes may hold commas, and `""` in it is one quote.
pub(super) fn split_list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = parts.len() - 1;
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => parts[last].push('"'),
            '"' if quoted => quoted = false,
            '"' if parts[last].is_empty() => quoted = true,
            ',' if !quoted => parts.push(String::new()),
            _ => parts[last].push(letter),
        }
    }
    parts
}

/// The candidate with the fewest edits from a name, if it is near enough to be meant: a third of it.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let ranked = candidates.map(|candidate| (edits(name, candidate), candidate));
    ranked.min().filter(|(edits, _)| *edits <= name.chars().count() / 3 + 1).map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or changed to turn one word into the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = index + 1;
        for (column, candidate) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *candidate);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_commas_outside_quotes() {
        assert_eq!(split_list("a=b,c=d"), ["a=b", "c=d"]);
        assert_eq!(split_list("\"a=1,2\",b=\"x"), ["a=1,2", "b=\"x"]);
        assert_eq!(split_list("\"say \"\"hi\"\"\""), ["say \"hi\""]);
    }

    #[test]
    fn the_nearest_name_is_the_one_with_the_fewest_edits() {
        let names = ["server", "region", "rpc-port"];
        assert_eq!(nearest("sever", names.into_iter()), Some("server"));
        assert_eq!(nearest("rcp-port", names.into_iter()), Some("rpc-port"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
