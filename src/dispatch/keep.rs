//! Where an output goes that is too long for the log, before the outcome that speaks of it goes into the log.
//!
//! Whoever leads next must have it too: what is given here brings it to a quorum's disks, and is back when it is
//! there.

use dkron_core::ids::ExecutionId;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Why an output was not kept.
pub type KeepError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps an execution's output: its id, the bytes, and whether some are missing. Durable when it is back; may
/// be called again for the same execution.
pub type Keep =
    Arc<dyn Fn(ExecutionId, Vec<u8>, bool) -> BoxFuture<'static, Result<(), KeepError>> + Send + Sync>;
