//! The binary: reads the command line, runs the command, prints why it failed.

use std::process::ExitCode;

fn main() -> ExitCode {
    match dkron::cli::run(std::env::args_os().collect()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("Error: {:#}", failure.error);
            ExitCode::from(failure.code)
        }
    }
}
