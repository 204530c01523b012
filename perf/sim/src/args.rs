//! The command line of `vllm serve`, as far as it affects the simulation: [`ServeArgs`].

use std::fmt;

use crate::flags::{Arity, arity, long_name};
use crate::profile::Profile;
use crate::speculation::Speculation;

/// vLLM's default since 0.32.
const DEFAULT_UTILISATION: f64 = 0.92;

/// The arguments that the simulation acts on; other known flags are accepted and change nothing.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "the command line's own switches")]
pub struct ServeArgs {
    /// Address to listen on; all addresses without `--host`.
    pub host: Option<String>,
    /// Port to listen on.
    pub port: u16,
    /// The model's names in the API; the model itself without `--served-model-name`.
    pub served_model_names: Vec<String>,
    /// The names of `LoRA` adapters, which are models in the API too.
    pub adapters: Vec<String>,
    /// Longest context.
    pub max_model_len: Option<usize>,
    /// GPUs that share the weights.
    pub tensor_parallel_size: u32,
    /// Replicas of the model, each with GPUs, scheduler and cache of its own.
    pub data_parallel_size: u32,
    /// Share of the GPU's memory that vLLM may use.
    pub gpu_memory_utilization: f64,
    /// Requests in one batch.
    pub max_num_seqs: Option<usize>,
    /// Tokens computed in one step.
    pub max_num_batched_tokens: Option<usize>,
    /// Whether blocks of equal prefixes are reused.
    pub prefix_caching: bool,
    /// Whether CUDA graphs are disabled.
    pub enforce_eager: bool,
    /// Tokens in one streamed chunk.
    pub stream_interval: usize,
    /// Size of a KV block in tokens.
    pub block_size: usize,
    /// Size of the KV cache, regardless of the memory.
    pub kv_cache_memory_bytes: Option<u64>,
    /// Number of KV blocks, regardless of the memory.
    pub num_gpu_blocks_override: Option<usize>,
    /// Whether `/load` counts.
    pub load_tracking: bool,
    /// Whether answers carry the times of their request.
    pub per_request_metrics: bool,
    /// Whether those also say what was drafted for it.
    pub per_request_drafts: bool,
    /// Whether chat answers begin with reasoning, which has a field of its own.
    pub reasoning: bool,
    /// Whether a chat that brings tools is answered by a call of one.
    pub tool_calls: bool,
    /// What is drafted in each step; nothing without `--speculative-config`.
    pub speculation: Option<Speculation>,
}

/// Why the arguments are rejected: the message that vLLM prints. The exit code is 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ArgsError {
    pub(crate) message: String,
}

impl ArgsError {
    fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string() }
    }

    fn invalid(flag: &str, kind: &str, value: &str) -> Self {
        Self::new(format_args!(
            "vllm serve: error: argument --{flag}: invalid {kind} value: '{value}'"
        ))
    }
}

impl Default for ServeArgs {
    fn default() -> Self {
        Self {
            host: None,
            port: 8000,
            served_model_names: Vec::new(),
            adapters: Vec::new(),
            max_model_len: None,
            tensor_parallel_size: 1,
            data_parallel_size: 1,
            gpu_memory_utilization: DEFAULT_UTILISATION,
            max_num_seqs: None,
            max_num_batched_tokens: None,
            prefix_caching: true,
            enforce_eager: false,
            stream_interval: 1,
            block_size: 16,
            kv_cache_memory_bytes: None,
            num_gpu_blocks_override: None,
            load_tracking: false,
            per_request_metrics: false,
            per_request_drafts: false,
            reasoning: false,
            tool_calls: false,
            speculation: None,
        }
    }
}

impl ServeArgs {
    /// Reads the arguments after the model on the command line.
    pub fn parse(args: &[String]) -> Result<Self, ArgsError> {
        let mut parsed = Self::default();
        let mut unrecognised: Vec<String> = Vec::new();
        let mut rest = args.iter().peekable();
        while let Some(arg) = rest.next() {
            let (written, attached) = match arg.split_once('=') {
                Some((written, value)) if written.starts_with('-') => {
                    (written, Some(value.to_owned()))
                }
                _ => (arg.as_str(), None),
            };
            let name = long_name(written);
            match name.as_deref().map(|name| (name, arity(name))) {
                Some((name, Some(Arity::Switch))) => {
                    if attached.is_some() {
                        let message = format!(
                            "vllm serve: error: argument --{name}: ignored explicit argument"
                        );
                        return Err(ArgsError::new(message));
                    }
                    parsed.switch(name);
                }
                Some((name, Some(Arity::Value))) => {
                    let mut values: Vec<String> = attached.into_iter().collect();
                    let takes_several = matches!(
                        name,
                        "served-model-name"
                            | "lora-modules"
                            | "cudagraph-capture-sizes"
                            | "middleware"
                    );
                    while (values.is_empty() || takes_several)
                        && let Some(value) = rest.next_if(|next| !is_flag(next))
                    {
                        values.push(value.clone());
                    }
                    if values.is_empty() {
                        let message =
                            format!("vllm serve: error: argument --{name}: expected one argument");
                        return Err(ArgsError::new(message));
                    }
                    parsed.value(name, values)?;
                }
                // As in argparse: the error names an unknown flag and the words after it
                // together.
                Some((_, None)) | None => unrecognised.push(arg.clone()),
            }
        }
        if !unrecognised.is_empty() {
            let message =
                format!("vllm: error: unrecognized arguments: {}", unrecognised.join(" "));
            return Err(ArgsError::new(message));
        }
        Ok(parsed)
    }

    fn switch(&mut self, name: &str) {
        match name {
            "enable-prefix-caching" => self.prefix_caching = true,
            "no-enable-prefix-caching" => self.prefix_caching = false,
            "enforce-eager" => self.enforce_eager = true,
            "no-enforce-eager" => self.enforce_eager = false,
            "enable-server-load-tracking" => self.load_tracking = true,
            "enable-per-request-metrics" => self.per_request_metrics = true,
            _ => {}
        }
    }

    fn value(&mut self, name: &str, mut values: Vec<String>) -> Result<(), ArgsError> {
        if name == "served-model-name" {
            self.served_model_names = values;
            return Ok(());
        }
        if name == "lora-modules" {
            self.adapters = values.iter().filter_map(|value| adapter(value)).collect();
            return Ok(());
        }
        let value = values.swap_remove(0);
        match name {
            "host" => self.host = Some(value),
            "port" => {
                self.port = value.parse().map_err(|_| ArgsError::invalid(name, "int", &value))?;
            }
            "max-model-len" => self.max_model_len = Some(readable_int(name, &value)?),
            "tensor-parallel-size" => self.tensor_parallel_size = size(name, &value)?,
            "data-parallel-size" => self.data_parallel_size = size(name, &value)?,
            "gpu-memory-utilization" => {
                self.gpu_memory_utilization = value
                    .parse()
                    .ok()
                    .filter(|share| *share > 0.0 && *share <= 1.0)
                    .ok_or_else(|| ArgsError::invalid(name, "float", &value))?;
            }
            "max-num-seqs" => self.max_num_seqs = Some(positive(name, &value)?),
            "max-num-batched-tokens" => {
                self.max_num_batched_tokens = Some(readable_int(name, &value)?);
            }
            "reasoning-parser" => self.reasoning = true,
            "tool-call-parser" => self.tool_calls = true,
            "per-request-spec-decode-metrics" => self.per_request_drafts = value != "none",
            "speculative-config" => {
                self.speculation = Some(
                    Speculation::parse(&value)
                        .ok_or_else(|| ArgsError::invalid(name, "json.loads", &value))?,
                );
            }
            "stream-interval" => self.stream_interval = positive(name, &value)?,
            "block-size" => self.block_size = positive(name, &value)?,
            "kv-cache-memory-bytes" => {
                self.kv_cache_memory_bytes = Some(readable_int(name, &value)? as u64);
            }
            "num-gpu-blocks-override" => {
                self.num_gpu_blocks_override = Some(positive(name, &value)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The longest context: the argument's, or the model's.
    pub fn context_len(&self, profile: &Profile) -> usize {
        self.max_model_len.unwrap_or(profile.model.max_model_len)
    }
}

/// Whether argparse would take this word for a flag rather than for a value.
fn is_flag(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1 && word.parse::<f64>().is_err()
}

/// The name of a `LoRA` adapter: `NAME=PATH`, or a JSON object with a `name`.
fn adapter(value: &str) -> Option<String> {
    if let Ok(object) = serde_json::from_str::<serde_json::Value>(value) {
        return object.get("name")?.as_str().map(str::to_owned);
    }
    value.split_once('=').map(|(name, _)| name.to_owned())
}

fn size(name: &str, value: &str) -> Result<u32, ArgsError> {
    value.parse().ok().filter(|n| *n > 0).ok_or_else(|| ArgsError::invalid(name, "int", value))
}

fn positive(name: &str, value: &str) -> Result<usize, ArgsError> {
    value.parse().ok().filter(|n| *n > 0).ok_or_else(|| ArgsError::invalid(name, "int", value))
}

/// vLLM reads `8192`, `8k` (8,000), `8K` (8,192) and the like.
fn readable_int(name: &str, value: &str) -> Result<usize, ArgsError> {
    let invalid = || ArgsError::invalid(name, "human_readable_int", value);
    let suffixes = [
        ("k", 1_000),
        ("K", 1 << 10),
        ("m", 1_000_000),
        ("M", 1 << 20),
        ("g", 1_000_000_000),
        ("G", 1 << 30),
    ];
    let (digits, factor) = suffixes
        .iter()
        .find_map(|(suffix, factor)| value.strip_suffix(suffix).map(|digits| (digits, *factor)))
        .unwrap_or((value, 1));
    let number: usize = digits.parse().map_err(|_| invalid())?;
    number.checked_mul(factor).filter(|n| *n > 0).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<ServeArgs, ArgsError> {
        ServeArgs::parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn both_spellings_of_a_value_are_read() {
        let args =
            parse("--max-model-len 8192 --gpu-memory-utilization=0.85 -tp 2 --max_num_seqs 7")
                .unwrap();
        assert_eq!(
            (args.max_model_len, args.tensor_parallel_size, args.max_num_seqs),
            (Some(8192), 2, Some(7))
        );
        assert!((args.gpu_memory_utilization - 0.85).abs() < 1e-12);
    }

    #[test]
    fn an_unknown_flag_and_its_value_are_named_as_vllm_does() {
        let error = parse("--port 8399 --no-such-flag 3").unwrap_err();
        assert_eq!(error.to_string(), "vllm: error: unrecognized arguments: --no-such-flag 3");
    }

    #[test]
    fn a_bad_value_is_named_as_vllm_does() {
        let error = parse("--max-num-seqs lots").unwrap_err();
        assert_eq!(
            error.to_string(),
            "vllm serve: error: argument --max-num-seqs: invalid int value: 'lots'"
        );
    }

    #[test]
    fn a_missing_value_is_an_error() {
        let error = parse("--max-model-len --enforce-eager").unwrap_err();
        assert_eq!(
            error.to_string(),
            "vllm serve: error: argument --max-model-len: expected one argument"
        );
    }

    #[test]
    fn switches_are_negated_and_several_names_are_served() {
        let args =
            parse("--no-enable-prefix-caching --served-model-name a b --enforce-eager").unwrap();
        assert_eq!((args.prefix_caching, args.enforce_eager), (false, true));
        assert_eq!(args.served_model_names, ["a", "b"]);
        let line = "--enable-lora --lora-modules a=/x {\"name\":\"b\",\"path\":\"/y\"} --port 1";
        assert_eq!(parse(line).unwrap().adapters, ["a", "b"]);
    }

    #[test]
    fn lengths_may_be_written_with_a_suffix() {
        assert_eq!(parse("--max-model-len 8K").unwrap().max_model_len, Some(8192));
        assert!(parse("--max-model-len 0").is_err());
    }
}
