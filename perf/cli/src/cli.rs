//! The command line: [`Cli`].

mod measuring;
mod reach;
mod reviewing;
mod splitting;
mod sweeping;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use perf_model::judge::exit_code;
use perf_model::spec::suggest::nearest;

use crate::format::Format;

pub(crate) use measuring::{Compare, EngineChoice, Gate, On, Refresh, Required, UnderTest};
pub(crate) use reviewing::{CauseChoice, Classify, History, HistoryFormat};
pub(crate) use splitting::{Merge, PartOf, Split};
pub(crate) use sweeping::{OneOff, Sweep};

/// The command line of a repository without other tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Subcommand)]
pub(crate) enum Task {
    /// Run the performance tests and hold them against their baselines
    Perf(Box<Perf>),
}

/// The command line of `cargo xtask perf`.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    long_about = "Run the performance tests and hold them against their baselines.\n\n\
        Picks the engine by itself: the vLLM image on this machine's GPUs where there are GPUs and Docker, otherwise the \
        simulated engine, which says so. Every run is recorded under target/perf/runs.",
    after_help = GATE_EXAMPLES,
    after_long_help = format!("{GATE_EXAMPLES}\n\n{}", exit_code::HELP),
)]
pub struct Perf {
    #[command(subcommand)]
    pub(crate) command: Option<PerfCommand>,
    #[command(flatten)]
    pub(crate) gate: Gate,
}

const GATE_EXAMPLES: &str = "\
Examples:
  cargo xtask perf                                   what this machine can run of tier pr
  cargo xtask perf --tier nightly                    and what is measured only every night
  cargo xtask perf awq                               the scenarios with `awq` in their names
  cargo xtask perf --image vllm/vllm-openai:v0.32.0  an upgrade against the committed baselines
  cargo xtask perf --require gpu                     on a gating runner: no GPU is an error
  cargo xtask perf cpu_smoke --engine process --vllm venv/bin/vllm --model tiny=/data/tiny
  cargo xtask perf f0 -- --max-num-seqs 128          an engine argument under test
  cargo xtask perf --budget 90m                      within one and a half hours of GPU time";

#[derive(Subcommand)]
pub(crate) enum PerfCommand {
    /// Measure afresh and write the baselines
    #[command(after_help = "\
Examples:
  cargo xtask perf refresh                          every baseline of tier pr that this machine can measure
  cargo xtask perf refresh --tier full              and those of the other tiers
  cargo xtask perf refresh cpu_smoke --starts 10    one of them, on more engine starts
  cargo xtask perf refresh cpu_smoke --add-session  on another day: what differs from day to day counts as noise")]
    Refresh(Refresh),
    /// Measure two images in turn on the same GPUs, and hold one against the other; no baseline is
    /// needed
    #[command(after_help = "\
Examples:
  cargo xtask perf compare --base vllm/vllm-openai:v0.31.0 --candidate vllm/vllm-openai:v0.32.0
  cargo xtask perf compare awq --base vllm/vllm-openai:v0.32.0 -- --max-num-batched-tokens 4096
  cargo xtask perf compare --base vllm/vllm-openai:v0.32.0        an image with itself: must come out even")]
    Compare(Compare),
    /// Measure a server and load at many settings, and find the best for each goal
    #[command(after_help = "\
Examples:
  cargo xtask perf sweep f2                       a sweep that a test declares
  cargo xtask perf sweep --resume last            go on with a run that was killed
  cargo xtask perf sweep --model tiny --axis=--max-num-seqs=8,64 --axis concurrency=1,8,32 --requests 100
  cargo xtask perf sweep --engine remote --url http://gpu:8000 --model m --axis rate=1,2,4,8 --input 512")]
    Sweep(Box<Sweep>),
    /// Split a run over machines: which of them measures what, for one verdict with one error rate
    #[command(
        long_about = "Split a run over machines: which of them measures what, for one verdict with one error rate.\n\nIt \
            writes a file that says which scenarios each machine measures and how many guards share the error rate. Each \
            machine measures its part with `cargo xtask perf --split FILE --part NAME`; `cargo xtask perf merge` makes one \
            report of the runs. Nothing is measured here.",
        after_help = "\
Examples:
  cargo xtask perf split --machine gpu-1x-h100=1 --machine gpu-8x-h100=8
  cargo xtask perf split awq --machine a=1 --machine b=1 --output awq.json
  cargo xtask perf --split split.json --part gpu-1x-h100 --require gpu"
    )]
    Split(Split),
    /// Make one report with one verdict from the runs of all parts
    #[command(after_help = "\
Examples:
  cargo xtask perf merge ~/runs/gpu-1x-h100 ~/runs/gpu-8x-h100
  cargo xtask perf merge 12 13 --split split.json --out merged
  cargo xtask perf show last --format markdown    the merged run, as any other")]
    Merge(Merge),
    /// Draw each guarded figure over the accepted baselines, as git has them, and the runs of this checkout
    #[command(
        long_about = "Draw each guarded figure over the accepted baselines, as git has them, and the runs of this \
            checkout.\n\nIt shows every accepted step, the anchor, and where the level changed: change points by E-divisive \
            with a t-test, the method of Apache Otava. It decides nothing: the gate does.",
        after_help = "\
Examples:
  cargo xtask perf history
  cargo xtask perf history gpu_smoke                        only some baselines
  cargo xtask perf history --html history.html              as a page with charts
  cargo xtask perf history --format csv --output history.csv"
    )]
    History(History),
    /// Say what a red run was, in baselines/red-runs.jsonl, so that a team knows its rate of false alarms
    #[command(after_help = "\
Examples:
  cargo xtask perf classify last noise --reason \"the driver was updating; held on the next night\"
  cargo xtask perf classify 12 real --reason \"vLLM 0.32.0 lost the fused kernel\"")]
    Classify(Classify),
    /// Say what the committed baselines can and cannot detect, guard by guard, and at what cost
    #[command(after_help = "\
Examples:
  cargo xtask perf power
  cargo xtask perf power awq --budget 16    if twice the engine starts were allowed")]
    Power(Power),
    /// Hold raw values against each other by the same gate, from JSON files
    #[command(
        long_about = "Hold raw values against each other by the same gate, from JSON files.\n\nA file is one metric, or a \
            list of them: {\"metric\": \"itl_p50_ms\", \"unit\": \"ms\", \"direction\": \"lower_is_better\", \
            \"tolerance\": 0.025, \"values\": [[[21.3], [21.1]]]}, where values[session][start][run] are in the metric's \
            own unit. docs/gate/reading.md says what comes out.",
        after_help = "\
Examples:
  cargo xtask perf judge --baseline before.json --candidate after.json
  cargo xtask perf judge --baseline before.json --candidate one.json two.json --json"
    )]
    Judge(Judge),
    /// Take the baselines that a run measured, here or on another machine, into this checkout
    #[command(after_help = "\
Examples:
  cargo xtask perf accept --from last                  the newest run of this checkout
  cargo xtask perf accept --from ~/Downloads/run awq   from a runner's artifact, only some
  cargo xtask perf accept --reset-anchor --reason \"0.32 trades 3 % for structured output\" awq")]
    Accept(Accept),
    /// Write the baselines again in the present form, with the slacks that the scenarios declare; what
    /// was measured stays
    #[command(after_help = "\
Examples:
  cargo xtask perf rewrite              after an update of this suite, a change of a slack, or `cargo insta review`
  cargo xtask perf rewrite cpu_smoke    only some")]
    Rewrite(Rewrite),
    /// Show a run again: its verdicts, and every figure recomputed from its records
    #[command(after_help = "\
Examples:
  cargo xtask perf show last
  cargo xtask perf show 12 cpu_smoke
  cargo xtask perf show last --format markdown             for a comment in a pull request
  cargo xtask perf show last --format junit --output junit.xml
  cargo xtask perf show ~/Downloads/run --format html --output run.html")]
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
    /// Measure the published reports' suites on the simulated engine; show their figures beside the
    /// published ones
    #[command(after_help = "\
Examples:
  cargo xtask perf published        all reports
  cargo xtask perf published F1     one of them")]
    Published(Published),
    /// Say what is wrong with this machine before a run finds out, and what to do about it
    #[command(
        long_about = "Say what is wrong with this machine before a run finds out, and what to do about it.\n\nIt looks at \
            perf.toml, GPUs and their driver, Docker, models, free space, leases, containers of dead runs and baselines. It \
            builds no scenario and changes nothing. It exits with 0 where nothing stops a run, 2 where perf.toml is wrong, \
            and 7 where something else stops it.",
        after_help = "\
Examples:
  cargo xtask perf doctor                    for the engine that a run would take here
  cargo xtask perf doctor --engine docker    on a runner, before the first run"
    )]
    Doctor(Doctor),
    /// Lay out a repository of your own that gates a vLLM with this suite
    #[command(
        long_about = "Lay out a repository of your own that gates a vLLM with this suite.\n\nIt writes manifests, a first \
            scenario, perf.toml and workflows of CI into a new folder, or into one that has none of these. It overwrites \
            nothing: where a file is in the way, nothing is written. docs/OWN-REPOSITORY.md has the steps after it.",
        after_help = "\
Examples:
  cargo xtask perf init ../our-perf    with this clone, for this machine
  cargo xtask perf init ../our-perf --source https://git.example/vllm-perf --rev v0.1.0
  cargo xtask perf init ../our-perf --source ../our-perf/vllm-perf    with a submodule of it"
    )]
    Init(Init),
    /// List the scenarios
    List,
    /// Print the JSON schema of perf.toml
    Schema,
}

/// The command whose name is nearest to a word, if one is near.
pub(crate) fn command_like(word: &str) -> Option<String> {
    let commands = PerfCommand::augment_subcommands(clap::Command::new("perf"));
    nearest(word, commands.get_subcommands().map(clap::Command::get_name)).map(str::to_owned)
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// What a run would bring its servers up with
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    pub(crate) engine: EngineChoice,
}

#[derive(Args)]
pub(crate) struct Init {
    /// The folder of the new repository; it may exist
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Where it gets vllm-perf from: a clone on this machine, or a git address; this clone if not given
    #[arg(long, value_name = "FOLDER|URL")]
    pub(crate) source: Option<String>,
    /// The commit or tag, for a git address
    #[arg(long, value_name = "COMMIT", requires = "source")]
    pub(crate) rev: Option<String>,
}

#[derive(Args)]
pub(crate) struct Accept {
    /// A run of `refresh`: its number, `last`, or a folder that was copied from another machine
    #[arg(long, value_name = "RUN", required_unless_present = "reset_anchor")]
    pub(crate) from: Option<String>,
    /// Move the anchors, against which the sum of all accepted losses is held, to the baselines
    #[arg(long, requires = "reason")]
    pub(crate) reset_anchor: bool,
    /// Why the anchors are moved; reviewers read it
    #[arg(long, value_name = "TEXT", requires = "reset_anchor")]
    pub(crate) reason: Option<String>,
    /// Only baselines with one of these in their paths
    pub(crate) filters: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Rewrite {
    /// Only baselines with one of these in their paths
    pub(crate) filters: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Power {
    /// Only baselines with one of these in their paths
    pub(crate) filters: Vec<String>,
    /// The most engine starts of a suite, over what perf.toml says
    #[arg(long, value_name = "STARTS", value_parser = clap::value_parser!(u32).range(3..=64))]
    pub(crate) budget: Option<u32>,
}

#[derive(Args)]
pub(crate) struct Judge {
    /// The baseline's values
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: PathBuf,
    /// The candidate's values; several files are judged one by one
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) candidate: Vec<PathBuf>,
    /// How many guards share the error rate; the number of metrics in the baseline's file if not
    /// given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) checks: Option<u32>,
    /// The most engine starts of a candidate, over what perf.toml says
    #[arg(long, value_name = "STARTS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) budget: Option<u32>,
    /// Print every number, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Published {
    /// Reports by their short names, such as F1; all by default
    #[arg(value_name = "REPORT")]
    pub(crate) reports: Vec<String>,
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
    /// Only records with one of these in their paths; in the formats beside the terminal, only suites
    pub(crate) filters: Vec<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub(crate) format: Format,
    /// Write it to a file instead of standard output
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) output: Option<PathBuf>,
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
        let cli = Cli::parse_from([
            "xtask",
            "perf",
            "cpu_smoke",
            "--budget",
            "4",
            "--",
            "--max-num-seqs",
            "8",
        ]);
        let Task::Perf(perf) = cli.task;
        assert_eq!(perf.gate.on.filters, ["cpu_smoke"]);
        assert_eq!(perf.gate.under_test.arguments, ["--max-num-seqs", "8"]);
    }

    #[test]
    fn the_options_of_a_load_are_handed_on_as_they_are() {
        for given in [&["--help"][..], &["--url", "http://h:1", "--sweep", "rate=1,2"][..]] {
            let cli = Cli::parse_from(["xtask", "perf", "load"].iter().chain(given));
            let Task::Perf(perf) = cli.task;
            let Some(PerfCommand::Load { options }) = perf.command else {
                panic!("{given:?} is no load")
            };
            assert_eq!(options, given);
        }
    }
}
