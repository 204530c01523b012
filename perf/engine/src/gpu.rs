//! GPUs: those of this machine, and what uses them.

mod list;
#[cfg(feature = "nvml")]
mod nvml;

pub(crate) use list::describe_all;
pub use list::{Gpu, GpuProcess};
#[cfg(feature = "nvml")]
pub(crate) use nvml::{driver, fault, list};

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
