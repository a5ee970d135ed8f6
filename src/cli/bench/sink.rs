//! The server that http jobs call: it answers at once, counts, and can note who called when.

use crate::clock;
use crate::net;
use crate::task;
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::any;
use dkron_core::time::Time;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// One call of a job, as the called one saw it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Whose.
    pub(super) job: String,
    /// The tick that it is for, before jitter.
    pub(super) nominal: Time,
    /// When it came, on this process's clock.
    pub(super) at: Time,
}

/// What the server knows of the calls.
#[derive(Default)]
struct Calls {
    count: AtomicU64,
    /// None if they are only counted.
    noted: Option<Mutex<Vec<Call>>>,
}

/// The server, until it is dropped.
pub(super) struct Sink {
    address: SocketAddr,
    calls: Arc<Calls>,
    serving: JoinHandle<()>,
}

impl Sink {
    /// Listens and counts.
    pub(super) async fn start(address: SocketAddr) -> anyhow::Result<Sink> {
        Sink::listen(address, Calls::default()).await
    }

    /// Listens and notes every call.
    pub(super) async fn noting(address: SocketAddr) -> anyhow::Result<Sink> {
        Sink::listen(address, Calls { noted: Some(Mutex::default()), ..Calls::default() }).await
    }

    async fn listen(address: SocketAddr, calls: Calls) -> anyhow::Result<Sink> {
        let listener = net::listen(address, "the calls of jobs").await?;
        let address = listener.local_addr().context("the address of the calls' server")?;
        let calls = Arc::new(calls);
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
        self.calls.count.load(Ordering::Relaxed)
    }

    /// The calls that were noted so far, in the order in which they came.
    pub(super) fn noted(&self) -> Vec<Call> {
        let noted = self.calls.noted.as_ref();
        noted.map(|noted| noted.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(calls): State<Arc<Calls>>, headers: HeaderMap) -> &'static str {
    calls.count.fetch_add(1, Ordering::Relaxed);
    if let (Some(noted), Some(call)) = (&calls.noted, call(&headers, clock::wall())) {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
    "ok\n"
}

/// The call that these headers are of; none if no job made it.
fn call(headers: &HeaderMap, at: Time) -> Option<Call> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Some(Call { job: text("dkron-job")?.to_owned(), nominal: text("dkron-scheduled-at")?.parse().ok()?, at })
}
