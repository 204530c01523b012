//! GPUs: those of this machine, and what uses them.

mod held;
mod list;
#[cfg(feature = "nvml")]
mod nvml;
mod owners;
#[cfg(all(test, feature = "nvml"))]
mod played;
#[cfg(feature = "nvml")]
mod reader;
mod server_gpus;
mod telemetry;

pub(crate) use held::wait_until_given_back;
pub(crate) use list::describe_all;
pub use list::{Gpu, GpuProcess};
#[cfg(feature = "nvml")]
pub(crate) use nvml::{driver, fault, list};
pub(crate) use owners::Owners;
pub use server_gpus::ServerGpus;
pub use telemetry::Telemetry;

/// No GPU, because this build cannot ask NVML.
#[cfg(not(feature = "nvml"))]
pub(crate) fn list() -> Vec<Gpu> {
    Vec::new()
}

/// No fault, because this build cannot ask NVML.
#[cfg(not(feature = "nvml"))]
pub(crate) fn fault() -> Option<String> {
    None
}

/// No version, because this build cannot ask NVML.
#[cfg(not(feature = "nvml"))]
pub(crate) fn driver() -> Option<String> {
    None
}

/// Whether this machine has GPUs that this build cannot list.
pub(crate) fn are_hidden_from_this_build() -> bool {
    !cfg!(feature = "nvml")
        && std::fs::read_dir("/proc/driver/nvidia/gpus").is_ok_and(|mut gpus| gpus.next().is_some())
}

/// These GPUs as they are now; one that no longer answers is left out.
pub(crate) fn now(gpus: &[Gpu]) -> Vec<Gpu> {
    if gpus.is_empty() {
        return Vec::new();
    }
    list().into_iter().filter(|gpu| gpus.iter().any(|of| of.setup.uuid == gpu.setup.uuid)).collect()
}
