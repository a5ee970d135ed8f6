//! The only spawner: every task has a name, an owner and an end.

use std::future::Future;
use tokio::task::JoinHandle;
use tracing::Instrument;

pub use tokio_util::sync::CancellationToken;

/// Starts a task. Who holds the handle owns it: awaits it, or aborts it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.instrument(tracing::debug_span!("task", name)))
}

/// Runs blocking work on a thread of its own.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn blocking<F, R>(name: &'static str, work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let span = tracing::debug_span!("blocking", name);
    tokio::task::spawn_blocking(move || span.in_scope(work))
}
