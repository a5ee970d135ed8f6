//! The servers' door for agents, over real connections and real consensus.

mod caller;
mod failover;
mod join;
mod refused;
mod servers;
mod silent;

use std::future::Future;
use std::time::Duration;

/// Long enough for anything on a busy machine; whoever waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}
