//! How files look: heads, lengths, names, white space.

use super::{File, expect_none, files};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Words that say nothing.
const EMPTY_NAMES: [&str; 4] = ["manager", "util", "helper", "common"];

fn offences(of: impl Fn(&File) -> Vec<String>, which: impl Fn(&File) -> bool) -> Vec<String> {
    let files = files();
    let told =
        |file: &File| of(file).into_iter().map(|said| format!("{}: {said}", file.path)).collect::<Vec<_>>();
    files.iter().filter(|file| which(file) && !file.is_generated()).flat_map(told).collect()
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let head = |file: &File| match file.text.starts_with("//! ") {
        true => Vec::new(),
        false => vec!["does not open with //!".to_owned()],
    };
    expect_none(offences(head, File::is_rust));
}

#[test]
fn no_file_and_no_function_is_too_long() {
    let long = |file: &File| {
        let lines: Vec<&str> = file.text.lines().collect();
        let mut said = Vec::new();
        if lines.len() > FILE_LINES_MAX {
            said.push(format!("{} lines, at most {FILE_LINES_MAX}", lines.len()));
        }
        for (start, length) in functions(&lines).filter(|(_, length)| *length > FUNCTION_LINES_MAX) {
            said.push(format!(
                "line {}: a function of {length} lines, at most {FUNCTION_LINES_MAX}",
                start + 1
            ));
        }
        said
    };
    expect_none(offences(long, File::is_rust));
}

/// Start and length of each function. The code is formatted: a function ends at the first line that is a
/// brace with the indentation of its first line.
fn functions<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let heads =
        lines.iter().enumerate().filter(|(_, line)| is_head(line) && !line.trim_end().ends_with(['}', ';']));
    heads.map(|(start, line)| {
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[start..]
            .iter()
            .take_while(|line| !line.trim_end().ends_with(';') || !is_bare(line, indent));
        let length = body.take_while(|line| **line != end).count() + 1;
        (start, length)
    })
}

fn is_head(line: &str) -> bool {
    let words = line
        .trim_start()
        .trim_start_matches("pub ")
        .trim_start_matches("pub(super) ")
        .trim_start_matches("pub(crate) ");
    ["fn ", "async fn ", "const fn ", "unsafe fn "].iter().any(|head| words.starts_with(head))
}

/// A line of a trait method's head that ends without a body.
fn is_bare(line: &str, indent: usize) -> bool {
    line.len() - line.trim_start().len() == indent
}

#[test]
fn names_say_something() {
    let empty = |file: &File| {
        let mut said = Vec::new();
        let stem = file.path.rsplit('/').next().unwrap_or("").to_ascii_lowercase();
        let heads = ["fn ", "struct ", "enum ", "trait ", "mod ", "type "];
        for word in EMPTY_NAMES {
            if stem.contains(word) {
                said.push(format!("the file's name says '{word}'"));
            }
            for (number, line) in file.text.lines().enumerate() {
                let line = line.trim_start().trim_start_matches("pub ");
                let name = heads.iter().find_map(|head| line.strip_prefix(head)).map(|rest| {
                    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("")
                });
                if name.is_some_and(|name| name.to_ascii_lowercase().contains(word)) {
                    said.push(format!("line {}: a name says '{word}'", number + 1));
                }
            }
        }
        said
    };
    expect_none(offences(empty, File::is_rust));
}

#[test]
fn white_space_is_plain_and_no_machine_or_promise_is_left_behind() {
    let left_behind =
        [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let untidy = |file: &File| {
        let mut said = Vec::new();
        for (number, line) in file.text.lines().enumerate() {
            let mut note = |what: &str| said.push(format!("line {}: {what}", number + 1));
            if line.contains('\t') {
                note("a tab");
            }
            if line.ends_with(' ') {
                note("white space at the end");
            }
            left_behind.iter().filter(|word| line.contains(*word)).for_each(|word| note(word));
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            said.push("no line feed at the end".to_owned());
        }
        said
    };
    expect_none(offences(untidy, |_| true));
}

#[test]
fn functions_are_measured_from_head_to_brace() {
    let text = "fn a() {\n    x;\n}\n    pub fn b(\n        c: u8,\n    ) -> u8 {\n        c\n    }\nfn d() {}\nfn e();";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(functions(&lines).collect::<Vec<_>>(), [(0, 3), (3, 5)]);
}
