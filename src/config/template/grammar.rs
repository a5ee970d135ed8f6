//! The form of templates: texts, and actions in `{{ }}` that are pipelines of functions with arguments.

/// A piece of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Text(String),
    Action(Pipeline),
}

/// Calls, each given what the one before yields as its last argument.
pub(super) type Pipeline = Vec<Call>;

/// A function or a constant with arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Call {
    pub(super) head: Word,
    pub(super) arguments: Vec<Word>,
}

/// One word of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Word {
    /// A function's name; `.` is all interfaces.
    Name(String),
    Text(String),
    Number(i64),
    /// `( ... )`
    Nested(Pipeline),
}

/// Deeper than anybody writes.
const DEPTH_MAX: usize = 8;

/// Splits a template into its parts.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (trim_before, after) = match after.strip_prefix("- ") {
            Some(after) => (true, after),
            None => (false, after),
        };
        let (inside, behind) = action_end(after)?;
        let (trim_behind, inside) = match inside.strip_suffix(" -") {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        push_text(&mut parts, if trim_before { before.trim_end() } else { before });
        parts.push(Part::Action(pipeline(inside)?));
        rest = if trim_behind { behind.trim_start() } else { behind };
    }
    push_text(&mut parts, rest);
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// What is inside an action and what follows it; braces in quotes do not end it.
fn action_end(text: &str) -> Result<(&str, &str), String> {
    let mut quote = None;
    let mut escaped = false;
    for (index, letter) in text.char_indices() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => (),
            (None, '"' | '`') => quote = Some(letter),
            (None, '}') if text[index..].starts_with("}}") => {
                return Ok((&text[..index], &text[index + 2..]));
            }
            (None, _) => (),
        }
    }
    Err("is a template without an end, '}}' is missing".to_owned())
}

fn pipeline(text: &str) -> Result<Pipeline, String> {
    let mut reader = Reader { rest: text };
    let pipeline = reader.pipeline(0)?;
    match reader.rest.chars().next() {
        None => Ok(pipeline),
        Some(letter) => Err(unexpected(letter)),
    }
}

fn unexpected(letter: char) -> String {
    format!("is a template with an unexpected '{letter}'; allowed are pipelines of functions")
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn pipeline(&mut self, depth: usize) -> Result<Pipeline, String> {
        if depth > DEPTH_MAX {
            return Err(format!("is a template nested deeper than {DEPTH_MAX} levels"));
        }
        let mut calls = Vec::new();
        loop {
            calls.push(self.call(depth)?);
            match self.rest.strip_prefix('|') {
                Some(rest) => self.rest = rest,
                None => return Ok(calls),
            }
        }
    }

    fn call(&mut self, depth: usize) -> Result<Call, String> {
        let mut words = Vec::new();
        while let Some(word) = self.word(depth)? {
            words.push(word);
        }
        let mut words = words.into_iter();
        match words.next() {
            Some(head) => Ok(Call { head, arguments: words.collect() }),
            None => Err("is a template with an empty command; allowed are pipelines of functions".to_owned()),
        }
    }

    /// The next word; none at the end of the call.
    fn word(&mut self, depth: usize) -> Result<Option<Word>, String> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        match first {
            '|' | ')' => Ok(None),
            '"' | '`' => self.text(first).map(|text| Some(Word::Text(text))),
            '(' => {
                self.rest = &self.rest[1..];
                let nested = self.pipeline(depth + 1)?;
                let closed = self.rest.strip_prefix(')');
                self.rest = closed.ok_or_else(|| "is a template where ')' is missing".to_owned())?;
                Ok(Some(Word::Nested(nested)))
            }
            _ => self.bare(first).map(Some),
        }
    }

    fn bare(&mut self, first: char) -> Result<Word, String> {
        let ends = |letter: char| letter.is_whitespace() || "|()\"`".contains(letter);
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        if let Ok(number) = word.parse() {
            return Ok(Word::Number(number));
        }
        match word == "." || word.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            true => Ok(Word::Name(word.to_owned())),
            false => Err(unexpected(word.chars().find(|letter| !letter.is_alphanumeric()).unwrap_or(first))),
        }
    }

    /// A text in quotes: `"` with Go's plain escapes, or back-quotes without any.
    fn text(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut letters = self.rest[1..].char_indices();
        while let Some((index, letter)) = letters.next() {
            match letter {
                _ if letter == quote => {
                    self.rest = &self.rest[index + 2..];
                    return Ok(text);
                }
                '\\' if quote == '"' => match letters.next() {
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, letter @ ('\\' | '"'))) => text.push(letter),
                    other => {
                        let letter = other.map_or(' ', |(_, letter)| letter);
                        return Err(format!("is a template with an unknown escape '\\{letter}'"));
                    }
                },
                _ => text.push(letter),
            }
        }
        Err("is a template with a text that does not end".to_owned())
    }
}
