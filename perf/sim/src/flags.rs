//! The flags of `vllm serve` that are accepted, and whether they take a value: [`arity`].
//!
//! These are the most common of about 250. A flag that is not in the list fails, as a misspelt flag
//! does on a real vLLM: a benchmark that silently ignores an argument measures something else.

/// Whether a flag takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    /// `--flag`, and `--no-flag`.
    Switch,
    /// `--flag VALUE`, or `--flag=VALUE`.
    Value,
}

/// Flags that take a value.
const VALUES: &[&str] = &[
    "allowed-origins",
    "api-key",
    "api-server-count",
    "attention-backend",
    "block-size",
    "chat-template",
    "compilation-config",
    "config-format",
    "cpu-offload-gb",
    "cudagraph-capture-sizes",
    "data-parallel-size",
    "dcp-size",
    "decode-context-parallel-size",
    "distributed-executor-backend",
    "download-dir",
    "dtype",
    "generation-config",
    "gpu-memory-utilization",
    "hf-overrides",
    "host",
    "kv-cache-dtype",
    "kv-cache-memory-bytes",
    "kv-transfer-config",
    "limit-mm-per-prompt",
    "load-format",
    "long-prefill-token-threshold",
    "lora-modules",
    "max-cudagraph-capture-size",
    "max-log-len",
    "max-logprobs",
    "max-lora-rank",
    "max-model-len",
    "max-num-batched-tokens",
    "max-num-partial-prefills",
    "max-num-queued-reqs",
    "max-num-seqs",
    "middleware",
    "model",
    "moe-backend",
    "num-gpu-blocks-override",
    "optimization-level",
    "override-generation-config",
    "per-request-spec-decode-metrics",
    "performance-mode",
    "pipeline-parallel-size",
    "port",
    "quantization",
    "reasoning-parser",
    "revision",
    "root-path",
    "rope-scaling",
    "safetensors-load-strategy",
    "scheduling-policy",
    "seed",
    "served-model-name",
    "shutdown-timeout",
    "speculative-config",
    "stream-interval",
    "swap-space",
    "tensor-parallel-size",
    "tokenizer",
    "tokenizer-mode",
    "tool-call-parser",
    "uvicorn-log-level",
];

/// Flags without a value.
const SWITCHES: &[&str] = &[
    "async-scheduling",
    "disable-custom-all-reduce",
    "disable-log-stats",
    "disable-uvicorn-access-log",
    "enable-auto-tool-choice",
    "enable-chunked-prefill",
    "enable-expert-parallel",
    "enable-force-include-usage",
    "enable-log-requests",
    "enable-lora",
    "enable-mfu-metrics",
    "enable-per-request-metrics",
    "enable-prefix-caching",
    "enable-prompt-tokens-details",
    "enable-request-id-headers",
    "enable-server-load-tracking",
    "enforce-eager",
    "kv-cache-metrics",
    "language-model-only",
    "skip-tokenizer-init",
    "trust-remote-code",
];

/// Short forms.
const SHORT: &[(&str, &str)] = &[
    ("-tp", "tensor-parallel-size"),
    ("-pp", "pipeline-parallel-size"),
    ("-dp", "data-parallel-size"),
    ("-q", "quantization"),
    ("-ep", "enable-expert-parallel"),
    ("-O", "optimization-level"),
    ("-cc", "compilation-config"),
];

/// The long name of a flag as written (with underscores or dashes), without its dashes and
/// without a value.
pub(crate) fn long_name(written: &str) -> Option<String> {
    if let Some((_, long)) = SHORT.iter().find(|(short, _)| *short == written) {
        return Some((*long).into());
    }
    Some(written.strip_prefix("--")?.replace('_', "-"))
}

/// Whether a flag of that long name is known, and takes a value.
pub(crate) fn arity(name: &str) -> Option<Arity> {
    if VALUES.contains(&name) {
        return Some(Arity::Value);
    }
    let positive = name.strip_prefix("no-").unwrap_or(name);
    SWITCHES.contains(&positive).then_some(Arity::Switch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_free_of_doubles() {
        for table in [VALUES, SWITCHES] {
            assert!(table.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn a_switch_can_be_negated_and_a_value_cannot() {
        assert_eq!(arity("no-enable-prefix-caching"), Some(Arity::Switch));
        assert_eq!(arity("no-max-model-len"), None);
    }

    #[test]
    fn short_forms_and_underscores_are_understood() {
        assert_eq!(long_name("-tp").as_deref(), Some("tensor-parallel-size"));
        assert_eq!(long_name("--max_model_len").as_deref(), Some("max-model-len"));
        assert_eq!(long_name("model"), None);
    }
}
