//! The options of `cargo xtask perf sweep`: [`Sweep`].

use clap::Args;
use perf_model::spec::gpu_time::GpuTime;
use perf_model::spec::settings::Budget;

use super::measuring::{EngineChoice, Required, UnderTest, budget};
use super::reach::Reach;

/// `cargo xtask perf sweep`: one server and load at many settings.
#[derive(Args)]
pub(crate) struct Sweep {
    /// Sweeps, or scenarios (`file::test`), with one of these in their names
    pub(crate) filters: Vec<String>,

    /// Go on with a run that was not finished: its number, `last`, or a folder. It keeps everything
    /// that it was asked for, and measures no finished cell again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["filters", "axes", "model", "engine", "url", "noise", "arguments", "image", "vllm", "env", "inject"])]
    pub(crate) resume: Option<String>,

    /// The most that may be measured: engine starts of each sweep, or GPU time (`8`, `90m`, `2h`);
    /// what does not fit is not run, and `--resume` goes on with it
    #[arg(long, value_name = "STARTS|TIME", value_parser = budget)]
    pub(crate) budget: Option<Budget>,

    /// The most servers at once, as far as GPUs are free, in place of what the sweep declares. They may
    /// slow each other down, and each record names the others
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) side_by_side: Option<u32>,

    /// What brings the server up
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    pub(crate) engine: EngineChoice,

    /// The server's address, for `--engine remote`
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    #[command(flatten)]
    pub(crate) reach: Reach,

    /// The model of a sweep that no test declares, or where a model's files are, over what perf.toml
    /// says, or both
    #[arg(long, value_name = "NAME[=FOLDER]")]
    pub(crate) model: Vec<String>,

    /// Without this hardware (and Docker): an error, never a fall back to the simulated engine
    #[arg(long, value_enum)]
    pub(crate) require: Option<Required>,

    /// Which draw of the simulated engine's noise this is
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) noise: u64,

    /// Wait for GPUs that are in use, for so long at most (`90s`, `30m`, `2h`); without it that is an error
    /// at once
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "30m")]
    pub(crate) wait: Option<GpuTime>,

    #[command(flatten)]
    pub(crate) one_off: OneOff,

    #[command(flatten)]
    pub(crate) under_test: UnderTest,
}

/// A sweep that no test declares.
#[derive(Args)]
#[command(next_help_heading = "A sweep that no test declares")]
pub(crate) struct OneOff {
    /// What to vary: an engine flag (`--axis=--max-num-seqs=8,64`), or one of tp, dp, pp, ep (on,
    /// off), concurrency, rate (requests/s), input, output (tokens)
    #[arg(long = "axis", value_name = "NAME=VALUE,VALUE", allow_hyphen_values = true)]
    pub(crate) axes: Vec<String>,

    /// Tokens of each prompt
    #[arg(long, value_name = "TOKENS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) input: u32,

    /// Tokens of each answer
    #[arg(long, value_name = "TOKENS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) output: u32,

    /// Requests of each cell, after as many to warm up as are in flight
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: u32,

    /// Requests in flight, where no axis says it
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,

    /// Engine starts for each server; with several, the report knows how much they differ
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) starts: u32,

    /// How late the sends of a rate may be at P99, and half of how late the client's event loop may
    /// wake, before the client was the limit and the cell fails; for a vLLM that computes on the
    /// client's cores [default: 5]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=600_000))]
    pub(crate) lateness_limit: Option<u32>,

    /// GPUs of a server, where no axis of tp, dp or pp says it; by default 1 on a machine with GPUs
    #[arg(long, value_name = "N")]
    pub(crate) gpus: Option<u8>,

    /// The profile of the simulated engine
    #[arg(long, value_name = "PROFILE")]
    pub(crate) simulated_as: Option<String>,
}
