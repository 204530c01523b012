//! `perf.toml`: where models and images are, and the defaults of a run: [`Config`].
//!
//! Values only; secrets come from environment variables that a test names. Unknown keys are
//! refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::spec::access::Access;
use crate::spec::compile_cache::CompileCacheConfig;
use crate::spec::gpu_time::GpuTime;
use crate::spec::image_reference;
use crate::spec::model_location::ModelLocation;
use crate::spec::price::Price;
use crate::spec::settings::Variant;
use crate::spec::suggest::nearest;
use crate::spec::tier::Tier;

/// Everything `perf.toml` may say.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Engine starts of a session that becomes a baseline; a verdict needs 3 at least.
    pub starts: u32,
    /// Runs of each load in each start of such a session: a baseline that knows its noise better
    /// judges better for years.
    pub runs: u32,
    /// How long a server may take to become ready, in seconds.
    pub start_timeout_s: u64,
    /// The folder that holds a folder for each model, named like the model.
    pub models_folder: Option<PathBuf>,
    /// The cache of the Hugging Face hub; without it, where `HF_HUB_CACHE` or `HF_HOME` says.
    pub hub_cache: Option<PathBuf>,
    /// Models that are elsewhere.
    pub models: BTreeMap<String, ModelLocation>,
    /// How a run judges.
    pub gate: Gate,
    /// The GPU time of each tier.
    pub tiers: Tiers,
    /// What GPUs cost, by a part of their names.
    pub price: BTreeMap<String, Price>,
    /// With which cache of compiled kernels servers start.
    pub compile_cache: CompileCacheConfig,
    /// The docker engine.
    pub docker: Docker,
    /// The process engine.
    pub process: Process,
    /// Servers that are up already: the remote engine and `perf load`.
    pub remote: Access,
}

/// How a run judges. `docs/gate/method.md` says what each figure does.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// The most engine starts of one suite; what is undecided then is inconclusive.
    pub most_starts: u32,
    /// The probability that a run in which nothing changed shows any regression, over all its
    /// guards.
    pub false_alarms: f64,
    /// The probability that a guard misses a loss of twice its slack.
    pub misses: f64,
    /// Pairs of starts, old and new in turn, that a regression must survive before it fails the
    /// build.
    pub duet_pairs: u32,
    /// Pairs of starts that a comparison without a baseline may take of each suite.
    pub compare_pairs: u32,
    /// The widest band that still says enough to pass, in slacks. A guard may give its own.
    pub max_band: f64,
    /// Days after which a load that is better than its baseline, and not refreshed, fails the build.
    pub stale_after_days: u32,
}

/// The most GPU time that a run of each tier may use (`30m`, `2h`), unless `--budget` is given.
/// Without one, there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Tiers {
    /// A run for a pull request.
    pub pr: Option<GpuTime>,
    /// A run every night.
    pub nightly: Option<GpuTime>,
    /// A run of everything.
    pub full: Option<GpuTime>,
}

impl Tiers {
    /// What a run of a tier may use.
    pub fn budget(self, tier: Tier) -> Option<GpuTime> {
        match tier {
            Tier::PullRequest => self.pr,
            Tier::Nightly => self.nightly,
            Tier::Full => self.full,
        }
    }
}

/// The docker engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Docker {
    /// The image under test.
    pub image: String,
    /// Shared memory of the container, in GiB; tensor parallelism needs some.
    pub shm_size_gib: u64,
    /// The container's IPC namespace: `private` or `host`.
    pub ipc: Ipc,
    /// Memory limit of the container, in MiB; none by default.
    pub memory_mib: Option<u64>,
    /// Folders on this machine that keep compiled kernels and the like between starts, and where
    /// containers see them.
    pub caches: BTreeMap<PathBuf, PathBuf>,
}

/// A container's IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ipc {
    /// Its own.
    Private,
    /// The machine's.
    Host,
}

/// The process engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// The `vllm` command: a name on the PATH, or a path.
    pub vllm: PathBuf,
    /// The command line of another server with an OpenAI-compatible API, in place of `vllm serve`:
    /// `llama-server -m {model} --host {host} --port {port}`. `{name}` is the model's name in requests,
    /// `{args}` stands for the engine arguments.
    pub server_command: Option<String>,
}

impl Process {
    /// The command line of another server than vLLM for a variant; `None` where it is vLLM.
    pub fn server_command_of<'a>(&'a self, variant: &'a Variant) -> Option<&'a str> {
        let own = variant.server_command.as_deref();
        // A `vllm` that is named is meant.
        own.or_else(|| self.server_command.as_deref().filter(|_| variant.vllm.is_none()))
    }
}

impl Gate {
    /// Names the key that no gate can follow, if one is there.
    fn check(&self) -> Result<(), String> {
        let Self { most_starts, false_alarms, misses, duet_pairs, compare_pairs, max_band, .. } =
            *self;
        if !(3..=64).contains(&most_starts) {
            return Err(format!(
                "gate.most_starts = {most_starts} allows no verdict; nothing is called a change on fewer than 3 engine \
                 starts, and 64 are the most"
            ));
        }
        for (key, rate) in [("false_alarms", false_alarms), ("misses", misses)] {
            if !(rate > 0.0 && rate < 0.5) {
                return Err(format!(
                    "gate.{key} = {rate} is not an error rate; it must be above 0 and below 0.5 (0.05 is 5 %)"
                ));
            }
        }
        if !(1.0..=100.0).contains(&max_band) {
            return Err(format!(
                "gate.max_band = {max_band} is no limit to a band; give one from 1 to 100 slacks, 2 is usual"
            ));
        }
        if !(3..=64).contains(&compare_pairs) {
            return Err(format!(
                "gate.compare_pairs = {compare_pairs} allows no verdict; nothing is decided on fewer than 3 pairs, and 64 are \
                 the most"
            ));
        }
        if duet_pairs > 64 {
            return Err(format!(
                "gate.duet_pairs = {duet_pairs} are too many; 64 are the most, 4 are usual"
            ));
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            starts: 5,
            runs: 3,
            start_timeout_s: 1_200,
            models_folder: None,
            hub_cache: None,
            models: BTreeMap::new(),
            gate: Gate::default(),
            tiers: Tiers::default(),
            price: BTreeMap::new(),
            compile_cache: CompileCacheConfig::default(),
            docker: Docker::default(),
            process: Process::default(),
            remote: Access::default(),
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            most_starts: 8,
            false_alarms: 0.05,
            misses: 0.05,
            duet_pairs: 4,
            compare_pairs: u32::try_from(perf_gate::COMPARISON_PAIRS).unwrap_or(u32::MAX),
            max_band: perf_gate::MAX_BAND,
            stale_after_days: 14,
        }
    }
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            image: "vllm/vllm-openai:latest".to_owned(),
            shm_size_gib: 16,
            ipc: Ipc::Private,
            memory_mib: None,
            caches: BTreeMap::new(),
        }
    }
}

impl Default for Process {
    fn default() -> Self {
        Self { vllm: PathBuf::from("vllm"), server_command: None }
    }
}

/// Why `perf.toml` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// What is wrong, where, and what was probably meant.
    pub message: String,
}

impl Config {
    /// Reads the text of a `perf.toml`.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|error| ConfigError { message: explain(&error.to_string()) })?;
        let fault = config.fault();
        fault.map_or(Ok(config), |message| Err(ConfigError { message }))
    }

    /// What cannot be meant, with its key.
    fn fault(&self) -> Option<String> {
        let Self {
            starts,
            runs,
            start_timeout_s,
            models_folder,
            models,
            gate,
            compile_cache,
            docker,
            process,
            ..
        } = self;
        let zeros = [
            (*starts == 0, "starts = 0 measures nothing; a verdict needs 3 at least"),
            (*runs == 0, "runs = 0 measures nothing; 3 are usual"),
            (
                *start_timeout_s == 0,
                "start_timeout_s = 0 gives no server the time to start; 1200 is usual",
            ),
            (
                docker.shm_size_gib == 0,
                "docker.shm_size_gib = 0 leaves no shared memory; 16 is usual",
            ),
            (
                docker.memory_mib == Some(0),
                "docker.memory_mib = 0 leaves no memory; leave it out for no limit",
            ),
            (process.vllm.as_os_str().is_empty(), "process.vllm is empty; name the `vllm` command"),
            (
                models_folder.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()),
                "models_folder is empty; name a folder",
            ),
        ];
        let zeros =
            zeros.into_iter().filter(|(is_so, _)| *is_so).map(|(_, message)| message.to_owned());
        let excess = [
            ("starts", u64::from(*starts), 64, "5 are usual"),
            ("runs", u64::from(*runs), 64, "3 are usual"),
            ("start_timeout_s", *start_timeout_s, 86_400, "which is a day; 1200 is usual"),
            ("gate.stale_after_days", u64::from(gate.stale_after_days), 3_650, "14 is usual"),
            ("docker.shm_size_gib", docker.shm_size_gib, 1 << 16, "16 is usual"),
            ("docker.memory_mib", docker.memory_mib.unwrap_or(0), 1 << 30, "which is a pebibyte"),
        ];
        let excess = excess.into_iter().filter(|(_, value, most, _)| value > most).map(
            |(key, value, most, hint)| format!("{key} = {value}: the limit is {most}, {hint}"),
        );
        let image =
            image_reference::check(&docker.image).err().map(|why| format!("docker.image: {why}"));
        let nowhere = models.iter().find_map(|(name, location)| location.fault(name));
        let relative = docker.caches.values().find(|inside| !inside.is_absolute());
        let relative = relative.map(|inside| {
            format!(
                "docker.caches: {} is where containers see a cache; it must begin with a slash",
                inside.display()
            )
        });
        zeros
            .chain(excess)
            .chain(gate.check().err())
            .chain(compile_cache.fault())
            .chain(image)
            .chain(nowhere)
            .chain(relative)
            .chain(self.remote.check().err().map(|why| format!("remote: {why}")))
            .next()
    }

    /// The JSON schema of `perf.toml`, for editors.
    pub const fn schema() -> &'static str {
        include_str!("../../perf.schema.json")
    }
}

/// Adds the nearest known key to the parser's message about an unknown one, which quotes both in
/// backticks.
fn explain(message: &str) -> String {
    let message = message.trim_end();
    let hint = message.split_once("unknown field `").and_then(|(_, rest)| {
        let mut quoted = rest.split('`').step_by(2);
        let unknown = quoted.next()?;
        nearest(unknown, quoted)
    });
    match hint {
        Some(known) => format!("{message}\ndid you mean `{known}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
