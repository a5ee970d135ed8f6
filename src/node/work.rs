//! The node's own agent.

use super::NodeError;
use crate::agent::attend::{AttendError, Dial, attend};
use crate::agent::{self, Agent, AgentError, AgentHandle, Program};
use crate::config::Config;
use crate::net;
use crate::task::CancellationToken;
use dkron_core::ids::NodeId;
use std::net::SocketAddr;
use std::sync::Arc;

/// Starts the agent and its supervisor; `node` is the server's id on a server.
pub(super) async fn start_agent(config: &Config, node: Option<NodeId>) -> Result<AgentHandle, NodeError> {
    let program = std::env::current_exe()
        .map_err(|source| NodeError::System { what: "cannot find this program's own file", source })?;
    let data_dir = config.data_dir.to_string_lossy().into_owned();
    let options = agent::Options {
        data_dir: config.data_dir.clone(),
        node,
        name: config.node_name.as_str().into(),
        tags: config.node_tags(),
        slots: config.slots,
        server: config.server,
        address: config.advertise.to_string().into(),
        benchmarks: config.bench_executor,
        supervisor: Program {
            path: program,
            arguments: vec!["supervise".into(), "--data-dir".into(), data_dir],
        },
    };
    Ok(Agent::start(options).await?)
}

/// Keeps the agent's stream until the agent ends or is told to.
pub(super) async fn keep_agent(
    mut agent: AgentHandle,
    dial: Dial,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    tokio::select! {
        () = stop.cancelled() => agent.stop().await,
        error = attend(&mut agent, dial) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the agent has ended");
            agent.ended().await
        }
    }
}

pub(super) fn dial_to(address: SocketAddr) -> Dial {
    Arc::new(move || {
        Box::pin(async move {
            net::dial(&address.to_string()).await.map_err(|error| AttendError::Dial(Box::new(error)))
        })
    })
}
