//! The arrow map: rooms in rows. Arrows go down only, never sideways within a row.

use super::{File, expect_none, files};

/// The rooms of `src/`, from the door to the ground. A room calls rooms of lower rows only.
const ROWS: [(&str, &[&str]); 7] = [
    ("start", &["cli", "node"]),
    ("surface", &["api", "ui", "client"]),
    ("use cases", &["app"]),
    ("activities", &["formation", "leader", "dispatch", "copies", "agent", "backup", "notify"]),
    ("resources", &["raft", "gossip", "history", "executor"]),
    ("ground", &["net", "task", "telemetry", "config", "providers", "lock"]),
    ("clock", &["clock"]),
];

/// The only arrows within a row.
const SIDEWAYS: [(&str, &str); 7] = [
    ("cli", "node"),
    ("net", "task"),
    ("net", "telemetry"),
    ("net", "config"),
    ("task", "telemetry"),
    ("task", "config"),
    ("telemetry", "config"),
];

/// Arrows that go down and are wrong all the same: a surface asks a use case, not a resource.
const NEVER: [(&str, &str); 5] =
    [("api", "raft"), ("api", "gossip"), ("ui", "raft"), ("ui", "gossip"), ("client", "raft")];

/// What `dkron-core` never says: it decides from its arguments alone.
const FOREIGN_TO_CORE: [&str; 14] = [
    "tokio",
    "serde",
    "SystemTime",
    "Instant::",
    "HashMap",
    "HashSet",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "std::process",
    "Timestamp::now",
    "dkron_wire",
    "getrandom",
];

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|(_, rooms)| rooms.contains(&room))
}

fn is_allowed(from: &str, to: &str) -> bool {
    let down = row(from) < row(to) && !NEVER.contains(&(from, to));
    from == to || down || SIDEWAYS.contains(&(from, to))
}

/// The room that a file of the daemon belongs to; none for `lib.rs`, `main.rs` and the crates in `src/`.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split('/').next()?.trim_end_matches(".rs");
    (!["core", "wire", "lib", "main"].contains(&room)).then_some(room)
}

/// The rooms that a text names after `crate::`, also in `crate::{a, b}`.
fn called(text: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    for (at, word) in text.match_indices("crate::") {
        let rest = &text[at + word.len()..];
        match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((list, _)) => rooms.extend(list.split(',').map(first_word)),
            None => rooms.push(first_word(rest)),
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    &text[..end]
}

/// The code of a file without its comments.
fn code(file: &File) -> String {
    let code = file.text.lines().map(|line| match line.find("//") {
        Some(start) if !line[..start].contains('"') => &line[..start],
        _ => line,
    });
    code.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_room_is_on_the_map_and_every_arrow_goes_down() {
    let mut offences = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let Some(from) = room(&file.path) else { continue };
        if row(from).is_none() {
            offences.push(format!("{}: the room '{from}' is not on the map", file.path));
            continue;
        }
        let code = code(file);
        let wrong = called(&code).into_iter().filter(|to| !is_allowed(from, to));
        offences.extend(wrong.map(|to| format!("{}: {from} -> {to} is not on the map", file.path)));
    }
    expect_none(offences);
}

#[test]
fn the_core_knows_no_runtime_no_clock_no_format_and_no_hash_order() {
    let mut offences = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && file.path.starts_with("src/core/src/")) {
        let code = code(file);
        let said = FOREIGN_TO_CORE.iter().filter(|word| code.contains(*word));
        offences.extend(said.map(|word| format!("{}: {word}", file.path)));
    }
    expect_none(offences);
}

#[test]
fn only_the_clock_reads_clocks_and_only_the_task_room_spawns() {
    let clocks = ["SystemTime::now", "Instant::now", "Timestamp::now", "ZonedDateTime::now", "clock_gettime"];
    let spawners = ["tokio::spawn", "tokio::task::spawn", "tokio::task;", "spawn_blocking(", "JoinSet::new"];
    let mut offences = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && file.path.starts_with("src/")) {
        if file.path.contains("/tests/") || file.path.ends_with("/tests.rs") {
            continue;
        }
        let code = code(file);
        for (words, owner) in [(clocks.as_slice(), "clock"), (&spawners, "task")] {
            if room(&file.path) != Some(owner) {
                let said = words.iter().filter(|word| code.contains(*word));
                offences
                    .extend(said.map(|word| format!("{}: {word} belongs to the {owner} room", file.path)));
            }
        }
    }
    expect_none(offences);
}

#[test]
fn the_map_itself_allows_and_forbids_what_the_design_says() {
    for (from, to) in [
        ("cli", "node"),
        ("node", "raft"),
        ("api", "app"),
        ("leader", "raft"),
        ("net", "task"),
        ("raft", "clock"),
    ] {
        assert!(is_allowed(from, to), "{from} -> {to}");
    }
    for (from, to) in [
        ("node", "cli"),
        ("leader", "dispatch"),
        ("api", "raft"),
        ("raft", "history"),
        ("task", "net"),
        ("config", "cli"),
        ("api", "nowhere"),
    ] {
        assert!(!is_allowed(from, to), "{from} -> {to}");
    }
    assert_eq!(called("use crate::{raft::Handle, net};\ncrate::node::run(x)"), ["raft", "net", "node"]);
    assert_eq!(
        (room("src/raft/mod.rs"), room("src/node.rs"), room("src/core/src/job.rs")),
        (Some("raft"), Some("node"), None)
    );
}
