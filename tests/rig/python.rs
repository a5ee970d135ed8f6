//! Tools that others wrote, in Python, at fixed versions: installed once by a script of ours, used again afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// One installation at a time: two tests may want the same.
static INSTALLING: Mutex<()> = Mutex::new(());

/// An environment with these packages; none, and said aloud, where they cannot be installed. Whoever sets
/// `DKRON_PYTHON_TOOLS` must have them.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let _turn = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python").join(name);
    let output = Command::new(root.join("tests/tools/venv.sh")).arg(&folder).args(packages).output();
    let missing = match output {
        Ok(output) if output.status.success() => return Some(folder),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let words =
        format!("LEFT OUT: {} cannot be installed, so nothing is proved: {missing}", packages.join(", "));
    assert!(std::env::var_os("DKRON_PYTHON_TOOLS").is_none(), "{words}");
    // Past the harness, which hides what passes.
    drop(writeln!(std::io::stderr(), "{words}"));
    None
}
