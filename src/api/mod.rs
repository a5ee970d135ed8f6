//! How clients see the scheduler.
//!
//! Owns: the shapes on the wire to clients and the codes of their answers. Never: decides or stores
//! anything; every answer is made from plain values of `app` and `core`. Fails: with what the client sent,
//! told by field, value and what is allowed.

pub mod grpc;
pub mod peers;
pub mod rest;
mod status;
