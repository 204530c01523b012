//! `perf-load`: puts a load on an OpenAI-compatible server and says what came of it. `cargo xtask
//! perf load` builds and runs it.
//!
//! `cli` is the command line and `spec` the small language of its options; `server` finds out what
//! the server has, `put` puts one load on it, `writer` keeps the record, `sweep` makes several
//! loads of one; `tell` shows, `save` saves.

mod cli;
mod date;
mod put;
mod ran;
mod save;
mod server;
mod spec;
mod sweep;
mod tell;
mod writer;

use std::process::ExitCode;

use clap::Parser;
use cli::Cli;
use perf_model::judge::exit_code;

use crate::put::Failure;

// One thread makes the requests, so that none waits for another thread to be woken; records are
// written by this one.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    let asked = Cli::parse();
    let code = match put::all(&asked).await {
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
