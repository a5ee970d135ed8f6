//! The committed code is what the `.proto` files say, so that a build needs no generator.
//!
//! `REGENERATE=1 cargo test -p dkron-wire --test generated` writes it anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path, extension: &str) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder).expect("folder is readable");
    entries
        .map(|entry| entry.expect("entry is readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| (path.file_name().expect("file has a name").to_string_lossy().into_owned(), path))
        .collect()
}

#[test]
fn the_committed_code_is_generated_from_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protos: Vec<PathBuf> = files(&root.join("proto"), "proto").into_values().collect();
    let descriptors = protox::compile(&protos, [root.join("proto")]).expect("proto files compile");
    let out = tempfile::tempdir().expect("temporary folder");
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out.path())
        .compile_fds(descriptors)
        .expect("code is generated");

    let committed = root.join("src/generated");
    if std::env::var_os("REGENERATE").is_some() {
        for (name, path) in files(out.path(), "rs") {
            fs::copy(path, committed.join(name)).expect("file is copied");
        }
    }
    let read = |found: BTreeMap<String, PathBuf>| -> BTreeMap<String, String> {
        found
            .into_iter()
            .map(|(name, path)| (name, fs::read_to_string(path).expect("file is readable")))
            .collect()
    };
    let (fresh, kept) = (read(files(out.path(), "rs")), read(files(&committed, "rs")));
    assert_eq!(fresh.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (name, text) in &fresh {
        assert!(kept.get(name) == Some(text), "{name} differs: set REGENERATE=1 and run this test");
    }
}
