//! What `cargo xtask perf` asks of the tests it runs: [`Settings`], handed over in one environment
//! variable.
//!
//! A plain `cargo test` hands over nothing and gets the defaults: the simulated engine, held
//! against its baselines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::engine_kind::EngineKind;

/// The environment variable that carries the settings, as JSON.
pub const VARIABLE: &str = "PERF_SETTINGS";

/// What to do with what was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Hold it against the baseline.
    #[default]
    Gate,
    /// Make it the baseline.
    Refresh,
    /// Measure two variants alternately and hold one against the other; no baseline is asked.
    Compare,
}

/// How much may be measured before a verdict must be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Engine starts of one suite at most, over what `perf.toml` says.
    pub starts: Option<u32>,
    /// Time on GPUs of the whole run at most: seconds times GPUs, from the first start to the last
    /// stop.
    pub gpu_s: Option<f64>,
}

/// What is under test on one side of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variant {
    /// The image, for the docker engine.
    pub image: Option<String>,
    /// The `vllm` command, for the process engine.
    pub vllm: Option<PathBuf>,
    /// Engine arguments put under test, as words of a command line.
    pub arguments: Vec<String>,
    /// Engine environment variables put under test.
    pub environment: BTreeMap<String, String>,
    /// Faults that the simulated engine shows.
    pub inject: Option<String>,
}

/// What a run of the tests is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The engine.
    pub engine: EngineKind,
    /// What to do with what was measured.
    pub purpose: Purpose,
    /// Engine starts of a session that is measured for a baseline, over what `perf.toml` says.
    pub starts: Option<u32>,
    /// Runs of each load in each of these starts, over what `perf.toml` says.
    pub runs: Option<u32>,
    /// Measure nothing: only say what would be guarded, and what stands in the way of it.
    pub plans: bool,
    /// How much may be measured before a verdict must be given.
    pub budget: Budget,
    /// How many guards the whole run judges, among which it divides its error rate. Without it:
    /// those of the suite.
    pub checks: Option<u32>,
    /// On a refresh: keep the sessions of the baseline, and add one to them.
    pub adds_session: bool,
    /// What is under test.
    pub candidate: Variant,
    /// On a comparison: what it is held against. On a judged run of the process engine: where the
    /// baseline's vLLM is.
    pub base: Option<Variant>,
    /// The server's address, for the remote engine.
    pub url: Option<String>,
    /// Model files by model name, over what `perf.toml` says.
    pub models: BTreeMap<String, PathBuf>,
    /// Which session the simulated engine draws its noise for; 0 is that of the committed
    /// baselines.
    pub noise: u64,
    /// The folder that the records go to. Without one: a fixed place under the target folder.
    pub run_folder: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: EngineKind::Simulated,
            purpose: Purpose::Gate,
            starts: None,
            runs: None,
            plans: false,
            budget: Budget::default(),
            checks: None,
            adds_session: false,
            candidate: Variant::default(),
            base: None,
            url: None,
            models: BTreeMap::new(),
            noise: 0,
            run_folder: None,
        }
    }
}
