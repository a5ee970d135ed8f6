//! The commands of operators: they talk to one server, any of them, on its port for calls.

mod leave;
mod members;
mod node;
mod raft;

pub(super) use leave::Leave;
pub(super) use members::Members;
pub(super) use node::Node;
pub(super) use raft::Raft;

use super::calls::Calls;
use super::table::table;
use super::{FAILED, Failure, MISUSED, Output, wait};
use crate::app::Kind;
use crate::client::{self, Operator};
use serde_json::Value;
use std::process::ExitCode;

/// No such server or node.
const NOT_FOUND: u8 = 3;
/// It would do harm, or something else comes first.
const REFUSED: u8 = 4;
/// Nobody answers, or nobody leads.
const UNAVAILABLE: u8 = 5;
/// It was not done in time and may be done yet.
const UNFINISHED: u8 = 6;

/// The exit code of a kind of error; docs/clustering.md has the table.
fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid | Kind::TooLarge => MISUSED,
        Kind::NotFound | Kind::ParentNotFound => NOT_FOUND,
        Kind::Changed | Kind::Conflict => REFUSED,
        Kind::Paused | Kind::Unavailable => UNAVAILABLE,
        Kind::Unknown => UNFINISHED,
        Kind::Unauthenticated | Kind::Forbidden => REFUSED,
        Kind::Internal => FAILED,
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Failure {
        Failure { code: code(error.kind()), error: error.into() }
    }
}

/// Whom to ask, and how to print the answer.
#[derive(clap::Args)]
pub(super) struct Door {
    #[command(flatten)]
    calls: Calls,
    /// How to print the answer
    #[arg(long, global = true, default_value = "table", value_enum)]
    output: Output,
}

impl Door {
    /// Connects and does the work.
    fn ask<T>(&self, work: impl AsyncFnOnce(Operator) -> Result<T, Failure>) -> Result<T, Failure> {
        let (address, dialer) = (self.calls.address()?, self.calls.dialer()?);
        wait(async { work(Operator::dial(address, &dialer).await?).await })
    }

    /// Prints a table or a JSON value.
    fn print(&self, table: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> ExitCode {
        match self.output {
            Output::Table => println!("{}", table()),
            Output::Json => println!("{:#}", json()),
        }
        ExitCode::SUCCESS
    }
}
