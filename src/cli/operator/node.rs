//! `dkron node`: which nodes get work.

use super::table;
use super::{Door, Failure, UNFINISHED};
use crate::client::Operator;
use crate::clock;
use dkron_core::duration::parse_duration;
use dkron_core::node::{NodeView, Work};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// How often a node that is emptied is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Commands on the nodes that work.
#[derive(clap::Args)]
pub(in crate::cli) struct Node {
    #[command(flatten)]
    door: Door,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show the nodes and what each may do
    List,
    /// Keep new work from a node and wait until it has none left
    Drain {
        /// The node's name or id
        name: String,
        /// How long to wait, as in 90s, 10m; 0 only marks the node
        #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = duration)]
        timeout: Duration,
    },
    /// Keep new work from a node; what runs there runs on
    Cordon {
        /// The node's name or id
        name: String,
    },
    /// Give a node work again
    Uncordon {
        /// The node's name or id
        name: String,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    let nanos =
        u64::try_from(span.nanos()).map_err(|_| "is before now, allowed are 0 and more".to_owned())?;
    Ok(Duration::from_nanos(nanos))
}

impl Node {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Failure> {
        let door = self.door;
        match self.command {
            Command::List => {
                let nodes = door.ask(async |mut operator| Ok(operator.nodes().await?))?;
                Ok(door.print(|| nodes_table(&nodes), || nodes.iter().map(node_json).collect()))
            }
            Command::Drain { name, timeout } => drain(&door, &name, timeout),
            Command::Cordon { name } => set(&door, &name, Work::Cordoned),
            Command::Uncordon { name } => set(&door, &name, Work::Open),
        }
    }
}

fn set(door: &Door, name: &str, work: Work) -> Result<ExitCode, Failure> {
    let node = door.ask(async |mut operator| Ok(operator.set_work(name, work).await?))?;
    Ok(door.print(|| format!("{} is {}", node.name, node.work), || node_json(&node)))
}

fn drain(door: &Door, name: &str, timeout: Duration) -> Result<ExitCode, Failure> {
    let node = door.ask(async |mut operator| {
        let node = operator.set_work(name, Work::Draining).await?;
        if timeout.is_zero() {
            return Ok(node);
        }
        emptied(&mut operator, node, timeout).await
    })?;
    let says = match node.executions {
        0 => format!("{} is drained", node.name),
        executions => format!("{} is {}, {}", node.name, node.work, left(executions)),
    };
    Ok(door.print(|| says, || node_json(&node)))
}

/// Waits until nothing runs on a node any more, and tells how far it is.
async fn emptied(
    operator: &mut Operator,
    mut node: NodeView,
    timeout: Duration,
) -> Result<NodeView, Failure> {
    let deadline = clock::monotonic() + timeout;
    let mut told = None;
    while node.executions > 0 {
        if told != Some(node.executions) {
            eprintln!("{}: {}", node.name, left(node.executions));
            told = Some(node.executions);
        }
        if clock::monotonic() >= deadline {
            let left = left(node.executions);
            let error = anyhow::anyhow!("{left} on {} after {timeout:?}: it goes on draining", node.name);
            return Err(Failure { error, code: UNFINISHED });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let nodes = operator.nodes().await?;
        let found = nodes.into_iter().find(|found| found.id == node.id);
        node = found.ok_or_else(|| anyhow::anyhow!("node {} is not there any more", node.name))?;
    }
    Ok(node)
}

fn left(executions: u32) -> String {
    match executions {
        1 => "1 execution is left".to_owned(),
        _ => format!("{executions} executions are left"),
    }
}

fn work(node: &NodeView) -> String {
    match (node.work, node.executions) {
        (Work::Draining, 0) => "drained".to_owned(),
        (work, _) => work.to_string(),
    }
}

fn role(node: &NodeView) -> &'static str {
    if node.server { "server" } else { "agent" }
}

fn nodes_table(nodes: &[NodeView]) -> String {
    let row = |node: &NodeView| {
        [
            node.name.to_string(),
            node.liveness.to_string(),
            work(node),
            node.executions.to_string(),
            node.slots.to_string(),
            role(node).to_owned(),
            node.address.to_string(),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    table(["Node", "Status", "Work", "Executions", "Slots", "Role", "Address"], &rows)
}

fn node_json(node: &NodeView) -> Value {
    json!({
        "node": &*node.name,
        "id": node.id.to_string(),
        "status": node.liveness.to_string(),
        "work": work(node),
        "executions": node.executions,
        "slots": node.slots,
        "role": role(node),
        "address": &*node.address,
    })
}
