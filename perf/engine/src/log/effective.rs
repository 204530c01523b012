//! Reads from a server's log what the engine runs with: [`EffectiveLog`].
//!
//! | line | since |
//! |---|---|
//! | `Initializing a V1 LLM engine (v0.32.0) with config: dtype=…, compilation_config={…}` | 0.8; `an LLM engine` before |
//! | `Using FLASH_ATTN attention backend out of potential backends: […]` | 0.13 |
//! | `Using AttentionBackendEnum.FLASH_ATTN backend.`, `Using Flash Attention backend on V1 engine.` | 0.12, 0.8 |
//! | `Using V2 Model Runner`, `… requires Triton; using the V1 model runner instead.` | 0.12, 0.31 |
//! | `Asynchronous scheduling is enabled.` | 0.13 |
//! | `Chunked prefill is enabled with max_num_batched_tokens=8192.` | 0.6 |
//! | `vLLM is using nccl==2.27.5` | 0.6 |
//! | `Enabled custom fusions: norm_quant, act_quant` | 0.31 |
//! | `Using MarlinLinearKernel for AWQMarlinLinearMethod`, and every other line that begins with `Using` | 0.6 |

use perf_model::record::effective::EffectiveConfiguration;

use super::python_repr;

/// Settings that say where something is or how it is named, not what it does.
const LEFT_OUT: &[&str] = &[
    "model",
    "tokenizer",
    "served_model_name",
    "revision",
    "tokenizer_revision",
    "download_dir",
    "seed",
    "compilation_config.cache_dir",
    "compilation_config.local_cache_dir",
    "compilation_config.debug_dump_path",
];

/// What a log has shown so far. Of several workers or engines, the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EffectiveLog(EffectiveConfiguration);

impl EffectiveLog {
    /// Takes in a line.
    pub(crate) fn see(&mut self, line: &str) {
        let Some(message) = message(line) else { return };
        if message.contains(" LLM engine (") {
            let config = message.split_once(" with config: ").map_or("", |(_, config)| config);
            for (name, value) in python_repr::settings(config) {
                if !LEFT_OUT.contains(&name.as_str()) {
                    self.0.insert(&name, &value);
                }
            }
        } else if let Some(why) = message.strip_suffix("; using the V1 model runner instead.") {
            self.0.insert("model_runner", &format!("V1, because {why}"));
        } else if message.starts_with("Using V2 Model Runner") {
            self.0.insert("model_runner", "V2");
        } else if let Some(on) = message.strip_prefix("Asynchronous scheduling is ") {
            self.0.insert("async_scheduling", on.trim_end_matches('.'));
        } else if let Some((_, tokens)) = message.split_once("with max_num_batched_tokens=") {
            self.0.insert("max_num_batched_tokens", tokens.trim_end_matches('.'));
        } else if let Some((_, version)) = message.split_once("vLLM is using nccl==") {
            self.0.insert("nccl", version);
        } else if let Some(fusions) = message.strip_prefix("Enabled custom fusions: ") {
            self.0.insert("custom_fusions", fusions);
        } else if let Some(choice) = message.strip_prefix("Using ") {
            self.choose(choice);
        }
    }

    /// What was found.
    pub(crate) fn finish(self) -> EffectiveConfiguration {
        self.0
    }

    /// Takes in what follows `Using`: a choice that the engine made.
    fn choose(&mut self, choice: &str) {
        let choice = choice.trim_end_matches('.');
        let attention = [" attention backend out of", " backend on V1 engine", " backend"];
        let names_a_path = choice.contains('/');
        if let Some(version) = choice.strip_prefix("FlashAttention version ") {
            self.0.insert("flash_attention_version", version);
        } else if let Some(layout) = choice.strip_suffix(" KV cache layout") {
            self.0.insert("kv_cache_layout", layout);
        } else if let Some((kernel, purpose)) = choice.split_once(" for ").filter(|_| !names_a_path)
        {
            self.0.insert(&format!("kernel for {purpose}"), kernel);
        } else if let Some(backend) = attention
            .iter()
            .find_map(|end| choice.split_once(end).filter(|(_, rest)| !rest.starts_with('s')))
            .map(|(backend, _)| backend)
            .filter(|backend| !backend.contains("MLA prefill"))
        {
            let backend = backend.trim_start_matches("AttentionBackendEnum.");
            self.0.insert("attention_backend", backend);
        } else if !names_a_path && !choice.starts_with("max model len") {
            self.0.insert(&format!("uses {choice}"), "yes");
        }
    }
}

/// What a line of vLLM says, behind its level, time and place: `INFO 11-22 02:28:08 [core.py:133] …`.
fn message(line: &str) -> Option<&str> {
    let (head, message) = line.split_once("] ")?;
    (head.contains("INFO ") || head.contains("WARNING ")).then_some(message.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut log = EffectiveLog::default();
        for line in lines {
            log.see(line);
        }
        log.finish().iter().map(|(name, value)| format!("{name} = {value}")).collect()
    }

    #[test]
    fn the_choices_of_a_log_are_read() {
        let lines = [
            "(EngineCore pid=2) INFO 11-22 02:28:12 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='/m', dtype=torch.bfloat16, \
             enable_prefix_caching=True, compilation_config={'cudagraph_mode': <CUDAGraphMode.FULL_AND_PIECEWISE: (2, 1)>, 'cache_dir': '/cache/x'}",
            "(Worker pid=3) WARNING 11-22 02:28:12 [vllm.py:725] Model Runner V2 requires Triton; using the V1 model runner instead.",
            "(Worker pid=3) INFO 11-22 02:28:13 [cuda.py:507] Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN', 'FLASHINFER'].",
            "(Worker pid=3) INFO 11-22 02:28:13 [flash_attn.py:1118] Using FlashAttention version 3",
            "(APIServer pid=1) INFO 11-22 02:28:08 [vllm.py:640] Asynchronous scheduling is enabled.",
            "(APIServer pid=1) INFO 11-22 02:28:08 [scheduler.py:308] Chunked prefill is enabled with max_num_batched_tokens=8192.",
            "(Worker pid=3) INFO 11-22 02:28:13 [pynccl.py:111] vLLM is using nccl==2.27.5",
            "(Worker pid=3) INFO 11-22 02:28:13 [awq.py:327] Using MarlinLinearKernel for AWQMarlinLinearMethod",
            "(EngineCore pid=2) INFO 11-22 02:28:13 [utils.py:343] Using LBHNC KV cache layout.",
            "(APIServer pid=1) INFO 11-22 02:28:41 [model.py:2109] Using max model len 2048",
            "(Worker pid=3) INFO 11-22 02:28:13 [fp8.py:945] Using configuration from /x/y.json for W8A8 Block FP8 kernel.",
        ];
        assert_eq!(
            read(&lines),
            [
                "async_scheduling = enabled",
                "attention_backend = FLASH_ATTN",
                "compilation_config.cudagraph_mode = FULL_AND_PIECEWISE",
                "dtype = torch.bfloat16",
                "enable_prefix_caching = True",
                "flash_attention_version = 3",
                "kernel for AWQMarlinLinearMethod = MarlinLinearKernel",
                "kv_cache_layout = LBHNC",
                "max_num_batched_tokens = 8192",
                "model_runner = V1, because Model Runner V2 requires Triton",
                "nccl = 2.27.5",
            ]
        );
    }

    #[test]
    fn older_forms_name_the_same_backend() {
        for (line, backend) in [
            (
                "INFO 12-01 10:00:00 [cuda.py:300] Using Flash Attention backend on V1 engine.",
                "Flash Attention",
            ),
            (
                "INFO 12-01 10:00:00 [cuda.py:446] Using AttentionBackendEnum.FLASH_ATTN backend.",
                "FLASH_ATTN",
            ),
            ("INFO 09-01 10:00:00 selector.py:120] Using XFormers backend.", "XFormers"),
        ] {
            assert_eq!(read(&[line]), [format!("attention_backend = {backend}")], "{line}");
        }
    }

    #[test]
    fn other_lines_say_nothing() {
        assert!(read(&["", "Using nothing", "ERROR [x.py:1] Using y", "] "]).is_empty());
    }
}
