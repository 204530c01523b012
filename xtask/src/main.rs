//! `cargo xtask perf`: runs the performance tests, refreshes and accepts baselines, shows what was
//! recorded. `cargo xtask bench-client`: measures the load generator itself.
//!
//! One file a command. Deliberately light: nothing here knows Docker or HTTP; the tests and the
//! load generator do, and they run in processes of their own.

mod accept;
mod anchors;
mod artifacts;
mod ask;
mod bench_client;
mod cli;
mod filters;
mod gate_lab;
mod history;
mod import;
mod interrupt;
mod judge;
mod load;
mod machine;
mod perf;
mod power;
mod rests;
mod runs;
mod say;
mod scenario_run;
mod scenarios;
mod show;
mod unmeasurable;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Perf, PerfCommand, Task};
use perf_model::judge::exit_code;
use say::say;
use unmeasurable::Unmeasurable;

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Perf(asked) => perf(*asked),
        Task::GateLab { options } => gate_lab::gate_lab(&options),
        Task::BenchClient(asked) => bench_client::bench_client(&asked),
    };
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
        None => perf::gate(&asked.gate),
        Some(PerfCommand::Refresh(asked)) => perf::refresh(&asked),
        Some(PerfCommand::Compare(asked)) => perf::compare(&asked),
        Some(PerfCommand::Power(asked)) => power::power(&asked),
        Some(PerfCommand::Judge(asked)) => judge::judge(&asked),
        Some(PerfCommand::Accept(asked)) => accept::accept(&asked),
        Some(PerfCommand::Show(asked)) => show::show(&asked),
        Some(PerfCommand::Load { options }) => load::load(&options),
        Some(PerfCommand::Import(asked)) => import::import(&asked),
        Some(PerfCommand::List) => scenarios::list(),
        Some(PerfCommand::Schema) => Ok(schema()),
    }
}

fn schema() -> u8 {
    say(perf_model::spec::config::Config::schema().trim_end());
    exit_code::HELD
}
