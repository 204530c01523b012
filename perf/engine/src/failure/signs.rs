//! The words of a server's log that prove why it failed: [`SIGNS`].

use super::ServerFailure::{
    self, BadArgument, ConfigCorrupt, ContextTooLong, CudaError, DiskFull, DriverTooOld,
    EngineDied, GpuMemoryTaken, GraphCapture, Killed, KvCacheTooSmall, ModelMissing, NoGpu,
    OutOfMemory, PortTaken, TokenizerMissing, UnknownArgument, UnsupportedModel, WeightsDamaged,
};

/// Each failure with the words that prove it, root causes first: a graph capture that runs out of
/// memory shows both, and both engine and API server report every failure a second time as one of
/// their own.
pub(super) const SIGNS: &[(ServerFailure, &[&str])] = &[
    (UnknownArgument, &["unrecognized arguments:"]),
    (BadArgument, &[": error: argument "]),
    (DiskFull, &["No space left on device", "Disk quota exceeded"]),
    (
        DriverTooOld,
        &[
            "driver on your system is too old",
            "CUDA driver version is insufficient for CUDA runtime version",
            "forward compatibility was attempted on non supported HW",
            "the provided PTX was compiled with an unsupported toolchain",
            "unsatisfied condition: cuda",
        ],
    ),
    (
        NoGpu,
        &[
            "No CUDA GPUs are available",
            "Failed to infer device type",
            "libcuda.so.1: cannot open shared object file",
            "Found no NVIDIA driver on your system",
            "Torch not compiled with CUDA enabled",
        ],
    ),
    // `Capturing CUDA graphs` alone is a progress bar that every start on a GPU shows.
    (
        GraphCapture,
        &[
            "in capture_model",
            "self.model_runner.capture_model()",
            "torch/cuda/graphs.py",
            "cudaErrorStreamCapture",
            "stream is capturing",
            "previous error during capture",
            "CUDA graph capture failed",
        ],
    ),
    (GpuMemoryTaken, &["is less than desired GPU memory utilization"]),
    (
        KvCacheTooSmall,
        &["No available memory for the cache blocks", "is less than requested memory for kv"],
    ),
    (OutOfMemory, &["OutOfMemoryError", "out of memory", "Cannot allocate memory"]),
    (
        ContextTooLong,
        &[
            "is greater than the derived max_model_len",
            "To serve at least one request with the model's max seq len",
            "is larger than the maximum number of tokens that can be stored in KV cache",
        ],
    ),
    (PortTaken, &["Address already in use", "address already in use"]),
    (
        ConfigCorrupt,
        &["is not a valid JSON file", "JSONDecodeError", "It looks like the config file at"],
    ),
    (
        WeightsDamaged,
        &[
            "SafetensorError",
            "incomplete metadata",
            "PytorchStreamReader failed",
            "Weights are damaged",
        ],
    ),
    (
        UnsupportedModel,
        &[
            "are not supported for now",
            "has no vLLM implementation",
            "Transformers does not recognize this architecture",
            "does not recognize this architecture",
        ],
    ),
    (
        TokenizerMissing,
        &[
            "Can't load tokenizer for",
            "Unable to load vocabulary from file",
            "Couldn't instantiate the backend tokenizer",
            "Failed to load the tokenizer",
        ],
    ),
    (
        ModelMissing,
        &[
            "Repo id must be in the form",
            "HFValidationError",
            "RepositoryNotFoundError",
            "GatedRepoError",
            "LocalEntryNotFoundError",
            "OfflineModeIsEnabled",
            "Invalid repository ID or local directory specified",
            "is not a local folder and is not a valid model identifier",
            "does not appear to have a file named config.json",
            "Cannot find any model weights",
        ],
    ),
    // vLLM goes down with a process of its own in good order, and exits as if that were no news.
    (Killed, &["died unexpectedly (exit code: -9)", "died with exit code -9", "': -9"]),
    (
        CudaError,
        &[
            "CUDA error: an illegal memory access",
            "CUDA error: unspecified launch failure",
            "CUDA error: device-side assert",
            "CUDA error: uncorrectable ECC error",
            "NCCL error",
        ],
    ),
    (
        EngineDied,
        &[
            "EngineDeadError",
            "EngineCore encountered a fatal error",
            "died unexpectedly, shutting down client",
        ],
    ),
];

/// The first line that proves this failure.
pub(super) fn proof(of: ServerFailure, log: &[String]) -> Option<&str> {
    let (_, words) = SIGNS.iter().find(|(failure, _)| *failure == of)?;
    let proves = |line: &&String| words.iter().any(|words| line.contains(words));
    log.iter().find(proves).map(|line| line.trim())
}
