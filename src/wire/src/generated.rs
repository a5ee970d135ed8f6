//! The code made from `proto/*.proto`; `tests/generated.rs` keeps it true.
#![allow(missing_docs, unreachable_pub, clippy::all)]

/// `proto/job.proto`.
pub mod job {
    include!("generated/dkron.job.v1.rs");
}
