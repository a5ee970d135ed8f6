//! The command line: reads it, runs one command, gives back the exit code. One file per command.
//!
//! Owns: the words of the command line and what is printed for them. Never: decides anything; every
//! command is a few calls into another room. Fails: with a [`Failure`], which `main` prints, and which says
//! the exit code: 1 when the command failed, 2 when it was asked the wrong way.

mod agent;
mod bench;
mod calls;
mod check_ledger;
mod completion;
mod config;
mod doctor;
mod keygen;
mod keyring;
mod operator;
mod recover;
mod remote;
mod schedule;
mod supervise;
mod table;
mod tls;
mod token;
mod version;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// The command did what it was asked, with this answer.
const FAILED: u8 = 1;
/// The command was asked for something that it cannot be.
const MISUSED: u8 = 2;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The reason, with its causes.
    pub error: anyhow::Error,
    /// The exit code.
    pub code: u8,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure { error, code: FAILED }
    }
}

impl Failure {
    /// The command was asked the wrong way.
    fn misused(error: impl Into<anyhow::Error>) -> Failure {
        Failure { error: error.into(), code: MISUSED }
    }
}

/// Runs what waits for answers, on this thread.
fn wait<T, E: From<anyhow::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the asynchronous runtime does not start")?.block_on(work)
}

/// A distributed job scheduler: no tick lost, none run twice
#[derive(Parser)]
#[command(name = "dkron", version, args_override_self = true, propagate_version = false)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Start a node: a server with `--server`, else an agent that only runs work
    #[command(args_override_self = true)]
    Agent(Box<agent::Agent>),
    /// Have a node leave its cluster for good and stop
    Leave(operator::Leave),
    /// Show all nodes that are known
    Members(operator::Members),
    /// Show nodes, keep work from them, empty them
    Node(operator::Node),
    /// Show and change who votes and who leads
    Raft(operator::Raft),
    /// Look at schedule expressions
    Schedule(schedule::Schedule),
    /// Compare what jobs wrote down with what their definitions promise
    CheckLedger(check_ledger::CheckLedger),
    /// Look at the settings
    Config(config::Settings),
    /// Print a new key for --encrypt
    Keygen,
    /// Make an authority and certificates for TLS
    Tls(tls::Tls),
    /// Close the API: make, list and revoke tokens
    Token(token::Token),
    /// Say what stands open on this node, why that matters, and how to close it
    #[command(args_override_self = true)]
    Doctor(Box<doctor::Doctor>),
    /// Show and change the keys that encrypt gossip, on all servers
    Keyring(keyring::Keyring),
    /// Make one stopped server's disk the whole cluster, when a quorum is lost for good
    Recover(recover::Recover),
    /// Print what a shell needs to complete this program's words
    Completion(completion::Completion),
    /// Measure what a node does, beside what the machine itself does
    Bench(Box<bench::Options>),
    /// Print name, version and protocol
    Version,
    /// Run jobs for an agent, and outlive it
    #[command(hide = true)]
    Supervise(supervise::Supervise),
}

/// How output is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Runs the command that the words ask for; the first word is the program's name.
///
/// # Errors
/// [`Failure`] with the reason and the exit code.
pub fn run(words: Vec<OsString>) -> Result<ExitCode, Failure> {
    let (words, problems) = agent::set_unknown_flags_aside(words);
    let line = match Line::try_parse_from(words) {
        Ok(line) => line,
        Err(error) => return Ok(refused(&error)),
    };
    match line.command {
        None => print_help(),
        Some(Command::Agent(command)) => command.run(problems),
        Some(Command::Leave(command)) => command.run(),
        Some(Command::Members(command)) => command.run(),
        Some(Command::Node(command)) => command.run(),
        Some(Command::Raft(command)) => command.run(),
        Some(Command::Schedule(command)) => command.run(),
        Some(Command::CheckLedger(command)) => command.run(),
        Some(Command::Config(command)) => command.run(problems),
        Some(Command::Keygen) => keygen::run(),
        Some(Command::Tls(command)) => command.run(),
        Some(Command::Token(command)) => command.run(),
        Some(Command::Doctor(command)) => command.run(problems),
        Some(Command::Keyring(command)) => command.run(),
        Some(Command::Recover(command)) => command.run(),
        Some(Command::Completion(command)) => command.run(),
        Some(Command::Bench(command)) => command.run(),
        Some(Command::Version) => version::run(),
        Some(Command::Supervise(command)) => command.run(),
    }
}

/// Prints what clap has to say: help and version on the standard output, mistakes on the other.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed pipe is no reason to fail over a help text.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { MISUSED } else { 0 })
}

fn print_help() -> Result<ExitCode, Failure> {
    Line::command().print_long_help().map_err(anyhow::Error::from)?;
    Ok(ExitCode::SUCCESS)
}
