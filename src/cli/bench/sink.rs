//! The server that http jobs call: it answers at once and counts.

use crate::net;
use crate::task;
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinHandle;

/// The server, until it is dropped.
pub(super) struct Sink {
    address: SocketAddr,
    calls: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Sink {
    /// Listens.
    pub(super) async fn start(address: SocketAddr) -> anyhow::Result<Sink> {
        let listener = net::listen(address, "the calls of jobs").await?;
        let address = listener.local_addr().context("the address of the calls' server")?;
        let calls = Arc::new(AtomicU64::new(0));
        let router = Router::new().fallback(any(answer)).with_state(calls.clone());
        let serving = task::spawn("bench-sink", async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "calls are answered no more");
            }
        });
        Ok(Sink { address, calls, serving })
    }

    /// Where it is called.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How often it was called.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(calls): State<Arc<AtomicU64>>) -> &'static str {
    calls.fetch_add(1, Ordering::Relaxed);
    "ok\n"
}
