//! The house's rules, as a test: which rooms there are and whom each may call, and how files look.

mod map;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the repository: its path from the root and its lines.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }
}

/// All text files that people write, sorted.
fn files() -> Vec<File> {
    const FOLDERS: [&str; 8] = ["src", "tests", "benches", "docs", "providers", "deploy", "fuzz", ".ci"];
    const ENDINGS: [&str; 7] = ["rs", "md", "toml", "proto", "yml", "yaml", "sh"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    FOLDERS.iter().for_each(|folder| walk(&root.join(folder), &mut paths));
    let top = fs::read_dir(root).expect("the root is readable").flatten().map(|entry| entry.path());
    paths.extend(top.filter(|path| path.is_file()));
    let written = |path: &PathBuf| {
        let ending = path.extension().map_or("sh", |ending| ending.to_str().unwrap_or("?"));
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        ENDINGS.contains(&ending) && !hidden
    };
    paths.retain(written);
    paths.sort();
    let relative = |path: &Path| path.strip_prefix(root).expect("inside the root").display().to_string();
    let read = |path: &PathBuf| File {
        path: relative(path),
        text: fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    paths.iter().map(read).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" && name != "data" {
            walk(&path, paths);
        } else if path.is_file() {
            paths.push(path);
        }
    }
}

/// Fails with all offences, one a line.
fn expect_none(offences: Vec<String>) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}
