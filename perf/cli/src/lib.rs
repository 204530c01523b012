//! The commands of `cargo xtask perf`: run the performance tests, refresh and accept baselines, show
//! what was recorded.
//!
//! A repository calls [`main`] from its own `xtask`, and says with [`Repository`] where it is and
//! which of its packages have the scenarios and the load generator. One file per command. The crate
//! is light: nothing here compiles Docker or HTTP; the tests and the load generator do, and they run
//! in processes of their own.

mod accept;
mod anchors;
mod artifacts;
mod built;
mod cargo_features;
mod classify;
mod cli;
mod commit_message;
mod detect;
mod doctor;
mod error;
mod estimate;
mod filters;
mod format;
mod formats;
mod git;
mod history;
mod import;
mod init;
mod interrupt;
mod judge;
mod list;
mod live;
mod load;
mod measure;
mod merge;
mod part;
mod power;
mod published;
mod refresh_summary;
mod repository;
mod rewrite;
mod run_data;
mod runs;
mod scenario_run;
mod scenarios;
mod settings;
mod show;
mod side_by_side;
mod split;
mod staleness;
mod stdout;
mod sweep;
mod tiers;

use std::process::ExitCode;

use clap::Parser;
use perf_model::judge::exit_code;

pub use cli::Perf;
pub use repository::Repository;

use cli::{Cli, PerfCommand, Task};
use error::Unmeasurable;
use stdout::say_as_it_is;

/// Parses the command line of `cargo xtask` and runs it: a whole program for a repository whose
/// only task is `perf`.
pub fn main(repository: Repository) -> ExitCode {
    let Task::Perf(asked) = Cli::parse().task;
    run(repository, *asked)
}

/// Checks a command line of `cargo xtask`, the words after `cargo`, as [`main`] would parse it. The
/// options of `load` are those of another program, which are not looked at.
///
/// # Errors
/// What is wrong with it.
pub fn check_command_line(words: &[String]) -> Result<(), clap::Error> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    match Cli::try_parse_from(words) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), DisplayHelp | DisplayVersion) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Runs `cargo xtask perf` with options that are parsed already, for a repository that has other
/// tasks too.
pub fn run(repository: Repository, asked: Perf) -> ExitCode {
    repository::set(repository);
    exit(perf(asked))
}

/// Prints an error, and gives the exit code of what was done.
pub fn exit(done: anyhow::Result<u8>) -> ExitCode {
    if let (Ok(_), Some(why)) = (&done, stdout::failure()) {
        eprintln!("error: cannot write the results to standard output: {why}");
        return ExitCode::from(exit_code::USAGE);
    }
    done.map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Unmeasurable>() {
                exit_code::INVALID
            } else {
                exit_code::USAGE
            })
        },
        ExitCode::from,
    )
}

fn perf(asked: Perf) -> anyhow::Result<u8> {
    match asked.command {
        None => measure::gate(&asked.gate),
        Some(PerfCommand::Refresh(asked)) => measure::refresh(&asked),
        Some(PerfCommand::Compare(asked)) => measure::compare(&asked),
        Some(PerfCommand::Sweep(asked)) => sweep::sweep(&asked),
        Some(PerfCommand::History(asked)) => history::history(&asked),
        Some(PerfCommand::Classify(asked)) => classify::classify(&asked),
        Some(PerfCommand::Split(asked)) => split::split(&asked),
        Some(PerfCommand::Merge(asked)) => merge::merge(&asked),
        Some(PerfCommand::Power(asked)) => power::power(&asked),
        Some(PerfCommand::Judge(asked)) => judge::judge(&asked),
        Some(PerfCommand::Accept(asked)) => accept::accept(&asked),
        Some(PerfCommand::Rewrite(asked)) => rewrite::rewrite(&asked),
        Some(PerfCommand::Show(asked)) => show::show(&asked),
        Some(PerfCommand::Load { options }) => load::load(&options),
        Some(PerfCommand::Import(asked)) => import::import(&asked),
        Some(PerfCommand::Published(asked)) => published::published(&asked),
        Some(PerfCommand::Init(asked)) => init::init(&asked),
        Some(PerfCommand::Doctor(asked)) => doctor::doctor(&asked),
        Some(PerfCommand::List) => list::list(),
        Some(PerfCommand::Schema) => Ok(schema()),
    }
}

fn schema() -> u8 {
    say_as_it_is(perf_model::spec::config::Config::schema().trim_end());
    exit_code::HELD
}
