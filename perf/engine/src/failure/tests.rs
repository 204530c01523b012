//! A table of failures, each with the log that proves it.

use super::*;

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn classify(exit_code: i64, log: &str) -> ServerFailure {
    let log = lines(log);
    let exit_code = Some(exit_code);
    ServerFailure::classify(Evidence { exit_code, oom_killed: false, deed: None, log: &log })
}

macro_rules! capture {
    ($name:literal) => {
        include_str!(concat!("../../tests/captures/", $name, ".log"))
    };
}

/// Exit code and log of a server that failed, what that is, and words of the line that proves it.
type Row = (i64, &'static str, ServerFailure, &'static str);

/// From a vLLM 0.32.0 on a CPU.
const SEEN: &[Row] = &[
    (
        2,
        capture!("bad-flag"),
        ServerFailure::UnknownArgument,
        "unrecognized arguments: --no-such-flag 3",
    ),
    (2, capture!("bad-value"), ServerFailure::BadArgument, "invalid int value: 'lots'"),
    (1, capture!("bad-model-path"), ServerFailure::ModelMissing, ""),
    (
        1,
        capture!("max-model-len-over-config"),
        ServerFailure::ContextTooLong,
        "is greater than the derived",
    ),
    (
        1,
        capture!("max-model-len-over-kv"),
        ServerFailure::ContextTooLong,
        "To serve at least one request",
    ),
    (1, capture!("port-in-use"), ServerFailure::PortTaken, "ddress already in use"),
    (
        1,
        capture!("kvcache-too-large"),
        ServerFailure::KvCacheTooSmall,
        "requested memory for kv (100.0 GiB)",
    ),
    (
        1,
        capture!("truncated-weights"),
        ServerFailure::WeightsDamaged,
        "incomplete metadata, file not fully covered",
    ),
    (
        1,
        capture!("unknown-architecture"),
        ServerFailure::UnsupportedModel,
        "does not recognize this architecture",
    ),
];

/// As vLLM and CUDA word them; no GPU is here to provoke them.
const WORDED: &[Row] = &[
    (
        1,
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 270.00 MiB. GPU 0 has a total capacity of 23.53 GiB of \
         which 85.06 MiB is free.",
        ServerFailure::OutOfMemory,
        "Tried to allocate 270.00 MiB",
    ),
    (
        1,
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the \
         engine.",
        ServerFailure::KvCacheTooSmall,
        "No available memory",
    ),
    (
        1,
        "ValueError: Free memory on device cuda:0 (3.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9, \
         71.2 GiB).",
        ServerFailure::GpuMemoryTaken,
        "Free memory on device cuda:0",
    ),
    (
        1,
        "  File \"vllm/v1/worker/gpu_worker.py\", line 588, in compile_or_warm_up_model\n    \
         cuda_graph_memory_bytes = self.model_runner.capture_model()\n\
         torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.",
        ServerFailure::GraphCapture,
        "torch.OutOfMemoryError",
    ),
    (
        1,
        "RuntimeError: CUDA error: operation failed due to a previous error during capture",
        ServerFailure::GraphCapture,
        "previous error during capture",
    ),
    (
        1,
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        ServerFailure::DriverTooOld,
        "found version 11040",
    ),
    (
        1,
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 804: forward compatibility was attempted on non supported HW",
        ServerFailure::DriverTooOld,
        "Error 804",
    ),
    (1, "RuntimeError: No CUDA GPUs are available", ServerFailure::NoGpu, "No CUDA GPUs"),
    (
        1,
        "RuntimeError: Failed to infer device type, please set the environment variable",
        ServerFailure::NoGpu,
        "infer device type",
    ),
    (
        1,
        "OSError: [Errno 28] No space left on device: '/cache/vllm/torch_compile_cache'",
        ServerFailure::DiskFull,
        "/cache/vllm",
    ),
    (
        1,
        "ERROR [multiproc_executor.py:315] Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down",
        ServerFailure::Killed,
        "VllmWorker-0",
    ),
    (
        1,
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': -9}",
        ServerFailure::Killed,
        "'EngineCore': -9",
    ),
    (
        1,
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}",
        ServerFailure::Other,
        "",
    ),
    (
        1,
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        ServerFailure::EngineDied,
        "",
    ),
    (
        1,
        "ValueError: no such thing\nRuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        ServerFailure::Other,
        "no such thing",
    ),
    (
        1,
        "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
        ServerFailure::CudaError,
        "illegal memory access",
    ),
    (
        0,
        "ERROR [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
        ServerFailure::EngineDied,
        "EngineDeadError",
    ),
    (137, "INFO serving", ServerFailure::Killed, ""),
    (0, "INFO:     Finished server process [7]", ServerFailure::Stopped, ""),
    (143, "", ServerFailure::Stopped, ""),
    (127, "sh: 1: no-such-program: not found", ServerFailure::BadEntrypoint, ""),
    (
        1,
        "Capturing CUDA graphs (decode, FULL): 100%|██████████| 35/35\nValueError: something else",
        ServerFailure::Other,
        "ValueError: something else",
    ),
];

#[test]
fn every_failure_has_a_name_and_the_line_that_proves_it() {
    for (exit_code, log, failure, proof) in SEEN.iter().chain(WORDED) {
        assert_eq!(classify(*exit_code, log), *failure, "{log}");
        let log = lines(log);
        let cause = failure.cause(&log).unwrap_or_default();
        assert!(cause.contains(proof), "{failure}: {cause}");
    }
}

#[test]
fn a_kill_is_the_kernels_only_where_memory_is_known_to_have_run_out() {
    let of = |exit_code, oom_killed, deed| {
        ServerFailure::classify(Evidence { exit_code: Some(exit_code), oom_killed, deed, log: &[] })
    };
    assert_eq!(of(1, true, None), ServerFailure::KilledByKernel);
    assert_eq!(of(137, false, None), ServerFailure::Killed);
    assert_eq!(of(137, false, Some(ServerFailure::Removed)), ServerFailure::Removed);
}

#[test]
fn memory_that_runs_out_under_load_has_a_name_of_its_own() {
    let log = lines("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.");
    let failure = ServerFailure::OutOfMemory.while_serving();
    assert_eq!(failure, ServerFailure::OutOfMemoryServing);
    assert!(failure.cause(&log).unwrap().contains("2.00 GiB"));
    assert_eq!(ServerFailure::Killed.while_serving(), ServerFailure::Killed);
}
