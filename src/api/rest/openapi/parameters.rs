//! What may stand behind the question mark or in a header, by the names that operations use.

use super::schemas::{instant, list, text};
use crate::api::rest::routes::{JOB_SORTS, PAGE_MAX, RUN_SORTS, TIMES_MAX};
use crate::app::executions::Status;
use serde_json::{Map, Value, json};

/// The name by which operations take one, its own name, what it is, what it means.
type Row = (&'static str, &'static str, Value, &'static str);

fn word(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn number(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

fn flag() -> Value {
    word(&["", "true", "false"])
}

/// What lists take.
fn of_lists() -> Vec<Row> {
    vec![
        ("pretty", "pretty", text(), "Indent the answer by four, whatever the value"),
        ("q", "q", text(), "Part of the name or display name"),
        ("job", "job", text(), "The job's exact name"),
        ("job_prefix", "job_prefix", text(), "The beginning of the job's name"),
        ("job_status", "status", text(), "success, failed, partially_failed or untriggered"),
        ("disabled", "disabled", word(&["true", "false"]), "Only disabled or only enabled jobs"),
        ("job_sort", "_sort", word(&JOB_SORTS.map(|(word, _)| word)), "What to sort by"),
        ("execution_sort", "_sort", word(&RUN_SORTS), "What to sort by"),
        ("order", "_order", text(), "DESC, or anything else for ascending"),
        ("start", "_start", number(0, u64::from(u32::MAX)), "The first place, from 0"),
        ("end", "_end", number(0, u64::from(u32::MAX)), "The place after the last one"),
        ("limit", "limit", number(1, PAGE_MAX as u64), "Rows of a page"),
        ("cursor", "cursor", text(), "What X-Next-Cursor gave for this very list"),
        (
            "output_size_limit",
            "output_size_limit",
            number(0, u64::from(u32::MAX)),
            "Bytes of the end of each output",
        ),
        ("execution_status", "status", list(word(&statuses())), "How they stand or ended"),
    ]
}

/// Every word that stands for some executions.
fn statuses() -> Vec<&'static str> {
    Status::all().map(Status::word).chain(["succeeded"]).collect()
}

/// What others take.
fn of_others() -> Vec<Row> {
    vec![
        ("node", "node", text(), "The node's name"),
        ("from", "from", instant(), "From this instant on"),
        ("to", "to", instant(), "Before this instant"),
        ("at", "at", instant(), "The instant that is asked about"),
        ("expr", "expr", text(), "A schedule expression"),
        ("tz", "tz", text(), "An IANA zone, UTC if none is given"),
        ("dst", "dst", word(&["once", "skip", "both", "dkron"]), "What a change of the clocks does"),
        ("count", "count", number(1, TIMES_MAX as u64), "How many instants"),
        ("named", "job", text(), "The job's name, for which ~ stands"),
        ("offset", "offset", number(0, u64::from(u32::MAX)), "From this byte on"),
        ("follow", "follow", flag(), "Go on while it is written"),
        ("leader_to", "to", text(), "The server that is to lead"),
        ("runoncreate", "runoncreate", text(), "Run the job once it is stored, whatever the value"),
        ("consistent", "consistent", flag(), "A state that a quorum confirms"),
        ("stale", "stale", flag(), "This server's state, however old"),
        ("min_index", "min_index", number(0, u64::from(u32::MAX)), "A state at least as of this entry"),
    ]
}

fn headers() -> Vec<Row> {
    vec![
        (
            "If-Match",
            "If-Match",
            text(),
            "The edit at which the job must stand, as ETag gives it; * for any, 0 for none",
        ),
        ("If-None-Match", "If-None-Match", word(&["*"]), "The job must not be there yet"),
        ("Idempotency-Key", "Idempotency-Key", text(), "The same key within ten minutes acts once"),
        ("recovery", "X-Dkron-Recovery", text(), "The word in a file of the server's data directory"),
    ]
}

/// All parameters by the names by which operations take them.
pub(super) fn all() -> Value {
    let mut found: Map<String, Value> = Map::new();
    for (place, list) in [("query", of_lists()), ("query", of_others()), ("header", headers())] {
        for (key, name, schema, description) in list {
            let described = json!({"name": name, "in": place, "schema": schema, "description": description});
            found.insert(key.to_owned(), described);
        }
    }
    let pairs = json!({"type": "object", "additionalProperties": {"type": "string"}});
    found.insert(
        "metadata".to_owned(),
        json!({"name": "metadata", "in": "query", "style": "deepObject", "explode": true, "schema": pairs,
            "description": "metadata[key]=value: exact pairs, all of which must be there"}),
    );
    Value::Object(found)
}

/// A header of an answer.
pub(super) fn header(name: &str) -> Value {
    let (schema, description) = match name {
        "X-Total-Count" => (json!({"type": "integer", "minimum": 0}), "Rows of the whole list"),
        "X-Next-Cursor" => (json!({"type": "string"}), "Where the next page begins"),
        "Link" => (json!({"type": "string"}), "The next page's address, rel=next"),
        "ETag" => (json!({"type": "string"}), "The job's edit"),
        _ => (json!({"type": "string"}), "Where it is"),
    };
    json!({"schema": schema, "description": description})
}
