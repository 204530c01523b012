//! The options of the commands for a run on several machines: [`Split`], [`Merge`], and [`PartOf`] of a run
//! that is one of its parts.

use std::path::PathBuf;

use clap::Args;
use perf_model::spec::split::Machine;
use perf_model::spec::tier::Tier;

/// `cargo xtask perf split`: give the scenarios to machines.
#[derive(Args)]
pub(crate) struct Split {
    /// Only scenarios with one of these in their names (`file::test`)
    pub(crate) filters: Vec<String>,

    /// A machine, and its GPUs. Each scenario goes to the machine with the fewest GPUs that it can run on;
    /// a machine without a number takes every scenario
    #[arg(long, value_name = "NAME[=GPUS]", required = true)]
    pub(crate) machine: Vec<Machine>,

    /// How much to measure: pr, nightly or full, each with all that those before it measure
    /// [default: pr, or with FILTERS everything that they name]
    #[arg(long)]
    pub(crate) tier: Option<Tier>,

    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "split.json")]
    pub(crate) output: PathBuf,

    /// Build the scenarios for GPUs and put their programs into this folder, so that the machines build
    /// nothing: they measure with `--built FOLDER`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) build: Option<PathBuf>,
}

/// `cargo xtask perf merge`: one verdict from the runs of all parts.
#[derive(Args)]
pub(crate) struct Merge {
    /// The runs of the parts, each a number, `last`, or a folder that was copied from another machine
    #[arg(value_name = "RUN", required_unless_present = "split")]
    pub(crate) runs: Vec<String>,

    /// The split; without it the runs say what it is, which they cannot where every machine died
    #[arg(long, value_name = "FILE")]
    pub(crate) split: Option<PathBuf>,

    /// The folder for the merged run, which must be new or empty; without it, the next run
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// Of a run that is a part of a split one.
#[derive(Args)]
pub(crate) struct PartOf {
    /// Measure a part of a run that is split over machines: the file that `split` wrote. It says which
    /// scenarios and tier, and how many guards share the error rate
    #[arg(long, value_name = "FILE", requires = "part", conflicts_with_all = ["filters", "tier"])]
    pub(crate) split: Option<PathBuf>,

    /// The name of the part
    #[arg(long, value_name = "NAME", requires = "split")]
    pub(crate) part: Option<String>,

    /// Take the part's scenarios from a folder that `split --build` wrote; nothing is built then
    #[arg(long, value_name = "FOLDER", requires = "part")]
    pub(crate) built: Option<PathBuf>,
}
