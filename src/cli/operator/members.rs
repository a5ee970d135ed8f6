//! `dkron members`: all nodes that are known.

use super::table;
use super::{Door, Failure};
use dkron_core::format::Formats;
use dkron_wire::formats::range;
use dkron_wire::operator::service::Member;
use dkron_wire::operator::{id_from_wire, liveness_from_wire};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// All nodes that are known.
#[derive(clap::Args)]
pub(in crate::cli) struct Members {
    #[command(flatten)]
    door: Door,
}

impl Members {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Failure> {
        let members = self.door.ask(async |mut operator| Ok(operator.members().await?))?;
        Ok(self.door.print(|| members_table(&members), || members.iter().map(member_json).collect()))
    }
}

fn status(member: &Member) -> String {
    liveness_from_wire(member.liveness).map_or_else(|_| "unknown".to_owned(), |found| found.to_string())
}

fn role(member: &Member) -> &'static str {
    match (member.server, member.leader) {
        (_, true) => "leader",
        (true, false) => "server",
        (false, false) => "agent",
    }
}

fn formats(member: &Member) -> Option<Formats> {
    range(member.formats_first, member.formats_last).ok().flatten()
}

/// The tags, but for those that have columns of their own or are the same everywhere.
fn tags(member: &Member) -> String {
    const OWN: [&str; 7] = ["role", "version", "server", "expect", "port", "rpc_addr", "bootstrap"];
    let tags: BTreeMap<_, _> = member
        .tags
        .iter()
        .filter(|(tag, value)| !OWN.contains(&tag.as_str()) || (*tag == "role" && *value != "dkron"))
        .collect();
    tags.into_iter().map(|(tag, value)| format!("{tag}={value}")).collect::<Vec<_>>().join(",")
}

fn members_table(members: &[Member]) -> String {
    let row = |member: &Member| {
        let version = member.tags.get("version").cloned().unwrap_or_default();
        let role = role(member).to_owned();
        let formats = formats(member).map_or("-".to_owned(), |formats| formats.to_string());
        [member.name.clone(), member.address.clone(), status(member), role, version, formats, tags(member)]
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    table(["Node", "Address", "Status", "Role", "Version", "Log formats", "Tags"], &rows)
}

fn member_json(member: &Member) -> Value {
    json!({
        "node": member.name,
        "id": id_from_wire(&member.id).map(|id| id.to_string()).unwrap_or_default(),
        "address": member.address,
        "status": status(member),
        "role": role(member),
        "log_formats": formats(member).map(|formats| [formats.first, formats.last]),
        "log_format": member.format,
        "tags": member.tags.iter().collect::<BTreeMap<_, _>>(),
    })
}
