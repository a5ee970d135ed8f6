//! A command line split into words as Dkron splits it: quotes and backslashes, no expansion of any kind.

/// A split command line.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Split {
    /// The words.
    pub(super) words: Vec<String>,
    /// The operator at which the splitting stopped.
    pub(super) cut: Option<char>,
}

const INVALID: &str = "invalid command line string";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Splits up to the first unquoted operator.
pub(super) fn split(line: &str) -> Result<Split, &'static str> {
    let mut split = Split::default();
    let mut word: Option<String> = None;
    let mut quote = Quote::None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', Quote::None | Quote::Double) => match characters.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err(INVALID),
            },
            ('\'', Quote::None) => quote = opened(&mut word, Quote::Single),
            ('"', Quote::None) => quote = opened(&mut word, Quote::Double),
            ('\'', Quote::Single) | ('"', Quote::Double) => quote = Quote::None,
            (' ' | '\t' | '\r' | '\n', Quote::None) => split.words.extend(word.take()),
            (';' | '&' | '|' | '<' | '>', Quote::None) => {
                split.cut = Some(character);
                break;
            }
            ('(', Quote::None) => return Err(INVALID),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote != Quote::None {
        return Err(INVALID);
    }
    // `2>file`: the number belongs to the operator.
    let word = word.filter(|word| split.cut != Some('>') || !word.starts_with(|c: char| c.is_ascii_digit()));
    split.words.extend(word);
    Ok(split)
}

fn opened(word: &mut Option<String>, quote: Quote) -> Quote {
    word.get_or_insert_default();
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, words: &[&str], cut: Option<char>) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(split(line), Ok(Split { words, cut }), "{line}");
    }

    #[test]
    fn words_are_split_and_unquoted() {
        check("", &[], None);
        check("echo hello direct", &["echo", "hello", "direct"], None);
        check("  a\tb\n", &["a", "b"], None);
        check("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"], None);
        check(r#"a"b\"c"'d\e'"#, &[r#"ab"cd\e"#], None);
        check("a '' \"\"", &["a", "", ""], None);
        check("echo $HOME `x`", &["echo", "$HOME", "`x`"], None);
        check("echo '(;&|<>' \\;", &["echo", "(;&|<>", ";"], None);
    }

    #[test]
    fn splitting_stops_at_an_unquoted_operator() {
        check("date && echo", &["date"], Some('&'));
        check("a;b", &["a"], Some(';'));
        check("cat <file", &["cat"], Some('<'));
        check("echo x 2>file", &["echo", "x"], Some('>'));
        check("echo x>file", &["echo", "x"], Some('>'));
    }

    #[test]
    fn open_quotes_and_groups_are_refused() {
        for line in ["echo '", "echo \"", "(a)", "echo $(a)", "echo \\"] {
            assert_eq!(split(line), Err(INVALID), "{line}");
        }
    }
}
