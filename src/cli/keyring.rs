//! `dkron keyring`: which keys encrypt gossip, and their change on all servers while they run.

use super::calls::Calls;
use super::{Failure, Output, wait};
use crate::gossip::KeyId;
use crate::net::Dialer;
use anyhow::Context;
use dkron_wire::keyring::service::KeyringClient;
use dkron_wire::keyring::{Change, Ring, change_to_wire, rings_from_wire};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// How long a server may take to ask all others, twice.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The commands on keys.
#[derive(clap::Args)]
pub(super) struct Keyring {
    #[command(subcommand)]
    change: Wish,
    #[command(flatten)]
    calls: Calls,
    /// How to print the answer
    #[arg(long, global = true, default_value = "table", value_enum)]
    output: Output,
}

#[derive(clap::Subcommand)]
enum Wish {
    /// Show which keys each server has, by their public names
    List,
    /// Give all servers a key that decrypts from now on, as `dkron keygen` prints it
    Install {
        /// The key
        key: String,
    },
    /// Have all servers encrypt with a key that they have
    Use {
        /// The key or its public name
        key: String,
    },
    /// Have all servers forget a key that encrypts nowhere
    Remove {
        /// The key or its public name
        key: String,
    },
}

impl Wish {
    fn change(&self) -> Result<Change, Failure> {
        let name = |key: &str| key.parse::<KeyId>().map(|key| key.0).map_err(Failure::misused);
        Ok(match self {
            Wish::List => Change::List,
            Wish::Install { key } => {
                name(key)?;
                Change::Install(key.trim().into())
            }
            Wish::Use { key } => Change::Use(name(key)?),
            Wish::Remove { key } => Change::Remove(name(key)?),
        })
    }
}

impl Keyring {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let change = self.change.change()?;
        let (address, dialer) = (self.calls.address()?, self.calls.dialer()?);
        let rings = wait(ask((&address, &dialer), &change))?;
        match self.output {
            Output::Table => println!("{}", table(&rings)),
            Output::Json => println!("{:#}", json(&rings)),
        }
        match rings.iter().filter(|ring| ring.problem.is_some()).count() {
            0 => Ok(ExitCode::SUCCESS),
            count => Err(anyhow::anyhow!(
                "{count} of {} servers did not do it; repeat the command when they are back",
                rings.len()
            )
            .into()),
        }
    }
}

async fn ask((address, dialer): (&str, &Dialer), change: &Change) -> Result<Vec<Ring>, anyhow::Error> {
    let channel = dialer.dial(address).await?;
    let mut client = KeyringClient::new(channel);
    let asking = client.everywhere(change_to_wire(change));
    let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
    let answer =
        answer.with_context(|| format!("{address} did not answer within {} s", ANSWER_WITHIN.as_secs()))?;
    let answer = answer.map_err(|status| anyhow::anyhow!("{address}: {}", status.message()))?;
    Ok(rings_from_wire(answer.into_inner())?)
}

fn key_names(ring: &Ring) -> Vec<String> {
    ring.keys.iter().map(|key| KeyId(*key).to_string()).collect()
}

/// A line for each server; the key that encrypts comes first and has a star.
fn table(rings: &[Ring]) -> String {
    let row = |ring: &Ring| {
        let mut keys = key_names(ring);
        if let Some(first) = keys.first_mut() {
            first.push('*');
        }
        let keys = match (&ring.problem, ring.answered, keys.is_empty()) {
            (Some(problem), false, _) => problem.clone(),
            (Some(problem), true, _) => format!("{}: {problem}", keys.join(" ")),
            (None, _, true) => "none: its gossip is not encrypted".to_owned(),
            (None, _, false) => keys.join(" "),
        };
        [ring.name.to_string(), ring.address.to_string(), keys]
    };
    let rows: Vec<_> = rings.iter().map(row).collect();
    super::table::table(["NAME", "ADDRESS", "KEYS"], &rows)
}

fn json(rings: &[Ring]) -> serde_json::Value {
    let ring = |ring: &Ring| {
        json!({"id": ring.id.to_string(), "name": &*ring.name, "address": &*ring.address,
            "keys": key_names(ring), "answered": ring.answered, "problem": ring.problem})
    };
    rings.iter().map(ring).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::ids::NodeId;

    #[test]
    fn a_table_names_the_key_that_encrypts_and_who_did_not_answer() {
        let ring = |name: &str, keys: &[u32], problem: Option<&str>, answered| Ring {
            id: NodeId(1),
            name: name.into(),
            address: "10.0.0.1:6868".into(),
            keys: keys.to_vec(),
            problem: problem.map(str::to_owned),
            answered,
        };
        let rings = [
            ring("node1", &[0xa, 0xb], None, true),
            ring("node2", &[], Some("it did not answer"), false),
            ring("node3", &[], None, true),
        ];
        let expected = "NAME   ADDRESS        KEYS\n\
                        node1  10.0.0.1:6868  0000000a* 0000000b\n\
                        node2  10.0.0.1:6868  it did not answer\n\
                        node3  10.0.0.1:6868  none: its gossip is not encrypted";
        assert_eq!(table(&rings), expected);
    }
}
