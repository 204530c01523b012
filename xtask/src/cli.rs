//! The command line: [`Cli`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use perf_model::exit;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is made once")]
pub(crate) enum Task {
    /// Run the performance tests and hold them against their baselines
    Perf(Perf),
    /// Measure what the load generator costs, beside another client if one is given
    #[command(
        long_about = "Measure what the load generator costs, beside another client if one is given.\n\n\
            Clients alternate on one server of this repository, each on a core of its own (`taskset`, two cores at least). \
            Shown are events and requests per second of a client's own processor time, TTFT, and memory. \
            docs/BENCHMARKS.md says what the rows are and what they were elsewhere.\n\n\
            Two dialects of peers are spoken: `vllm-rs bench serve` (--peer), and `vllm bench serve` of vLLM's Python \
            package (--python-peer), which is put only on what saturates, with 10,000 requests at most.",
        after_help = BENCH_CLIENT_EXAMPLES
    )]
    BenchClient(BenchClient),
}

const BENCH_CLIENT_EXAMPLES: &str = "\
Examples:
  cargo xtask bench-client                                               this client alone
  cargo xtask bench-client --peer vllm/vllm-rs --tokenizer models/tiny   beside vLLM's Rust client, from vLLM's wheel
  cargo xtask bench-client --python-peer venv/bin/vllm --tokenizer models/tiny --rows saturated,one";

#[derive(Args)]
pub(crate) struct BenchClient {
    /// A program that takes the options of `vllm-rs bench serve`
    #[arg(long, value_name = "PATH")]
    pub(crate) peer: Option<PathBuf>,

    /// A `vllm` that takes the options of `vllm bench serve`
    #[arg(long, value_name = "PATH")]
    pub(crate) python_peer: Option<PathBuf>,

    /// A model's folder with a tokenizer.json, with which peers draw their prompts
    #[arg(long, value_name = "FOLDER")]
    pub(crate) tokenizer: Option<PathBuf>,

    /// Only rows whose names begin so: saturated, paced, one, burst, memory
    #[arg(long, value_name = "ROWS", value_delimiter = ',', value_parser = ROWS)]
    pub(crate) rows: Vec<String>,

    /// Repetitions of each row, 5 at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5))]
    pub(crate) repetitions: Option<u32>,
}

/// What the rows of the table begin with.
const ROWS: [&str; 5] = ["saturated", "paced", "one", "burst", "memory"];

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    long_about = "Run the performance tests and hold them against their baselines.\n\n\
        Picks the engine by itself: the vLLM image on this machine's GPUs where there are GPUs and Docker, otherwise the \
        simulated engine, which says so. Every run is recorded under target/perf/runs.",
    after_help = GATE_EXAMPLES,
    after_long_help = format!("{GATE_EXAMPLES}\n\n{}", exit::HELP),
)]
pub(crate) struct Perf {
    #[command(subcommand)]
    pub(crate) command: Option<PerfCommand>,
    #[command(flatten)]
    pub(crate) run: Run,
}

const GATE_EXAMPLES: &str = "\
Examples:
  cargo xtask perf                                   everything this machine can run
  cargo xtask perf awq                               the scenarios with `awq` in their names
  cargo xtask perf --image vllm/vllm-openai:v0.32.0  an upgrade against the committed baselines
  cargo xtask perf --require gpu                     on a gating runner: no GPU is an error
  cargo xtask perf cpu_smoke --engine process --vllm venv/bin/vllm --model tiny=/data/tiny
  cargo xtask perf f0 -- --max-num-seqs 128          an engine argument under test";

#[derive(Subcommand)]
pub(crate) enum PerfCommand {
    /// Measure afresh and write the baselines
    #[command(after_help = "\
Examples:
  cargo xtask perf refresh                       every baseline this machine can measure
  cargo xtask perf refresh cpu_smoke --starts 6  one of them, on more engine starts")]
    Refresh(Run),
    /// Take the baselines that a run measured, here or on another machine, into this checkout
    #[command(after_help = "\
Examples:
  cargo xtask perf accept --from last                  the newest run of this checkout
  cargo xtask perf accept --from ~/Downloads/run awq   from a runner's artifact, only some")]
    Accept(Accept),
    /// Recompute every figure of a run from its records
    #[command(after_help = "\
Examples:
  cargo xtask perf show last
  cargo xtask perf show 12 cpu_smoke")]
    Show(Show),
    /// Put a load on any OpenAI-compatible server; `cargo xtask perf load --help` shows how
    #[command(disable_help_flag = true)]
    Load {
        /// Options of the load generator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Read what `vllm bench serve` saved as a run
    #[command(after_help = "\
Examples:
  vllm bench serve … --save-result --save-detailed --result-filename before.json
  cargo xtask perf import before.json
  cargo xtask perf show last")]
    Import(Import),
    /// List the scenarios
    List,
    /// Print the JSON schema of perf.toml
    Schema,
}

#[derive(Args)]
pub(crate) struct Run {
    /// Only scenarios with one of these in their names (`file::test`)
    pub(crate) filters: Vec<String>,

    /// What brings the server up
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    pub(crate) engine: EngineChoice,

    /// The image under test, over the one in perf.toml; `name:tag` or `name@sha256:…`
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// The `vllm` command, for `--engine process`
    #[arg(long, value_name = "PATH")]
    pub(crate) vllm: Option<PathBuf>,

    /// The server's address, for `--engine remote`
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Where a model's files are, over what perf.toml says
    #[arg(long, value_name = "NAME=FOLDER", value_parser = pair)]
    pub(crate) model: Vec<(String, String)>,

    /// Engine starts, over what perf.toml says; a verdict needs 3 at least
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) starts: Option<u32>,

    /// Without this hardware (and Docker): an error, never a fall back to the simulated engine
    #[arg(long, value_enum)]
    pub(crate) require: Option<Required>,

    /// An environment variable of the engine, put under test
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,

    /// Faults of the simulated engine, such as `decode=1.05` or `cut=0.02,stall=0.01`
    #[arg(long, value_name = "FAULTS")]
    pub(crate) inject: Option<String>,

    /// Engine arguments put under test, over the declared ones
    #[arg(last = true, value_name = "ENGINE ARGUMENTS")]
    pub(crate) arguments: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Accept {
    /// A run: its number, `last`, or a folder that was copied from another machine
    #[arg(long, value_name = "RUN")]
    pub(crate) from: String,
    /// Only baselines with one of these in their paths
    pub(crate) filters: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Import {
    /// Files of `--save-result --save-detailed`; a load each, called as the file
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Show {
    /// A run: its number, `last`, or a folder
    pub(crate) run: String,
    /// Only records with one of these in their paths
    pub(crate) filters: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineChoice {
    /// docker where there are GPUs and Docker, otherwise simulated
    Auto,
    /// An image, through Docker
    Docker,
    /// A `vllm serve` on this machine
    Process,
    /// A server that is already up
    Remote,
    /// The simulated vLLM, in virtual time
    Simulated,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Required {
    /// An NVIDIA GPU, and Docker
    Gpu,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "must be NAME=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn engine_arguments_come_after_two_dashes() {
        let cli = Cli::parse_from(["xtask", "perf", "cpu_smoke", "--starts", "4", "--", "--max-num-seqs", "8"]);
        let Task::Perf(perf) = cli.task else { panic!("another task") };
        assert_eq!(perf.run.filters, ["cpu_smoke"]);
        assert_eq!(perf.run.arguments, ["--max-num-seqs", "8"]);
    }

    #[test]
    fn the_options_of_a_load_are_handed_on_as_they_are() {
        for given in [&["--help"][..], &["--url", "http://h:1", "--sweep", "rate=1,2"][..]] {
            let cli = Cli::parse_from(["xtask", "perf", "load"].iter().chain(given));
            let Task::Perf(Perf { command: Some(PerfCommand::Load { options }), .. }) = cli.task else {
                panic!("{given:?} is no load")
            };
            assert_eq!(options, given);
        }
    }
}
