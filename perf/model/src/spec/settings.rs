//! What `cargo xtask perf` wants from the tests that it runs: [`Settings`], passed in one
//! environment variable.
//!
//! A plain `cargo test` passes nothing and gets the defaults: the simulated engine, compared with
//! its baselines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::access::Access;
use crate::spec::engine_kind::EngineKind;
use crate::spec::tier::Tier;

/// The environment variable that carries the settings, as JSON.
pub const VARIABLE: &str = "PERF_SETTINGS";

/// The environment variable with the process id of the command that runs a test. When that process
/// is gone, the test measures for no one, and stops.
pub const COMMAND_VARIABLE: &str = "PERF_COMMAND_PID";

/// What to do with the measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Compare it with the baseline.
    #[default]
    Gate,
    /// Make it the baseline.
    Refresh,
    /// Measure two variants in turn and compare them; no baseline is used.
    Compare,
}

/// How much may be measured before a verdict must be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// The most engine starts of one suite; overrides `perf.toml`.
    pub starts: Option<u32>,
    /// The most GPU time of the whole run: seconds × GPUs, from the first start to the last
    /// stop.
    pub gpu_s: Option<f64>,
}

/// What stands in a fingerprint before the command line of another server than vLLM, among what is under
/// test.
pub const SERVER_COMMAND: &str = "server_command=";

/// What is under test on one side of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variant {
    /// The image, for the docker engine.
    pub image: Option<String>,
    /// The `vllm` command, for the process engine.
    pub vllm: Option<PathBuf>,
    /// The command line of another server, for the process engine, in place of `vllm`. It has placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_command: Option<String>,
    /// Engine arguments put under test, as words of a command line.
    pub arguments: Vec<String>,
    /// Engine environment variables put under test.
    pub environment: BTreeMap<String, String>,
    /// Faults that the simulated engine injects.
    pub inject: Option<String>,
}

/// A sweep that was asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SweepRequest {
    /// Names of scenarios or sweeps; a part of the name is enough.
    pub filters: Vec<String>,
    /// Whether a run is continued that was not finished.
    pub resumes: bool,
    /// A sweep that no test declares.
    pub one_off: Option<OneOffSweep>,
    /// The most servers at once, in place of what the sweep declares.
    pub side_by_side: Option<u32>,
}

/// A sweep that no test declares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneOffSweep {
    /// The model.
    pub model: String,
    /// GPUs of a server, where no axis decides it.
    pub gpus: u8,
    /// The axes, as on the command line: `--max-num-seqs=8,64`, `concurrency=1,8`.
    pub axes: Vec<String>,
    /// Tokens of each prompt.
    pub input: u32,
    /// Tokens of each answer.
    pub output: u32,
    /// Requests of each cell.
    pub requests: u32,
    /// Requests in flight, where no axis decides it.
    pub concurrency: u32,
    /// Engine starts for each server.
    pub starts: u32,
    /// How late a send may be at P99, in milliseconds, and half of how late the client's event loop
    /// may wake, over the usual limit of a load.
    pub lateness_limit_ms: Option<u32>,
    /// The profile of the simulated engine.
    pub simulated_as: Option<String>,
}

/// What a run of the tests does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The engine.
    pub engine: EngineKind,
    /// What to do with the measurement.
    pub purpose: Purpose,
    /// Engine starts of a session that is measured for a baseline; overrides `perf.toml`.
    pub starts: Option<u32>,
    /// Repetitions of each load in each of these starts; overrides `perf.toml`.
    pub runs: Option<u32>,
    /// Measure nothing: only report what would be guarded, and what prevents that.
    pub plans: bool,
    /// How much is measured: suites and loads of higher tiers are left out.
    pub tier: Tier,
    /// How much may be measured before a verdict must be given.
    pub budget: Budget,
    /// The number of guards in the whole run, which share its error rate. Without it: the guards
    /// of the suite.
    pub checks: Option<u32>,
    /// On a refresh: keep the sessions of the baseline, and add one to them.
    pub adds_session: bool,
    /// Whether `vllm bench throughput` does the work of each load once as well, in the same image.
    pub cross_checks: bool,
    /// What is under test.
    pub candidate: Variant,
    /// In a comparison: the other side. In a judged run of the process engine: the path of the
    /// baseline's vLLM.
    pub base: Option<Variant>,
    /// The server's address, for the remote engine.
    pub url: Option<String>,
    /// How it is reached, over what `perf.toml` says.
    pub access: Access,
    /// Model files by model name; overrides `perf.toml`.
    pub models: BTreeMap<String, PathBuf>,
    /// The session whose noise the simulated engine draws; 0 is that of the committed
    /// baselines.
    pub noise: u64,
    /// The sweep to measure. With it, suites are not measured; without it, sweeps are measured only
    /// by a plain `cargo test`.
    pub sweep: Option<SweepRequest>,
    /// How long to wait for hardware that is in use, in seconds. Without it, that is an error at once.
    pub wait_s: Option<u64>,
    /// The folder for the records. Without it: a fixed folder under the target folder.
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
            tier: Tier::Full,
            budget: Budget::default(),
            checks: None,
            adds_session: false,
            cross_checks: false,
            candidate: Variant::default(),
            base: None,
            url: None,
            access: Access::default(),
            models: BTreeMap::new(),
            noise: 0,
            sweep: None,
            wait_s: None,
            run_folder: None,
        }
    }
}
