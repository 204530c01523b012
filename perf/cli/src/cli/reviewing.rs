//! The options of the commands that look at what happened over time: [`History`], [`Classify`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `cargo xtask perf history`: guarded figures over the accepted baselines.
#[derive(Args)]
pub(crate) struct History {
    /// Only baselines with one of these in their paths
    pub(crate) filters: Vec<String>,

    /// How to show it
    #[arg(long, value_enum, default_value_t = HistoryFormat::Terminal)]
    pub(crate) format: HistoryFormat,

    /// Write it to a file instead of standard output
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) output: Option<PathBuf>,

    /// Write a page with charts to this file: `--format html --output FILE` in short
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "output"])]
    pub(crate) html: Option<PathBuf>,
}

/// How histories are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryFormat {
    /// A line for each point, in 80 columns
    Terminal,
    /// One page without scripts, with charts
    Html,
    /// One document
    Json,
    /// A row for each point
    Csv,
}

/// `cargo xtask perf classify`: what a red run was.
#[derive(Args)]
pub(crate) struct Classify {
    /// A red run: its number, `last`, or a folder
    pub(crate) run: String,

    /// What it was
    #[arg(value_enum)]
    pub(crate) cause: CauseChoice,

    /// How you know; reviewers read it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// What a red run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CauseChoice {
    /// The software became worse, and that was or will be corrected
    Real,
    /// Nothing changed: a false alarm
    Noise,
    /// The software became worse, and that was accepted
    Accepted,
}
