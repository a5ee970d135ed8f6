//! `dkron doctor`: what stands open on this node, why that matters, and the command that closes it.
//!
//! It looks at the settings that `dkron agent` would have with the same flags, at the files that they name, and, if
//! it is told an address, at what a running server answers to somebody without a token.

mod live;
mod settings;

use super::{Failure, Output};
use crate::config::{AgentFlags, Config, Problem, Surroundings};
use std::process::ExitCode;

/// Something is open.
const OPEN: u8 = 1;

/// What to look at.
#[derive(clap::Args)]
pub(super) struct Doctor {
    /// Also ask this server, as somebody without a token would: http://HOST:8080
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The authority of that server's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<std::path::PathBuf>,
    /// How to print what was found
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
    #[command(flatten)]
    flags: AgentFlags,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Level {
    /// Somebody else may get in, or soon nobody can.
    Open,
    /// Worth knowing.
    Notice,
}

/// Something that was found.
#[derive(Clone, Debug)]
struct Finding {
    level: Level,
    /// A stable word for programs.
    id: &'static str,
    what: String,
    why: &'static str,
    mend: String,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Open => "open",
            Level::Notice => "notice",
        }
    }
}

impl Doctor {
    pub(super) fn run(self, problems: Vec<Problem>) -> Result<ExitCode, Failure> {
        let config =
            Config::load(self.flags, problems, &Surroundings::real()).map_err(anyhow::Error::from)?;
        let mut findings = settings::look(&config);
        if let Some(url) = &self.url {
            // What a server answers goes before what its disk lets guess.
            findings.retain(|finding| !matches!(finding.id, "api-tokens" | "api-tls"));
            findings.extend(live::look(url, self.ca_file.clone())?);
        }
        findings.sort_by_key(|finding| finding.level);
        println!("{}", print(&findings, self.output));
        let open = findings.iter().any(|finding| finding.level == Level::Open);
        Ok(if open { ExitCode::from(OPEN) } else { ExitCode::SUCCESS })
    }
}

fn print(findings: &[Finding], output: Output) -> String {
    match output {
        Output::Json => {
            let list = findings.iter().map(|finding| {
                serde_json::json!({"level": finding.level.word(), "id": finding.id, "what": finding.what,
                    "why": finding.why, "mend": finding.mend})
            });
            serde_json::Value::Array(list.collect()).to_string()
        }
        Output::Table if findings.is_empty() => "nothing is open".to_owned(),
        Output::Table => {
            let one = |finding: &Finding| {
                let Finding { level, id, what, why, mend } = finding;
                format!("{:7}{what} [{id}]\n       why:  {why}\n       mend: {mend}", level.word())
            };
            findings.iter().map(one).collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_why_and_how_to_mend_it() {
        let finding = Finding {
            level: Level::Open,
            id: "api-tokens",
            what: "the API asks nobody for a token".to_owned(),
            why: "whoever reaches it may run any command",
            mend: "dkron token bootstrap".to_owned(),
        };
        let findings = [finding];
        assert_eq!(
            print(&findings, Output::Table),
            "open   the API asks nobody for a token [api-tokens]\n       why:  whoever reaches it may run any \
             command\n       mend: dkron token bootstrap"
        );
        let json: serde_json::Value = serde_json::from_str(&print(&findings, Output::Json)).expect("JSON");
        assert_eq!(json[0]["id"], "api-tokens");
        assert_eq!(print(&[], Output::Table), "nothing is open");
    }
}
