//! The code made from `proto/*.proto`; `tests/generated.rs` keeps it true.
#![allow(missing_docs, unreachable_pub, clippy::all)]

/// `proto/job.proto`.
pub mod job {
    include!("generated/dkron.job.v1.rs");
}

/// `proto/journal.proto`.
pub mod journal {
    pub mod v1 {
        include!("generated/dkron.journal.v1.rs");
    }
}

/// `proto/supervisor.proto`.
pub mod supervisor {
    pub mod v1 {
        include!("generated/dkron.supervisor.v1.rs");
    }
}
