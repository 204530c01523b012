//! The tasks of this repository: `cargo xtask perf`, which is [`perf_cli`], and two studies of the
//! project's own parts.

mod bench_client;
mod gate_lab;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use perf_cli::{Perf, Repository};

use bench_client::BenchClient;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the performance tests and hold them against their baselines
    Perf(Box<Perf>),
    /// Measure how often the gate errs, by simulation of the shipped code: the table of
    /// docs/gate/measured.md
    #[command(after_help = "\
Examples:
  cargo xtask gate-lab                       the study, then whole simulated runs through the front door
  cargo xtask gate-lab -- --suites 200       the study alone, smaller
  cargo xtask gate-lab -- clock              what judging by the SM clock would gain and hide")]
    GateLab {
        /// Options of the study; with any, the whole runs are left out
        #[arg(last = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Measure what the load generator costs, beside another client if one is given
    #[command(
        long_about = "Measure what the load generator costs, beside another client if one is given.\n\n\
            Clients alternate on one server of this repository, each on a core of its own (`taskset`, two cores at least). \
            Shown are events and requests per second of a client's own processor time, TTFT, and memory. \
            docs/BENCHMARKS.md says what the rows are and what they were elsewhere.\n\n\
            Two dialects of peers are spoken: `vllm-rs bench serve` (--peer), and `vllm bench serve` of vLLM's Python \
            package (--python-peer), which is put only on what saturates, with 10,000 requests at most.",
        after_help = bench_client::EXAMPLES
    )]
    BenchClient(BenchClient),
}

fn main() -> ExitCode {
    match Cli::parse().task {
        Task::Perf(asked) => perf_cli::run(repository(), *asked),
        Task::GateLab { options } => perf_cli::exit(gate_lab::gate_lab(&options)),
        Task::BenchClient(asked) => perf_cli::exit(bench_client::bench_client(&asked)),
    }
}

fn repository() -> Repository {
    Repository {
        root: root(),
        scenarios_package: "vllm-perf".to_owned(),
        tools_package: "vllm-perf-tools".to_owned(),
        tools_program: "perf-load".to_owned(),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Repository::root_above(env!("CARGO_MANIFEST_DIR"))
}
