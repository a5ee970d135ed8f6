//! `dkron version`: the four lines that Dkron prints.

use super::Failure;
use std::process::ExitCode;

/// The name of this line of versions.
const CODENAME: &str = "Ledger";
/// The protocol between nodes, and the oldest one understood. Our own: not Dkron's numbers.
const PROTOCOL: u32 = 1;
const PROTOCOL_OLDEST: u32 = 1;

pub(super) fn run() -> Result<ExitCode, Failure> {
    println!("{}", text());
    Ok(ExitCode::SUCCESS)
}

fn text() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "Name: Dkron\nVersion: {version}\nCodename: {CODENAME}\n\
         Agent Protocol: {PROTOCOL} (Understands back to: {PROTOCOL_OLDEST})"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_has_dkrons_four_lines() {
        let text = super::text();
        let heads: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap_or("")).collect();
        assert_eq!(heads, ["Name", "Version", "Codename", "Agent Protocol"]);
        assert!(text.ends_with("Agent Protocol: 1 (Understands back to: 1)"));
    }
}
