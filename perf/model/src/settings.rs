//! What `cargo xtask perf` asks of the tests it runs: [`Settings`], handed over in one environment variable.
//!
//! A plain `cargo test` hands over nothing and gets the defaults: the simulated engine, held against its baselines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fingerprint::EngineKind;

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
}

/// What a run of the tests is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The engine.
    pub engine: EngineKind,
    /// What to do with what was measured.
    pub purpose: Purpose,
    /// Engine starts, over what `perf.toml` says.
    pub starts: Option<u32>,
    /// The image under test, over what `perf.toml` says.
    pub image: Option<String>,
    /// The `vllm` command, for the process engine.
    pub vllm: Option<PathBuf>,
    /// The server's address, for the remote engine.
    pub url: Option<String>,
    /// Model files by model name, over what `perf.toml` says.
    pub models: BTreeMap<String, PathBuf>,
    /// Engine arguments put under test, as words of a command line.
    pub arguments: Vec<String>,
    /// Engine environment variables put under test.
    pub environment: BTreeMap<String, String>,
    /// Faults that the simulated engine shows.
    pub inject: Option<String>,
    /// The folder that the records go to. Without one: a fixed place under the target folder.
    pub run_folder: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: EngineKind::Simulated,
            purpose: Purpose::Gate,
            starts: None,
            image: None,
            vllm: None,
            url: None,
            models: BTreeMap::new(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            inject: None,
            run_folder: None,
        }
    }
}
