//! The node's own agent, on a server or alone.

use super::NodeError;
use super::join::given_up;
use super::reload::Settings;
use super::stop::{Asked, Signals, part};
use crate::agent::attend::{AttendError, Dial, Discover, Servers, attend};
use crate::agent::{self, Agent, AgentError, AgentHandle, Program};
use crate::config::Config;
use crate::formation::seek;
use crate::net::trust::{self, Role};
use crate::net::{Channels, Dialer};
use crate::task::{self, CancellationToken};
use dkron_core::ids::NodeId;
use dkron_core::job::Words;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long an agent's end may take: more than it waits for a leader that is not there.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs a node that is no server: it finds the servers at the addresses to join and works for them.
pub(super) async fn run_alone(mut settings: Settings, signals: &mut Signals) -> Result<(), NodeError> {
    let config = settings.now();
    let (seeds_sender, seeds) = watch::channel(sought(&config)?);
    let between = super::base::trust_between(&config, Role::Agent)?;
    let dialer = Dialer::new(between.clone());
    let agent = start_agent(&config, None).await?;
    let join = seeds.borrow().join(",");
    tracing::info!(node = config.node_name, join, data = %config.data_dir.display(), "ready");
    super::open::warn_agent(&config);
    let (leave, tags) = (CancellationToken::new(), agent.tags.clone());
    let discover = discover(seeds, config.region.as_str().into(), &dialer);
    let mut given_up = Box::pin(given_up(&config.join, agent.stamp.clone(), Option::is_some));
    let mut working = Box::pin(keep_agent(agent, dialer, Servers::Sought(discover), leave.clone()));
    let stop = CancellationToken::new();
    let _stopped_at_the_end = stop.clone().drop_guard();
    drop(task::spawn("certificates", trust::follow(between, None, stop)));
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            ended = &mut working => return Ok(ended?),
            error = &mut given_up => return Err(error),
        };
        match asked {
            Asked::Stop(name) => {
                tracing::info!(signal = name, "stopping");
                break;
            }
            Asked::Reload => {
                if settings.reload().await {
                    take_over(&settings.now(), &seeds_sender, &tags);
                }
            }
        }
    }
    leave.cancel();
    let mut ended = None;
    signals.outwait(async { ended = part("the agent's farewell", FAREWELL, &mut working).await }).await;
    Ok(ended.unwrap_or(Ok(()))?)
}

/// The addresses to join, of which an agent needs at least one.
fn sought(config: &Config) -> Result<Arc<[String]>, NodeError> {
    let seeds = super::base::seeds(config)?;
    match seeds.is_empty() {
        false => Ok(seeds),
        true => Err(NodeError::Unsupported(
            "join: a node without --server works for servers and was told of none: give --join or --retry-join, \
             or start it with --server or --dev",
        )),
    }
}

fn take_over(config: &Config, seeds: &watch::Sender<Arc<[String]>>, tags: &watch::Sender<Words>) {
    match sought(config) {
        Ok(found) => drop(seeds.send_replace(found)),
        Err(error) => tracing::error!(%error, "the addresses to join stay as they were"),
    }
    let own = config.node_tags();
    tags.send_if_modified(|shown| {
        let changed = *shown != own;
        *shown = own;
        changed
    });
}

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
    let mut agent = Agent::start(options).await?;
    agent.protocols = config.formats();
    Ok(agent)
}

/// Keeps the agent's streams until it ends, or has said that it leaves.
pub(super) async fn keep_agent(
    mut agent: AgentHandle,
    dialer: Dialer,
    servers: Servers,
    leave: CancellationToken,
) -> Result<(), AgentError> {
    match attend(&mut agent, dial(dialer), servers, leave).await {
        Ok(()) => agent.stop().await,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the agent has ended");
            agent.ended().await
        }
    }
}

fn dial(dialer: Dialer) -> Dial {
    Arc::new(move |address| {
        let dialer = dialer.clone();
        Box::pin(
            async move { dialer.dial(&address).await.map_err(|error| AttendError::Dial(Box::new(error))) },
        )
    })
}

/// All addresses are asked at once; the first that names servers is believed.
fn discover(seeds: watch::Receiver<Arc<[String]>>, region: Arc<str>, dialer: &Dialer) -> Discover {
    let channels = Channels::new(dialer.clone());
    Arc::new(move || {
        let seeds = seeds.borrow().clone();
        let (seeds, region, channels) = (seeds.clone(), region.clone(), channels.clone());
        Box::pin(async move {
            let asking = seeds.iter().map(|seed| {
                let (address, region, channels) =
                    (Arc::from(seed.as_str()), region.clone(), channels.clone());
                async move { (seek(&channels, &address, &region).await, address) }
            });
            let mut answers: FuturesUnordered<_> = asking.collect();
            let mut last = AttendError::Timeout;
            while let Some((answer, address)) = answers.next().await {
                match answer {
                    Ok(servers) if !servers.is_empty() => return Ok(servers),
                    Ok(_) => tracing::info!(%address, "knows no server yet"),
                    Err(error) => {
                        tracing::warn!(%address, %error, "an address to join did not name the servers");
                        last = AttendError::Dial(Box::new(error));
                    }
                }
            }
            Err(last)
        })
    })
}
