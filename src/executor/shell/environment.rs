//! The variables that a job finds: its own, and what it needs to know of itself.

use super::super::{ExecutorError, Task};
use super::EXECUTION_VARIABLE;
use dkron_wire::supervisor::Variable;

/// The job's own variables and those that name the execution; the latter come last and so win.
pub(super) fn of(task: &Task, own: Vec<(String, String)>) -> Vec<Variable> {
    let mut variables = own;
    let mut name = |name: &str, value: String| variables.push((name.to_owned(), value));
    name("ENV_JOB_NAME", task.job_name.to_string());
    name("DKRON_JOB_NAME", task.job_name.to_string());
    name(EXECUTION_VARIABLE, task.id.to_string());
    name("DKRON_SCHEDULED_AT", task.nominal.to_string());
    name("DKRON_ATTEMPT", task.attempt.to_string());
    name("TRACEPARENT", task.traceparent());
    variables.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect()
}

/// Reads `K=V,K2=V2`. A value that begins with a double quote runs to the closing one, commas included;
/// within it a backslash takes the next character as it is. Entries without `=` set nothing, as in Dkron.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, ExecutorError> {
    let mut variables = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find([',', '=']).unwrap_or(rest.len());
        if !rest[end..].starts_with('=') {
            rest = rest.get(end + 1..).unwrap_or("");
            continue;
        }
        let (name, after) = (&rest[..end], &rest[end + 1..]);
        let (value, remaining) =
            value(after).map_err(|problem| ExecutorError::invalid("env", text, problem))?;
        if !name.is_empty() {
            variables.push((name.to_owned(), value));
        }
        rest = remaining;
    }
    Ok(variables)
}

/// The value at the beginning of `text`, and what follows its comma.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(',').unwrap_or((text, ""));
        return Ok((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => {
                let rest = &quoted[position + 1..];
                let after = rest.strip_prefix(',').or(rest.is_empty().then_some(""));
                return after.map(|after| (value, after)).ok_or("a comma must follow a quoted value");
            }
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err("a quoted value is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn variables_are_split_on_commas_outside_of_quotes() {
        check("", &[]);
        check("A=1", &[("A", "1")]);
        check("A=1,B=2=3,C=", &[("A", "1"), ("B", "2=3"), ("C", "")]);
        check("A=\"1,2\",B=3", &[("A", "1,2"), ("B", "3")]);
        check(r#"A="say \"hi\", \\o/""#, &[("A", r#"say "hi", \o/"#)]);
        check("nothing,A=1", &[("A", "1")]);
        check("A=1\"2", &[("A", "1\"2")]);
    }

    #[test]
    fn an_open_quote_is_refused() {
        assert!(parse("A=\"1").is_err());
        assert!(parse("A=\"1\"2").is_err());
    }
}
