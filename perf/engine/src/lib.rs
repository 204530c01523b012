//! The server under test: brings it up, says what it is, notices its death, and leaves nothing
//! behind. Main type: [`Engine`], which starts a [`Running`].
//!
//! There are four engines: an image through Docker, a `vllm serve` process, a server that is
//! already up somewhere, and the simulated one in this process and in virtual time. The first two
//! take a lease on the hardware, so that no two runs measure on the same GPU, and all that they
//! start is removed again when it is stopped, dropped, when the test panics, and, at the latest by
//! the next run, when this process is killed.
//!
//! The Cargo feature `docker` brings the docker engine, `nvml` the discovery of GPUs; both are off
//! by default, and `cargo xtask perf` turns on what the chosen engine needs.
//!
//! Starting and stopping work on any tokio runtime that has time and I/O enabled, current-thread
//! ones included: what has to happen when a [`Running`] is dropped happens on a thread of its own.

#![cfg_attr(
    not(feature = "docker"),
    allow(
        dead_code,
        unused_imports,
        clippy::match_wildcard_for_single_variants,
        reason = "the docker engine alone uses some of it, and is one of the variants"
    )
)]

mod compile_cache;
#[cfg(feature = "docker")]
mod docker;
mod engine;
mod engine_processes;
mod error;
mod failure;
mod gpu;
mod launch_spec;
mod lease;
mod leasing;
mod log;
mod model_files;
mod models;
mod process;
mod queue;
mod readiness;
mod remote;
mod running;
mod secrets;
mod simulated;
mod supervisor;
mod topology;
mod wake;
mod wanted;

pub use engine::Engine;
pub use error::EngineError;
pub use failure::ServerFailure;
pub use gpu::{Gpu, GpuProcess, ServerGpus, Telemetry};
pub use lease::Lease;
pub use remote::{Look, Looking, Seen};
pub use running::{Address, Running, ServerExit};
