//! Why a server did not start, or ended: [`ServerFailure`]. Read from what Docker or the kernel says,
//! the exit code, and the log.

mod before_end;
mod of_error;
mod signs;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use before_end::failed_start;
use signs::SIGNS;

/// Exit code of a process that was ended by SIGKILL, as Docker and shells count it.
const KILLED: i64 = 128 + 9;

/// Exit codes of a process that was asked to end: vLLM ends in good order, and what did not get so
/// far is ended by SIGINT or SIGTERM.
const ASKED: [i64; 3] = [0, 128 + 2, 128 + 15];

/// What the API server says of an engine that ended at its start and left no word of why.
const NO_WORD: &str =
    "Engine core initialization failed. See root cause above. Failed core proc(s): {}";

/// Exit code of a command line that was not understood.
const USAGE: i64 = 2;

/// Exit codes of a command that cannot be run, or that is not there.
const NO_COMMAND: [i64; 2] = [126, 127];

/// Why a server did not start, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerFailure {
    /// The weights do not fit into the memory.
    OutOfMemory,
    /// The memory ran out while requests were served.
    OutOfMemoryServing,
    /// Capturing the CUDA graphs failed, mostly because weights and KV cache left too little
    /// memory.
    GraphCapture,
    /// No memory is left for the KV cache, or less than was asked for.
    KvCacheTooSmall,
    /// Another program holds memory of the GPU.
    GpuMemoryTaken,
    /// The model's files are not where the server looks.
    ModelMissing,
    /// The model's `config.json` cannot be read.
    ConfigCorrupt,
    /// The model's weights cannot be read: cut short, or not what they say they are.
    WeightsDamaged,
    /// The model has no tokenizer.
    TokenizerMissing,
    /// This version of vLLM does not know the model's architecture.
    UnsupportedModel,
    /// This version of vLLM does not know an engine argument.
    UnknownArgument,
    /// An engine argument has a value that vLLM does not take.
    BadArgument,
    /// `--max-model-len` is more than the model or the KV cache can hold.
    ContextTooLong,
    /// Another process listens on the port.
    PortTaken,
    /// The disk is full.
    DiskFull,
    /// The server sees no GPU.
    NoGpu,
    /// Docker has no way to hand out GPUs.
    NoGpuRuntime,
    /// The GPU's driver is too old for this build of vLLM.
    DriverTooOld,
    /// The GPU or the connection between GPUs failed.
    CudaError,
    /// The image is not on this machine, and no registry has it.
    ImageMissing,
    /// The registry does not let this user pull the image.
    PullDenied,
    /// The entrypoint of the image, or the command, cannot be run.
    BadEntrypoint,
    /// The kernel killed it because memory ran out, as Docker or the cgroup says.
    KilledByKernel,
    /// SIGKILL, and nothing shows that memory ran out.
    Killed,
    /// Somebody asked it to end: `docker stop`, SIGTERM or SIGINT.
    Stopped,
    /// Somebody removed its container.
    Removed,
    /// Somebody restarted its container.
    Restarted,
    /// Its engine died, and the API server with it or after it.
    EngineDied,
    /// It was not ready in time.
    NotReadyInTime,
    /// It is up and answers nothing.
    Hangs,
    /// None of these; the log says more.
    Other,
}

/// What is left of a server that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub(crate) exit_code: Option<i64>,
    /// Whether Docker or the cgroup says that the kernel killed it for want of memory.
    pub(crate) oom_killed: bool,
    /// What somebody did to it, where Docker saw that.
    pub(crate) deed: Option<ServerFailure>,
    /// The end of its log.
    pub(crate) log: &'a [String],
}

impl ServerFailure {
    /// Reads the reason.
    ///
    /// What was seen counts more than what has to be inferred: first Docker and the kernel, then
    /// the words of the log, then the exit code.
    pub(crate) fn classify(of: Evidence<'_>) -> Self {
        let Evidence { exit_code, oom_killed, deed, log } = of;
        if oom_killed {
            return Self::KilledByKernel;
        }
        if let Some(deed) = deed {
            return deed;
        }
        // A usage text may quote words of other failures.
        if exit_code == Some(USAGE) && signs::proof(Self::UnknownArgument, log).is_none() {
            return Self::BadArgument;
        }
        let proven = SIGNS.iter().map(|(failure, _)| *failure);
        if let Some(failure) = proven.into_iter().find(|of| signs::proof(*of, log).is_some()) {
            return failure;
        }
        match exit_code {
            Some(code) if NO_COMMAND.contains(&code) => Self::BadEntrypoint,
            Some(KILLED) => Self::Killed,
            Some(code) if ASKED.contains(&code) => Self::Stopped,
            _ if log.iter().any(|line| line.contains(NO_WORD))
                && !log.iter().any(|line| is_error(line)) =>
            {
                Self::EngineDied
            }
            _ => Self::Other,
        }
    }

    /// The same failure of a server that was ready.
    pub(crate) fn while_serving(self) -> Self {
        match self {
            Self::OutOfMemory => Self::OutOfMemoryServing,
            other => other,
        }
    }

    /// The line of the log that proves it, where one does: vLLM's last lines only say that something
    /// failed. Of another failure, the first line that reads like an error.
    pub(crate) fn cause(self, log: &[String]) -> Option<&str> {
        let of = if self == Self::OutOfMemoryServing { Self::OutOfMemory } else { self };
        // The frames of a graph capture prove it; what went wrong in it says more.
        let said = (of == Self::GraphCapture).then(|| {
            log.iter().find(|line| line.contains("graph capture failed") || is_error(line))
        });
        let said = said.flatten().map(|line| line.trim());
        said.or_else(|| signs::proof(of, log))
            .or_else(|| log.iter().find(|line| is_error(line)).map(|line| line.trim()))
    }

    /// What happened and what to do about it, for an error message.
    pub fn advice(self) -> &'static str {
        match self {
            Self::OutOfMemory => {
                "it ran out of memory; lower --max-model-len or --max-num-seqs, take more GPUs or a smaller model"
            }
            Self::OutOfMemoryServing => {
                "it ran out of memory while it served; lower --gpu-memory-utilization, --max-num-seqs or --max-num-batched-tokens"
            }
            Self::GraphCapture => {
                "capturing CUDA graphs failed; lower --gpu-memory-utilization or --max-model-len, or add --enforce-eager"
            }
            Self::KvCacheTooSmall => {
                "there is not enough memory for the KV cache; raise --gpu-memory-utilization, lower --max-model-len, take more GPUs, \
                 or on a CPU lower VLLM_CPU_KVCACHE_SPACE"
            }
            Self::GpuMemoryTaken => {
                "another program holds memory of the GPU; `nvidia-smi` names it; end it, or lower --gpu-memory-utilization"
            }
            Self::ModelMissing => {
                "it did not find the model; check the folder that `perf.toml` names for it"
            }
            Self::ConfigCorrupt => {
                "it cannot read the model's configuration; fetch the JSON files of the model again"
            }
            Self::WeightsDamaged => {
                "it cannot read the model's weights; compare the sizes of its .safetensors files with the hub's, and fetch them again"
            }
            Self::TokenizerMissing => {
                "the model has no tokenizer that it can read; fetch tokenizer.json and tokenizer_config.json of the model"
            }
            Self::UnsupportedModel => {
                "this version of vLLM does not know the model's architecture; take a newer version, or another model"
            }
            Self::UnknownArgument => {
                "it does not know an argument; this version may have dropped it, or it is misspelt: see the log"
            }
            Self::BadArgument => "an argument has a value that it does not take; the log names it",
            Self::ContextTooLong => {
                "--max-model-len is more than the model or the KV cache holds; lower it to what the log names"
            }
            Self::PortTaken => "its port is taken; run it again",
            Self::DiskFull => "the disk is full; make room where the log says, or move the caches",
            Self::NoGpu => {
                "it sees no GPU; `nvidia-smi` must show one here, and in the container: docker run --rm --gpus all IMAGE nvidia-smi"
            }
            Self::NoGpuRuntime => {
                "Docker cannot hand out GPUs; install the NVIDIA Container Toolkit and restart Docker"
            }
            Self::DriverTooOld => {
                "the GPU's driver is too old for this build of vLLM; update the driver, or take a build for an older CUDA"
            }
            Self::CudaError => {
                "the GPU, or the connection between GPUs, failed; look for XID in `dmesg`, and run it again on other GPUs"
            }
            Self::ImageMissing => "the image is not there; check its name, or build it",
            Self::PullDenied => {
                "the registry does not let you pull the image; check its name, and log in with `docker login`"
            }
            Self::BadEntrypoint => {
                "its command cannot be run; check the entrypoint of the image with `docker inspect`, or the path of the command"
            }
            Self::KilledByKernel => {
                "the kernel killed it because memory ran out; give it more memory, or lower the KV cache"
            }
            Self::Killed => {
                "nothing shows that memory ran out; look for what killed it (`docker kill`, `kill -9`); `dmesg` names a kill by \
                 the kernel"
            }
            Self::Stopped => {
                "it ended in good order, and this run did not ask it to; look for who stopped it (`docker stop`, `kill`), and run \
                 again"
            }
            Self::Removed => {
                "its container was removed from outside; look for who did (`docker rm -f`, `docker system prune`), and run again"
            }
            Self::Restarted => {
                "its container was restarted from outside; look for who did (`docker restart`), and run again"
            }
            Self::EngineDied => {
                "its engine died; the lines above the first error of the API server in its log say why"
            }
            Self::NotReadyInTime => "look at its log, or raise start_timeout_s in perf.toml",
            Self::Hangs => {
                "it answers nothing any more; look at its log, and report it with `py-spy dump`"
            }
            Self::Other => "its log names the cause",
        }
    }
}

/// Whether a line reads like the error that came first. A warning at every start quotes an error that it
/// might lead to, and the API server reports that of its engine once more.
fn is_error(line: &str) -> bool {
    line.contains("Error: ") && !line.contains("WARNING") && !line.contains("initialization failed")
}

impl fmt::Display for ServerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OutOfMemory => "out of memory",
            Self::OutOfMemoryServing => "out of memory while serving",
            Self::GraphCapture => "graph capture failed",
            Self::KvCacheTooSmall => "no memory for the KV cache",
            Self::GpuMemoryTaken => "GPU memory in use by others",
            Self::ModelMissing => "model missing",
            Self::ConfigCorrupt => "model configuration corrupt",
            Self::WeightsDamaged => "weights damaged",
            Self::TokenizerMissing => "tokenizer missing",
            Self::UnsupportedModel => "model not supported",
            Self::UnknownArgument => "unknown argument",
            Self::BadArgument => "bad argument",
            Self::ContextTooLong => "context too long",
            Self::PortTaken => "port taken",
            Self::DiskFull => "disk full",
            Self::NoGpu => "no GPU",
            Self::NoGpuRuntime => "no GPU runtime in Docker",
            Self::DriverTooOld => "GPU driver too old",
            Self::CudaError => "GPU failed",
            Self::ImageMissing => "image missing",
            Self::PullDenied => "pull denied",
            Self::BadEntrypoint => "command cannot be run",
            Self::KilledByKernel => "out of memory, killed by the kernel",
            Self::Killed => "killed by signal 9",
            Self::Stopped => "stopped from outside",
            Self::Removed => "container removed from outside",
            Self::Restarted => "container restarted from outside",
            Self::EngineDied => "engine died",
            Self::NotReadyInTime => "not ready in time",
            Self::Hangs => "hangs",
            Self::Other => "start failed",
        })
    }
}
