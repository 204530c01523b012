//! Reads from a server's log how long it took to start and what the time went to: [`StartUpLog`].
//!
//! A phase lies between two lines that vLLM has written since 0.6, so that phases cannot overlap.
//! Their times are when the lines arrived, not what they say, because vLLM logs whole seconds.
//! Compilation and graph capture lie inside "profile, create kv cache, warmup model" and are what
//! vLLM counted itself. Of several workers or engines, the last one counts.
//!
//! | line | since |
//! |---|---|
//! | `Initializing a V1 LLM engine`, `Initializing an LLM engine` | 0.6, 0.8 |
//! | `Starting to load model` | 0.6 |
//! | `Loading model weights took 2.8875 GB`, `Loading weights took 0.07 seconds`, `Model loading took … GiB` | 0.6, 0.7, 0.8 |
//! | `# GPU blocks: 37416`, `GPU KV cache size: 121,072 tokens` | 0.6, 0.8 |
//! | `Maximum concurrency for 2,048 tokens per request: 1024.00x` | 0.6.4; in the line of the size since 0.31 |
//! | `torch.compile takes 7.8 s in total`, `took`, `(compilation: 7.8 s)` | 0.8, 0.20, 0.31 |
//! | `Graph capturing finished in 13 secs` | 0.6 |
//! | `init engine (profile, create kv cache, warmup model) took 0.52 s`, `… seconds` | 0.6.4 |

use std::time::Duration;

use perf_model::record::start_up::StartUp;

/// Tokens of a KV cache block where the arguments do not say another number.
const BLOCK: u64 = 16;

/// What a log has shown of a start so far. Times count from the command that started the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StartUpLog {
    first: Option<f64>,
    initializing: Option<f64>,
    loading: Option<f64>,
    loaded: Option<f64>,
    initialized: Option<f64>,
    /// What vLLM says of the time between `loaded` and `initialized`.
    init_s: Option<f64>,
    compilation_s: Option<f64>,
    graph_capture_s: Option<f64>,
    blocks: Option<u64>,
    tokens: Option<u64>,
    requests: Option<f64>,
}

impl StartUpLog {
    /// Takes in a line that arrived so long after the start.
    pub(crate) fn see(&mut self, at: Duration, line: &str) {
        let at = at.as_secs_f64();
        // Warnings of libraries come before anything of vLLM, whose lines name a file.
        if self.first.is_none() && line.contains("INFO") {
            self.first = Some(at);
        }
        if line.contains("Initializing a V1 LLM engine")
            || line.contains("Initializing an LLM engine")
        {
            self.initializing = Some(at);
        } else if line.contains("Starting to load model") {
            // Of several workers, the first begins the phase and the last ends it.
            self.loading.get_or_insert(at);
        } else if line.contains("Loading model weights took")
            || line.contains("Loading weights took")
            || line.contains("Model loading took")
        {
            self.loaded = Some(at);
        } else if line.contains("torch.compile t") && line.contains(" in total") {
            self.compilation_s = most(self.compilation_s, seconds(line, "torch.compile t"));
        } else if line.contains("Graph capturing finished in") && !line.contains("Encoder graph") {
            let captured = seconds(line, "Graph capturing finished in");
            self.graph_capture_s = most(self.graph_capture_s, captured);
        } else if line.contains("init engine (") {
            self.initialized = Some(at);
            self.init_s = seconds(line, "took").or(self.init_s);
            self.compilation_s = most(self.compilation_s, seconds(line, "(compilation:"));
        }
        if let Some(tokens) = count(line, "KV cache size:") {
            self.tokens = Some(self.tokens.map_or(tokens, |least| least.min(tokens)));
        }
        if let Some(blocks) = blocks(line) {
            self.blocks = Some(self.blocks.map_or(blocks, |least| least.min(blocks)));
        }
        if line.contains("Maximum concurrency for") {
            self.requests = seconds(line, "per request:").or(self.requests);
        }
    }

    /// What the server does after what it logged last, in words; nothing before its first line.
    pub(crate) fn doing(&self) -> Option<&'static str> {
        if self.initialized.is_some() {
            Some("starting the API")
        } else if self.compilation_s.is_some() {
            Some("capturing graphs, warming up")
        } else if self.loaded.is_some() {
            Some("profiling and compiling")
        } else if self.loading.is_some() {
            Some("loading weights")
        } else if self.initializing.is_some() {
            Some("initialising the engine")
        } else {
            self.first.map(|_| "starting the engine's process")
        }
    }

    /// What the start was, of a server that answers so long after it. `block` is the size of a
    /// block of the KV cache, if the arguments say one.
    pub(crate) fn finish(&self, ready: Duration, block: Option<u64>) -> StartUp {
        let total_s = ready.as_secs_f64();
        let between = |from: Option<f64>, to: Option<f64>| Some((to? - from?).max(0.0));
        let profiling_s = between(self.loaded, self.initialized).map(|passed| {
            let whole = self.init_s.map_or(passed, |counted| counted.min(passed));
            let inside =
                self.compilation_s.unwrap_or_default() + self.graph_capture_s.unwrap_or_default();
            (whole - inside).max(0.0)
        });
        StartUp {
            total_s: Some(total_s),
            launch_s: self.first,
            engine_process_s: between(self.first, self.initializing),
            engine_init_s: between(self.initializing, self.loading),
            weights_s: between(self.loading, self.loaded),
            profiling_s,
            compilation_s: self.compilation_s,
            graph_capture_s: self.graph_capture_s,
            api_s: between(self.initialized, Some(total_s)),
            kv_cache_tokens: self
                .tokens
                .or_else(|| self.blocks?.checked_mul(block.unwrap_or(BLOCK))),
            kv_cache_requests: self.requests,
        }
    }
}

fn most(before: Option<f64>, now: Option<f64>) -> Option<f64> {
    match (before, now) {
        (Some(before), Some(now)) => Some(before.max(now)),
        (before, now) => before.or(now),
    }
}

/// The first number behind some words.
fn seconds(line: &str, behind: &str) -> Option<f64> {
    let rest = &line[line.find(behind)? + behind.len()..];
    let rest = rest.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'));
    rest[..end.unwrap_or(rest.len())].trim_end_matches('.').parse().ok()
}

/// A whole number with commas behind some words.
fn count(line: &str, behind: &str) -> Option<u64> {
    let rest = line[line.find(behind)? + behind.len()..].trim_start();
    let end = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == ','));
    rest[..end.unwrap_or(rest.len())].replace(',', "").parse().ok()
}

/// The blocks of `# GPU blocks: 37416, # CPU blocks: 9362`: the first number is the device's.
fn blocks(line: &str) -> Option<u64> {
    let from = line.find("# ")?;
    let rest = &line[from..];
    (rest.find(" blocks: ")? < 8).then(|| count(rest, " blocks: ")).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_what_a_server_does_while_it_starts() {
        let mut log = StartUpLog::default();
        assert_eq!(log.doing(), None);
        for (line, doing) in [
            ("INFO [api_server.py] vLLM API server", "starting the engine's process"),
            ("INFO [core.py] Initializing a V1 LLM engine", "initialising the engine"),
            ("INFO [gpu_model_runner.py] Starting to load model m", "loading weights"),
            ("INFO Model loading took 1.2 GiB and 3 seconds", "profiling and compiling"),
            ("INFO torch.compile takes 7.8 s in total", "capturing graphs, warming up"),
            ("INFO init engine (profile) took 9 seconds", "starting the API"),
        ] {
            log.see(Duration::from_secs(1), line);
            assert_eq!(log.doing(), Some(doing), "{line}");
        }
    }

    fn read(lines: &[(f64, &str)], ready: f64) -> StartUp {
        let mut log = StartUpLog::default();
        for (at, line) in lines {
            log.see(Duration::from_secs_f64(*at), line);
        }
        log.finish(Duration::from_secs_f64(ready), None)
    }

    #[test]
    fn the_log_of_0_32_is_read() {
        let start = read(
            &[
                (4.0, "W1122 02:28:03 32533 torch/utils/flop_counter.py:29] triton not found"),
                (6.0, "(APIServer pid=1) INFO 11-22 02:28:08 [api_utils.py:347] version 0.32.0"),
                (
                    14.0,
                    "(EngineCore pid=2) INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='m'",
                ),
                (
                    16.0,
                    "(Worker pid=3) INFO [gpu_model_runner.py:5040] Starting to load model /models/m...",
                ),
                (
                    18.0,
                    "(Worker pid=3) INFO [default_loader.py:501] Loading weights took 0.07 seconds",
                ),
                (
                    18.5,
                    "(Worker pid=3) INFO [gpu_model_runner.py:5150] Model loading took 14.2 GiB memory and 2.500000 seconds",
                ),
                (26.0, "(Worker pid=3) INFO [monitor.py:62] torch.compile took 7.25 s in total"),
                (
                    30.0,
                    "(EngineCore pid=2) INFO [kv_cache_utils.py:2327] GPU KV cache size: 121,072 tokens, Maximum concurrency for 32,768 tokens per request: 3.69x",
                ),
                (
                    43.0,
                    "(Worker pid=3) INFO [gpu_model_runner.py:6582] Graph capturing finished in 13 secs, took 0.50 GiB",
                ),
                (
                    44.0,
                    "(EngineCore pid=2) INFO [core.py:402] init engine (profile, create kv cache, warmup model) took 25.00 s (compilation: 7.25 s)",
                ),
            ],
            46.0,
        );
        assert_eq!(
            start,
            StartUp {
                total_s: Some(46.0),
                launch_s: Some(6.0),
                engine_process_s: Some(8.0),
                engine_init_s: Some(2.0),
                weights_s: Some(2.5),
                profiling_s: Some(4.75),
                compilation_s: Some(7.25),
                graph_capture_s: Some(13.0),
                api_s: Some(2.0),
                kv_cache_tokens: Some(121_072),
                kv_cache_requests: Some(3.69),
            }
        );
        // vLLM counted 25 s of the 25.5 s between two lines.
        assert!((start.remainder_s().unwrap() - 0.5).abs() < 1e-9, "{start}");
    }

    #[test]
    fn the_log_of_0_6_has_blocks_and_no_engine_process() {
        let start = read(
            &[
                (
                    3.0,
                    "INFO 01-15 10:00:00 llm_engine.py:223] Initializing an LLM engine (v0.6.1.post2) with config: model='m'",
                ),
                (8.0, "INFO 01-15 10:00:05 model_runner.py:997] Starting to load model m..."),
                (
                    10.0,
                    "INFO 01-15 10:00:07 model_runner.py:1008] Loading model weights took 2.8875 GB",
                ),
                (
                    11.0,
                    "INFO 01-15 10:00:08 gpu_executor.py:122] # GPU blocks: 37416, # CPU blocks: 9362",
                ),
                (
                    24.0,
                    "INFO 01-15 10:00:21 model_runner.py:1428] Graph capturing finished in 13 secs.",
                ),
            ],
            26.0,
        );
        assert_eq!(start.kv_cache_tokens, Some(37_416 * 16));
        assert_eq!((start.weights_s, start.graph_capture_s), (Some(2.0), Some(13.0)));
        assert_eq!((start.profiling_s, start.api_s, start.kv_cache_requests), (None, None, None));
        // What 0.6.1 has no line for is not spread over the phases.
        assert!((start.remainder_s().unwrap() - 3.0).abs() < 1e-9, "{start}");
    }

    #[test]
    fn the_forms_of_0_11_and_0_13_are_read() {
        let start = read(
            &[
                (
                    30.0,
                    "(EngineCore_DP0 pid=212) INFO 10-06 [monitor.py:34] torch.compile takes 30.03 s in total",
                ),
                (
                    30.5,
                    "(EngineCore_DP0 pid=212) INFO 10-06 [kv_cache_utils.py:1087] GPU KV cache size: 49,152 tokens",
                ),
                (
                    30.5,
                    "(EngineCore_DP0 pid=212) INFO 10-06 [kv_cache_utils.py:1091] Maximum concurrency for 4,096 tokens per request: 12.00x",
                ),
                (
                    31.0,
                    "(EngineCore_DP1 pid=213) INFO 10-06 [kv_cache_utils.py:1087] GPU KV cache size: 49,136 tokens",
                ),
                (
                    39.0,
                    "(EngineCore_DP0 pid=212) INFO 10-06 [gpu_model_runner.py:3480] Graph capturing finished in 8 secs, took 0.31 GiB",
                ),
            ],
            41.0,
        );
        assert_eq!((start.compilation_s, start.graph_capture_s), (Some(30.03), Some(8.0)));
        assert_eq!((start.kv_cache_tokens, start.kv_cache_requests), (Some(49_136), Some(12.0)));
    }

    #[test]
    fn what_only_looks_like_a_line_of_the_start_changes_nothing() {
        for line in [
            "# GPU blocks: none",
            "KV cache size: many tokens",
            "init engine (",
            "Graph capturing finished in",
            "Maximum concurrency for 3",
            "# of all the things that are called blocks: 7",
        ] {
            let start = read(&[(1.0, line)], 2.0);
            assert_eq!((start.kv_cache_tokens, start.kv_cache_requests), (None, None), "{line}");
            assert_eq!((start.graph_capture_s, start.compilation_s), (None, None), "{line}");
        }
    }
}
