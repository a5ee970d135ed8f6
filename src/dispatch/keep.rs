//! Where an output goes that is too long for the log, before the outcome that speaks of it goes into the log.
//!
//! With one server that is its own history. With several, whoever leads next must have it too: then what is
//! given here brings it to a quorum's disks, and is back when it is there.

use crate::history::History;
use dkron_core::ids::ExecutionId;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Why an output was not kept.
pub type KeepError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps an execution's output: its id, the bytes, and whether some are missing. Durable when it is back; may
/// be called again for the same execution.
pub type Keep =
    Arc<dyn Fn(ExecutionId, Vec<u8>, bool) -> BoxFuture<'static, Result<(), KeepError>> + Send + Sync>;

/// Keeps outputs in this server's history only.
pub fn keep_in(history: History) -> Keep {
    Arc::new(move |id, bytes, cut| {
        let history = history.clone();
        Box::pin(async move { history.put_output(id, bytes, cut).await.map_err(KeepError::from) })
    })
}
