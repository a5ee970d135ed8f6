//! `dkron keygen`: a new key for gossip, alone on its line, so that it can be piped where it is needed.

use super::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::process::ExitCode;

/// The longest that `--encrypt` takes.
const KEY_BYTES: usize = 32;

pub(super) fn run() -> Result<ExitCode, Failure> {
    let key = key().map_err(|error| anyhow::anyhow!("the system has no random bytes: {error}"))?;
    println!("{key}");
    Ok(ExitCode::SUCCESS)
}

fn key() -> Result<String, getrandom::Error> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}
