//! The load generator as a program: puts a load on an OpenAI-compatible server and prints what was
//! measured. `cargo xtask perf load` builds and runs it.
//!
//! A library, so that another repository's program of three lines can call [`main`]. `cli` is the
//! command line and `parse` reads the values of its options; `target` asks the server what it
//! serves, `server` puts one load on it, `sweep` makes several loads of one, `search` looks for the
//! highest; `run` puts them in order, `output` prints and `save` saves.

mod cli;
mod date;
mod outcome;
mod output;
mod parse;
mod run;
mod save;
mod search;
mod server;
mod sweep;
mod target;

use std::process::ExitCode;

use clap::Parser;
use cli::Cli;
use perf_model::judge::exit_code;

use crate::server::Failure;

/// Parses the command line of `perf load` and runs it.
///
/// # Panics
/// If the threads of the load generator cannot be started.
// One thread makes the requests, so that none waits for another thread to be woken; records are
// written by this one.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
pub async fn main() -> ExitCode {
    let asked = Cli::parse();
    let code = match run::all(&asked).await {
        Ok(code) => code,
        Err(Failure::Usage(error)) => {
            eprintln!("error: {error:#}");
            exit_code::USAGE
        }
        Err(Failure::Unmeasured(error)) => {
            eprintln!("error: {error:#}");
            exit_code::INVALID
        }
    };
    ExitCode::from(code)
}

/// Checks the options of `cargo xtask perf load`, as [`main`] would parse them.
///
/// # Errors
/// What is wrong with them.
pub fn check_command_line(options: &[String]) -> Result<(), clap::Error> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    let program = "perf-load".to_owned();
    match Cli::try_parse_from(std::iter::once(&program).chain(options)) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), DisplayHelp | DisplayVersion) => Ok(()),
        Err(error) => Err(error),
    }
}
