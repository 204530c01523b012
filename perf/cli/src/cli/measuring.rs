//! The options of the commands that measure: [`Gate`], [`Refresh`], [`Compare`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::gpu_time::GpuTime;
use perf_model::spec::settings::Budget;
use perf_model::spec::tier::Tier;

use super::reach::Reach;
use super::splitting::PartOf;

/// `cargo xtask perf`: hold what is measured against the baselines.
#[derive(Args)]
pub(crate) struct Gate {
    #[command(flatten)]
    pub(crate) on: On,
    #[command(flatten)]
    pub(crate) under_test: UnderTest,

    /// The most that may be measured: engine starts of each suite, or GPU time of the whole run
    /// (`8`, `90m`, `2h`); without it, the GPU time of the tier in perf.toml
    #[arg(long, value_name = "STARTS|TIME", value_parser = budget)]
    pub(crate) budget: Option<Budget>,

    /// The `vllm` that the baseline was measured on, for `--engine process`: a regression is
    /// confirmed beside it
    #[arg(long, value_name = "PATH")]
    pub(crate) base_vllm: Option<PathBuf>,

    /// Do the work of each load once more with `vllm bench throughput` of the same image or command, and
    /// show what the engine reaches without a server. It decides nothing
    #[arg(long)]
    pub(crate) cross_check: bool,

    #[command(flatten)]
    pub(crate) part_of: PartOf,
}

/// `cargo xtask perf refresh`: make what is measured the baseline.
#[derive(Args)]
pub(crate) struct Refresh {
    #[command(flatten)]
    pub(crate) on: On,
    #[command(flatten)]
    pub(crate) under_test: UnderTest,

    /// Engine starts of the session, over what perf.toml says; a verdict needs 3 at least
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) starts: Option<u32>,

    /// Runs of each load in each start, over what perf.toml says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: Option<u32>,

    /// Keep the sessions of the baseline, and add one to them: on another day it tells what differs
    /// from day to day
    #[arg(long)]
    pub(crate) add_session: bool,
}

/// `cargo xtask perf compare`: hold two variants against each other.
#[derive(Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) on: On,

    /// What to hold the candidate against: an image; with `--engine process` a `vllm` command, or another
    /// server's command line with {port}; with
    /// `--engine simulated` the faults to show, or `none`
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: String,

    /// What is under test, of the same kind; without it the base itself, with the engine arguments
    /// under test
    #[arg(long, value_name = "IMAGE")]
    pub(crate) candidate: Option<String>,

    /// The most that may be measured: pairs of engine starts of each suite, or GPU time of the
    /// whole run (`20`, `90m`, `2h`); without it, the pairs that perf.toml says. Each load runs three
    /// times in each start. Most guards need 3 or 4 pairs, and noisy ones 12
    #[arg(long, value_name = "PAIRS|TIME", value_parser = budget)]
    pub(crate) budget: Option<Budget>,

    /// An environment variable of the candidate
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,

    /// Engine arguments of the candidate, over the declared ones
    #[arg(last = true, value_name = "ENGINE ARGUMENTS")]
    pub(crate) arguments: Vec<String>,
}

/// What to measure, and on what.
#[derive(Args)]
pub(crate) struct On {
    /// Only scenarios with one of these in their names (`file::test`)
    pub(crate) filters: Vec<String>,

    /// How much to measure: pr, nightly or full, each with all that those before it measure
    /// [default: pr, or with FILTERS everything that they name]
    #[arg(long)]
    pub(crate) tier: Option<Tier>,

    /// What brings the server up
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    pub(crate) engine: EngineChoice,

    /// The server's address, for `--engine remote`
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    #[command(flatten)]
    pub(crate) reach: Reach,

    /// Where a model's files are, over what perf.toml says
    #[arg(long, value_name = "NAME=FOLDER", value_parser = pair)]
    pub(crate) model: Vec<(String, String)>,

    /// Without this hardware (and Docker): an error, never a fall back to the simulated engine
    #[arg(long, value_enum)]
    pub(crate) require: Option<Required>,

    /// Wait for GPUs that are in use, for so long at most (`90s`, `30m`, `2h`); without it that is an error
    /// at once
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "30m")]
    pub(crate) wait: Option<GpuTime>,

    /// Which draw of the simulated engine's noise this is; 0 is that of the committed baselines
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) noise: u64,
}

/// What is put under test, over what tests and perf.toml say.
#[derive(Args)]
pub(crate) struct UnderTest {
    /// The image under test, over the one in perf.toml; `name:tag` or `name@sha256:…`
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// The `vllm` command, for `--engine process`
    #[arg(long, value_name = "PATH")]
    pub(crate) vllm: Option<PathBuf>,

    /// The command line of another server in place of `vllm serve`, for `--engine process`, such as
    /// 'llama-server -m {model} --port {port}'; {name}, {host} and {args} (the engine arguments) may stand in
    /// it too
    #[arg(long, value_name = "COMMAND", conflicts_with = "vllm")]
    pub(crate) server_command: Option<String>,

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

impl EngineChoice {
    /// The engine that was named; nothing where the machine decides.
    pub(crate) fn named(self) -> Option<EngineKind> {
        match self {
            Self::Auto => None,
            Self::Docker => Some(EngineKind::Docker),
            Self::Process => Some(EngineKind::Process),
            Self::Remote => Some(EngineKind::Remote),
            Self::Simulated => Some(EngineKind::Simulated),
        }
    }
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

/// `8` is starts; `90s`, `90m` and `2h` are GPU time.
pub(super) fn budget(text: &str) -> Result<Budget, String> {
    let wrong = || format!("`{text}` is no budget: give engine starts (8) or GPU time (90m, 2h)");
    if let Ok(starts) = text.parse::<u32>() {
        return if starts > 0 {
            Ok(Budget { starts: Some(starts), gpu_s: None })
        } else {
            Err(wrong())
        };
    }
    let time: GpuTime = text.parse().map_err(|_| wrong())?;
    Ok(Budget { starts: None, gpu_s: Some(time.seconds()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_starts_or_time() {
        assert_eq!(budget("8"), Ok(Budget { starts: Some(8), gpu_s: None }));
        assert_eq!(budget("1.5h"), Ok(Budget { starts: None, gpu_s: Some(5_400.0) }));
        for wrong in ["0", "", "h", "8 starts", "-3m", "8d", "NaNs", "–"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }
}
