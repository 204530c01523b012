//! A machine with a model on it: memory, step times, noise and output lengths: [`Profile`].

use serde::Deserialize;

use crate::nearest::nearest;
use crate::parallel::Parallel;

/// Everything that distinguishes one simulated deployment from another.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name by which it is selected.
    pub name: String,
    /// The deployment that it models, and the source of its figures.
    pub description: String,
    /// The device.
    pub machine: Machine,
    /// The model on it.
    pub model: Model,
    /// What vLLM chooses on this device when no argument says otherwise.
    pub defaults: Defaults,
    /// How long a step of the engine takes.
    pub step: Step,
    /// What the API server adds.
    pub http: Http,
    /// How much measured times vary.
    pub noise: Noise,
    /// When the model stops by itself.
    pub natural_length: NaturalLength,
    /// How long a start takes.
    pub startup: Startup,
    /// How it behaves when it is spread over GPUs; without it, its step times hold for any size.
    #[serde(default)]
    pub parallel: Option<Parallel>,
}

/// The device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name as the driver gives it; `CPU` for none.
    pub gpu: String,
    /// Memory of one GPU in GiB.
    pub memory_gib: f64,
    /// Number of GPUs on which the step times were measured; 0 for a CPU.
    pub gpus: u32,
}

/// The model and the memory it needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Weights in GiB, all GPUs together.
    pub weights_gib: f64,
    /// KV cache of one token in bytes, all GPUs together.
    pub kv_bytes_per_token: u64,
    /// Size of the KV cache in tokens where memory does not decide it (CPU).
    pub kv_cache_tokens: Option<usize>,
    /// The longest context that the model supports.
    pub max_model_len: usize,
    /// Token ids are smaller than this.
    pub vocab_size: u32,
    /// Peak memory per GPU in addition to weights and cache, in GiB: activations, and
    /// repacking of quantised weights.
    pub activation_gib: f64,
    /// Memory per GPU that CUDA graphs take at any context length, in GiB; not counted
    /// against the utilisation limit.
    pub graph_gib: f64,
    /// Memory per GPU that CUDA graphs take for each 1,024 tokens of max-model-len, in GiB.
    pub graph_gib_per_1k_len: f64,
    /// The system message that the model's chat template adds to a conversation without one.
    pub system_message: Option<String>,
}

/// What vLLM chooses when no argument says otherwise.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Requests in one batch.
    pub max_num_seqs: usize,
    /// Tokens computed in one step.
    pub max_num_batched_tokens: usize,
}

/// Time of one engine step: the sum of these.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Every step, in milliseconds: the time to read the weights once.
    pub base_ms: f64,
    /// Each prompt token computed, in microseconds.
    pub prefill_token_us: f64,
    /// Each sequence that decodes, in microseconds.
    pub decode_seq_us: f64,
    /// Each token of context that a decoding sequence reads, in nanoseconds.
    pub context_token_ns: f64,
    /// Decode is this many times slower without CUDA graphs (`--enforce-eager`).
    pub eager_factor: f64,
}

/// What the API server adds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// From the request's arrival to the scheduler's queue, in milliseconds.
    pub admission_ms: f64,
    /// Share of streamed tokens that are sent in one chunk with the next token.
    pub merged_chunk_share: f64,
}

/// How much measured times vary: coefficients of variation of log-normal factors on the step
/// time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// One draw per server start.
    pub start_cv: f64,
    /// One draw per interval of `drift_s` seconds: the cause of differences between repetitions on
    /// one server.
    pub drift_cv: f64,
    /// Length of such an interval.
    pub drift_s: f64,
    /// One draw per step.
    pub step_cv: f64,
}

/// How many tokens the model generates without `ignore_eos` and without a limit.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NaturalLength {
    /// Points (share of requests, tokens) of the distribution, joined by straight lines; shares go
    /// from 0 to 1.
    pub quantiles: Vec<(f64, f64)>,
}

/// How long a start takes, in seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Startup {
    /// Imports, configuration, worker processes.
    pub init_s: f64,
    /// Loading weights.
    pub weights_s: f64,
    /// Compilation, profiling, and capture of CUDA graphs; the last two thirds are skipped by
    /// `--enforce-eager`.
    pub capture_s: f64,
    /// The part of `capture_s` in which CUDA graphs are captured; a third if absent.
    pub graphs_s: Option<f64>,
    /// What the first step after the start takes in addition to its time: kernels are loaded and
    /// compiled when they are first used.
    #[serde(default)]
    pub first_step_s: f64,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The name is not that of a built-in profile.
    #[error("no profile is called `{name}`; the nearest is `{nearest}`, and there are {known}")]
    Unknown {
        /// The unknown name.
        name: String,
        /// The most similar known name.
        nearest: String,
        /// All known names.
        known: String,
    },
    /// The text is not a profile.
    #[error("this is not a profile: {0}; compare it with perf/sim/profiles/generic.toml")]
    Syntax(#[from] Box<toml::de::Error>),
    /// A figure is out of range.
    #[error("profile `{name}`: {field} {wrong}; correct it there")]
    Value {
        /// The profile's name.
        name: String,
        /// The key of the figure.
        field: &'static str,
        /// What is wrong with the figure.
        wrong: String,
    },
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../profiles/", $name, ".toml")))),+]
    };
}

/// Name and text of each built-in profile; `generic` is the default.
const BUILT_IN: [(&str, &str); 15] = built_in![
    "generic",
    "qwen2-1.5b-bf16-1x3090",
    "qwen2.5-14b-awq-1x32gb",
    "qwen2.5-14b-awq-marlin-1x4090",
    "qwen2.5-14b-fp16-1x32gb",
    "qwen2.5-14b-fp16-2x4090",
    "qwen2.5-14b-fp16-tuned-2x4090",
    "qwen2.5-14b-gptq-int8-1x32gb",
    "qwen2.5-32b-awq-marlin-2x4090",
    "qwen2.5-32b-fp16-4x4090",
    "qwen2.5-7b-awq-1x5060ti",
    "qwen2.5-7b-bf16-1xh200",
    "qwen3-8b-8gpus",
    "tiny-cpu",
    "unsteady",
];

/// The built-in profile of that name.
pub fn profile(name: &str) -> Result<Profile, ProfileError> {
    match BUILT_IN.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Profile::from_toml(text),
        None => Err(ProfileError::Unknown {
            name: name.into(),
            nearest: nearest(name, &profile_names()).unwrap_or("generic").into(),
            known: profile_names().join(", "),
        }),
    }
}

/// Names of the built-in profiles.
pub fn profile_names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

impl Profile {
    /// Reads a profile; an unknown key is an error.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(Box::new)?;
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let wrong = |field, wrong: &str| {
            Err(ProfileError::Value { name: self.name.clone(), field, wrong: wrong.into() })
        };
        let times = [
            self.step.base_ms,
            self.step.prefill_token_us,
            self.step.decode_seq_us,
            self.step.context_token_ns,
        ];
        if self.step.base_ms <= 0.0 || times.iter().any(|time| !time.is_finite() || *time < 0.0) {
            return wrong("step", "holds a time that is negative or not finite, or a base of 0");
        }
        if self.step.eager_factor < 1.0 {
            return wrong("step.eager_factor", "is below 1");
        }
        let noise = [self.noise.start_cv, self.noise.drift_cv, self.noise.step_cv];
        if noise.iter().any(|cv| !(0.0..1.0).contains(cv)) || self.noise.drift_s <= 0.0 {
            return wrong("noise", "holds a coefficient outside of 0 to 1, or a drift_s of 0");
        }
        let waits = [
            self.http.admission_ms,
            self.startup.init_s,
            self.startup.weights_s,
            self.startup.capture_s,
            self.startup.first_step_s,
            self.startup.graphs_s.unwrap_or_default(),
        ];
        if waits.iter().any(|wait| !wait.is_finite() || *wait < 0.0) {
            return wrong("http and startup", "hold a time that is negative or not finite");
        }
        if !(0.0..1.0).contains(&self.http.merged_chunk_share) {
            return wrong("http.merged_chunk_share", "is outside of 0 to 1");
        }
        if self.defaults.max_num_seqs == 0 || self.defaults.max_num_batched_tokens == 0 {
            return wrong("defaults", "hold a 0");
        }
        if self.model.vocab_size < 256
            || self.model.max_model_len == 0
            || self.model.kv_bytes_per_token == 0
        {
            return wrong("model", "has a vocabulary below 256, or a length or KV size of 0");
        }
        if let Some(fault) = self.parallel.as_ref().and_then(Parallel::fault) {
            return wrong("parallel", fault);
        }
        let points = &self.natural_length.quantiles;
        let ascending =
            points.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
        let spans = points.first().is_some_and(|(share, tokens)| *share == 0.0 && *tokens >= 1.0)
            && points.last().is_some_and(|(share, _)| (*share - 1.0).abs() < 1e-9);
        if !ascending || !spans {
            return wrong(
                "natural_length.quantiles",
                "do not ascend from share 0 (at least 1 token) to share 1",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_read_under_its_name() {
        for name in profile_names() {
            assert_eq!(profile(name).unwrap().name, name);
        }
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_nearest_and_all_names() {
        let error = profile("tiny-gpu").unwrap_err().to_string();
        assert!(error.contains("the nearest is `tiny-cpu`"), "{error}");
        assert!(error.contains("generic, qwen2-1.5b-bf16-1x3090"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = BUILT_IN[0].1.replace("base_ms", "bass_ms");
        let error = Profile::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains("bass_ms"), "{error}");
    }

    #[test]
    fn descending_lengths_are_refused() {
        let mut wrong = profile("generic").unwrap();
        wrong.natural_length.quantiles = vec![(0.0, 50.0), (1.0, 20.0)];
        assert!(wrong.check().unwrap_err().to_string().contains("natural_length.quantiles"));
    }
}
