//! The types of the JSON document of a run. Their names and docs are those of the published schema.

use serde::{Deserialize, Serialize};

/// The version of the document. It rises when a key changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// A run of the performance tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The version of this format.
    pub schema: u32,
    /// The verdict of the whole; null where no suite ran.
    pub verdict: Option<VerdictName>,
    /// What `cargo xtask perf` exits with for this run.
    pub exit_code: u8,
    /// Whether the run came to its end.
    pub complete: bool,
    /// Whether any figure is of the simulated engine, which says nothing about a GPU.
    pub simulated: bool,
    /// The result in a few words.
    pub headline: String,
    /// What to do about it, with the command in backticks; null where there is nothing to do.
    pub next: Option<String>,
    /// What is under test.
    pub under_test: Option<String>,
    /// What the run took: seconds times GPUs.
    pub gpu_seconds: f64,
    /// The parts that the run was merged from, in their order; absent for a run on one machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What a reader should know of the parts, and decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The suites, in the order they ran.
    pub suites: Vec<Suite>,
}

/// A part of a run that was split over machines. Its guards share the error rate with those of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its guards.
    pub guards: u32,
    /// What was found of it.
    pub state: PartState,
}

/// What was found of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// A run that came to its end.
    Complete,
    /// A run that did not come to its end.
    Unfinished,
    /// No run.
    Missing,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerdictName {
    /// Better than the baseline by more than noise and slack explain.
    Improved,
    /// Within the slack.
    Held,
    /// Not run, because this machine lacks what it needs.
    Skipped,
    /// The budget was used up before a decision.
    Inconclusive,
    /// There is no baseline yet.
    Unrecorded,
    /// The baseline is of another machine, model, workload or argument.
    Incomparable,
    /// The run cannot be trusted.
    Invalid,
    /// Better than the baseline for too long.
    Stale,
    /// The accepted losses since the anchor add up to more than the slack.
    Creep,
    /// Worse than the baseline by more than the slack.
    Regressed,
}

/// One server configuration and its loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// The engine it ran on: docker, process, remote or simulated.
    pub engine: String,
    /// The worst verdict of its loads.
    pub verdict: VerdictName,
    /// Why it was skipped, or could not be measured.
    pub remark: Option<String>,
    /// What it took: seconds times GPUs.
    pub gpu_seconds: f64,
    /// Its loads; empty where it was not measured.
    pub loads: Vec<Load>,
}

/// One load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// The worst verdict of its guards, or why there is none.
    pub verdict: VerdictName,
    /// The hardware it ran on.
    pub hardware: String,
    /// The model; null where it is not known.
    pub model: Option<String>,
    /// What was asked.
    pub workload: String,
    /// When it was asked.
    pub arrivals: String,
    /// How many engine starts were measured.
    pub engine_starts: usize,
    /// Guarded figures first, then others worth seeing.
    pub figures: Vec<Figure>,
    /// What is under test and differs from the baseline.
    pub under_test: Vec<Difference>,
    /// What makes it incomparable with the baseline.
    pub incomparable: Vec<Difference>,
    /// Faults, then what a reader should know beside the figures.
    pub notes: Vec<Note>,
    /// The baseline's file, from the repository's root.
    pub baseline_file: String,
    /// The folder of the records.
    pub records: String,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Its key, which ends in the unit: `e2e_p50_ms`.
    pub metric: String,
    /// Its name for people.
    pub label: String,
    /// The unit of its values.
    pub unit: String,
    /// The direction that is better.
    pub better: Direction,
    /// What somebody else published for it.
    pub published: Option<f64>,
    /// The median of the baseline's engine starts.
    pub baseline: Option<f64>,
    /// The baseline's engine starts.
    pub baseline_starts: Vec<f64>,
    /// Whether the baseline is an estimate.
    pub baseline_estimated: bool,
    /// The median of the measured engine starts; null where it could not be measured.
    pub measured: Option<f64>,
    /// The measured engine starts.
    pub starts: Vec<f64>,
    /// Whether what was measured is an estimate.
    pub estimated: bool,
    /// Measured over baseline, less one: 0.01 is 1 % more.
    pub change: Option<f64>,
    /// The guard on it; null where it is not guarded.
    pub guard: Option<Guard>,
}

/// The direction that is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What the gate says of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Its verdict.
    pub verdict: VerdictName,
    /// Why, where the figures alone do not say it.
    pub reason: Option<String>,
    /// How far it may move the wrong way, as declared: 0.025 is 2.5 %.
    pub slack: f64,
    /// The slack, or more where the noise allows no less; null where it was not judged.
    pub band: Option<f64>,
    /// The value that may just be reached.
    pub limit: Option<f64>,
    /// The lower end of the 95 % confidence interval of the change.
    pub change_low: Option<f64>,
    /// Its upper end.
    pub change_high: Option<f64>,
    /// The standard error of the change, as a difference of natural logarithms.
    pub standard_error: Option<f64>,
    /// The relative loss that is detected in 95 of 100 cases.
    pub detects: Option<f64>,
}

/// One thing in which the run and its baseline differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// What it is: image, driver, argument.
    pub what: String,
    /// In the baseline.
    pub baseline: String,
    /// Now.
    pub measured: String,
}

/// What a reader should know beside the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// A stable name of its kind: `requests_failed`.
    pub code: String,
    /// How serious it is.
    pub severity: Severity,
    /// The engine start that it is about; null where it is about the load.
    pub at: Option<String>,
    /// What happened.
    pub message: String,
}

/// How serious a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The figures must not be judged.
    Fault,
    /// The figures are weaker than they look.
    Warning,
    /// For information.
    Information,
}
