//! Dkron's REST shapes, version 1. They live here and shape nothing else.
//!
//! The shapes are pure functions: from plain views to bytes, and from bytes to plain values. Bytes are those of
//! Go's `encoding/json`, down to the order of keys and the escapes, because clients compare them. `routes`
//! joins them to the use cases.

pub mod cursor;
pub mod execution_json;
pub mod explain_json;
pub mod go_json;
pub mod go_time;
pub mod job_json;
pub mod member_json;
pub mod openapi;
pub mod operator_json;
pub mod read;
pub mod replies;
mod routes;
pub mod run_json;
pub mod skip_json;
pub mod status_json;
pub mod token_json;
pub mod wish_json;

pub use routes::{Door, router, waiting_router};
