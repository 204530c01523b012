//! Why a server did not start, read from its exit code and its log: [`StartFailure`].

use std::fmt;

/// Exit code of a process that was ended by SIGKILL, as Docker and shells count it.
const KILLED: i64 = 128 + 9;

/// Exit code of a command line that was not understood.
const USAGE: i64 = 2;

/// Why a server did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartFailure {
    /// The weights or the KV cache do not fit into the memory.
    OutOfMemory,
    /// Capturing the CUDA graphs failed, mostly because weights and KV cache left too little
    /// memory.
    GraphCapture,
    /// The model's files are not where the server looks.
    ModelMissing,
    /// This version of vLLM does not know an engine argument.
    UnknownArgument,
    /// An engine argument has a value that vLLM does not take.
    BadArgument,
    /// `--max-model-len` is more than the model or the KV cache can hold.
    ContextTooLong,
    /// Another process listens on the port.
    PortTaken,
    /// The kernel killed it because memory ran out.
    KilledByKernel,
    /// SIGKILL, and nothing shows that memory ran out.
    Killed,
    /// None of these; the log says more.
    Other,
}

/// What the log of a graph capture that failed shows: frames of the capture, and CUDA's own words.
///
/// `Capturing CUDA graphs` alone is a progress bar that every start on a GPU shows.
const GRAPH_CAPTURE: &[&str] = &[
    "in capture_model",
    "self.model_runner.capture_model()",
    "torch/cuda/graphs.py",
    "cudaErrorStreamCapture",
    "stream is capturing",
    "previous error during capture",
    "CUDA graph capture failed",
];

const OUT_OF_MEMORY: &[&str] = &[
    "OutOfMemoryError",
    "out of memory",
    "No available memory for the cache blocks",
    "is less than desired GPU memory utilization",
    "is less than requested memory for kv",
];

const CONTEXT_TOO_LONG: &[&str] = &[
    "is greater than the derived max_model_len",
    "To serve at least one request with the model's max seq len",
    "is larger than the maximum number of tokens that can be stored in KV cache",
];

const MODEL_MISSING: &[&str] = &[
    "Repo id must be in the form",
    "HFValidationError",
    "RepositoryNotFoundError",
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
    "Invalid repository ID or local directory specified",
    "is not a local folder and is not a valid model identifier",
    "does not appear to have a file named config.json",
    "Cannot find any model weights",
];

/// What the log of a server shows whose model files are damaged.
const MODEL_DAMAGED: &[&str] =
    &["is not a valid JSON file", "JSONDecodeError", "SafetensorError", "incomplete metadata"];

const UNKNOWN_ARGUMENT: &str = "unrecognized arguments:";

/// How Python's argument parser ends its usage text.
const USAGE_ERRORS: &[&str] = &[UNKNOWN_ARGUMENT, ": error: argument "];

impl StartFailure {
    /// Reads the reason from the exit code, the kernel's mark and the log.
    ///
    /// Root causes come first: a graph capture that runs out of memory shows both texts, and both
    /// engine and API server report every failure a second time as one of their own.
    pub fn classify(exit_code: Option<i64>, oom_killed: bool, log: &[String]) -> Self {
        let has = |patterns: &[&str]| {
            log.iter().any(|line| patterns.iter().any(|pattern| line.contains(pattern)))
        };
        if oom_killed {
            Self::KilledByKernel
        } else if has(&[UNKNOWN_ARGUMENT]) {
            Self::UnknownArgument
        } else if exit_code == Some(USAGE) {
            Self::BadArgument
        } else if has(GRAPH_CAPTURE) {
            Self::GraphCapture
        } else if has(OUT_OF_MEMORY) {
            Self::OutOfMemory
        } else if has(CONTEXT_TOO_LONG) {
            Self::ContextTooLong
        } else if has(&["Address already in use", "address already in use"]) {
            Self::PortTaken
        } else if has(MODEL_MISSING) {
            Self::ModelMissing
        } else if exit_code == Some(KILLED) || log.iter().any(|line| tells_of_sigkill(line)) {
            Self::Killed
        } else {
            Self::Other
        }
    }

    /// Whether it was killed.
    pub(crate) fn is_killed(self) -> bool {
        matches!(self, Self::KilledByKernel | Self::Killed)
    }

    /// The line of the log that names the root cause, where one does: vLLM's last lines only say
    /// that something failed.
    pub(crate) fn cause(log: &[String]) -> Option<&str> {
        let known = [
            OUT_OF_MEMORY,
            CONTEXT_TOO_LONG,
            MODEL_MISSING,
            MODEL_DAMAGED,
            USAGE_ERRORS,
            &["CUDA error", "graph capture failed"],
        ];
        let is_cause = |line: &&String| {
            known.iter().flat_map(|set| set.iter()).any(|pattern| line.contains(pattern))
        };
        // A warning at every start quotes an error that it might lead to.
        let is_error = |line: &&String| {
            line.contains("Error: ")
                && !line.contains("WARNING")
                && !line.contains("initialization failed")
        };
        let found = log.iter().find(is_cause).or_else(|| log.iter().find(is_error));
        found.map(|line| line.trim())
    }

    /// What happened and what to do about it, for an error message.
    pub fn advice(self) -> &'static str {
        match self {
            Self::OutOfMemory => {
                "it ran out of memory; lower --max-model-len or --max-num-seqs, take more GPUs or a smaller model"
            }
            Self::GraphCapture => {
                "capturing CUDA graphs failed; lower --gpu-memory-utilization or --max-model-len, or add --enforce-eager"
            }
            Self::ModelMissing => {
                "it did not find the model; check the folder that `perf.toml` names for it"
            }
            Self::UnknownArgument => {
                "it does not know an argument; this version may have dropped it, or it is misspelt: see the log"
            }
            Self::BadArgument => "an argument has a value that it does not take; the log names it",
            Self::ContextTooLong => {
                "--max-model-len is more than the model or the KV cache holds; lower it to what the log names"
            }
            Self::PortTaken => "its port is taken; run it again",
            Self::KilledByKernel => {
                "the kernel killed it because memory ran out; give it more memory, or lower the KV cache"
            }
            Self::Killed => {
                "it was killed by signal 9, and nothing shows that memory ran out; look for what killed it (`docker kill`, \
                 `docker rm -f`, `kill -9`); `dmesg` names a kill by the kernel"
            }
            Self::Other => "its log names the cause",
        }
    }
}

/// Whether vLLM says that a process of its own ended by SIGKILL: it goes down with it in good
/// order, and exits as if that were no news.
fn tells_of_sigkill(line: &str) -> bool {
    let of_a_process = ["died unexpectedly (exit code: -9)", "died with exit code -9"];
    of_a_process.iter().any(|words| line.contains(words))
        || (line.contains("Failed core proc(s)") && line.contains(": -9"))
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OutOfMemory => "out of memory",
            Self::GraphCapture => "graph capture failed",
            Self::ModelMissing => "model missing",
            Self::UnknownArgument => "unknown argument",
            Self::BadArgument => "bad argument",
            Self::ContextTooLong => "context too long",
            Self::PortTaken => "port taken",
            Self::KilledByKernel => "out of memory, killed by the kernel",
            Self::Killed => "killed by signal 9",
            Self::Other => "start failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(exit_code: i64, log: &str) -> StartFailure {
        let log: Vec<String> = log.lines().map(str::to_owned).collect();
        StartFailure::classify(Some(exit_code), false, &log)
    }

    macro_rules! capture {
        ($name:literal) => {
            include_str!(concat!("../tests/captures/", $name, ".log"))
        };
    }

    #[test]
    fn failures_of_a_real_vllm_are_distinguished() {
        assert_eq!(classify(2, capture!("bad-flag")), StartFailure::UnknownArgument);
        assert_eq!(classify(2, capture!("bad-value")), StartFailure::BadArgument);
        assert_eq!(classify(1, capture!("bad-model-path")), StartFailure::ModelMissing);
        assert_eq!(
            classify(1, capture!("max-model-len-over-config")),
            StartFailure::ContextTooLong
        );
        assert_eq!(classify(1, capture!("max-model-len-over-kv")), StartFailure::ContextTooLong);
        assert_eq!(classify(1, capture!("port-in-use")), StartFailure::PortTaken);
        assert_eq!(classify(1, capture!("kvcache-too-large")), StartFailure::OutOfMemory);
        assert_eq!(classify(1, capture!("truncated-weights")), StartFailure::Other);
        assert_eq!(classify(1, capture!("unknown-architecture")), StartFailure::Other);
    }

    #[test]
    fn a_gpu_that_is_too_small_is_out_of_memory() {
        let log = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 270.00 MiB. GPU 0 has a total capacity \
                   of 23.53 GiB of which 85.06 MiB is free.";
        assert_eq!(classify(1, log), StartFailure::OutOfMemory);
        let none_left = "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` \
                         when initializing the engine.";
        assert_eq!(classify(1, none_left), StartFailure::OutOfMemory);
    }

    #[test]
    fn running_out_of_memory_in_graph_capture_is_graph_capture() {
        let log = "  File \"vllm/v1/worker/gpu_worker.py\", line 588, in compile_or_warm_up_model\n    \
                   cuda_graph_memory_bytes = self.model_runner.capture_model()\n\
                   torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.";
        assert_eq!(classify(1, log), StartFailure::GraphCapture);
        let cuda =
            "RuntimeError: CUDA error: operation failed due to a previous error during capture";
        assert_eq!(classify(1, cuda), StartFailure::GraphCapture);
    }

    #[test]
    fn the_progress_bar_of_graph_capture_is_no_failure_of_it() {
        let log = "Capturing CUDA graphs (decode, FULL): 100%|██████████| 35/35\nValueError: something else";
        assert_eq!(classify(1, log), StartFailure::Other);
    }

    #[test]
    fn a_kill_is_the_kernels_only_where_memory_is_known_to_have_run_out() {
        assert_eq!(StartFailure::classify(Some(1), true, &[]), StartFailure::KilledByKernel);
        assert_eq!(StartFailure::classify(Some(137), false, &[]), StartFailure::Killed);
        let worker = "ERROR [multiproc_executor.py:315] Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down";
        assert_eq!(classify(1, worker), StartFailure::Killed);
        let engine = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': -9}";
        assert_eq!(classify(1, engine), StartFailure::Killed);
        assert_eq!(classify(1, &engine.replace("-9", "1")), StartFailure::Other);
    }

    #[test]
    fn the_line_with_the_cause_is_found_above_the_wrappers() {
        let cause = |text: &str| {
            let log: Vec<String> = text.lines().map(str::to_owned).collect();
            StartFailure::cause(&log).unwrap().to_owned()
        };
        assert!(cause(capture!("max-model-len-over-kv")).contains("To serve at least one request"));
        assert!(
            cause(capture!("kvcache-too-large")).contains("requested memory for kv (100.0 GiB)")
        );
        assert_eq!(
            cause(capture!("bad-flag")),
            "vllm: error: unrecognized arguments: --no-such-flag 3"
        );
        assert!(cause(capture!("bad-value")).contains("invalid int value: 'lots'"));
        assert!(
            cause(capture!("truncated-weights"))
                .contains("incomplete metadata, file not fully covered")
        );
        assert_eq!(cause(capture!("port-in-use")), "OSError: [Errno 98] Address already in use");
    }

    #[test]
    fn the_server_that_ends_by_itself_is_just_a_failure() {
        assert_eq!(StartFailure::classify(Some(0), false, &[]), StartFailure::Other);
        assert_eq!(StartFailure::classify(None, false, &[]), StartFailure::Other);
    }
}
