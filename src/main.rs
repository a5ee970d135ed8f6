//! Parses the command line and runs what it asks for.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let supervise = arguments.next().is_some_and(|word| word == "supervise");
    let data_dir = arguments.next().filter(|word| word == "--data-dir").and_then(|_| arguments.next());
    let (true, Some(data_dir)) = (supervise, data_dir) else { return ExitCode::from(2) };
    let options = dkron::agent::supervisor::Options::new(PathBuf::from(data_dir));
    match dkron::agent::supervisor::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            ExitCode::FAILURE
        }
    }
}
