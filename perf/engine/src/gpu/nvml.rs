//! Asks NVML for the GPUs of this machine: [`list`] and [`driver`].

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{Gpu, GpuProcess};

const MIB: u64 = 1024 * 1024;

/// The GPUs of this machine. A machine without NVIDIA's driver has none; a card that does not
/// answer is left out.
pub(crate) fn list() -> Vec<Gpu> {
    let Ok(nvml) = Nvml::init() else { return Vec::new() };
    let count = nvml.device_count().unwrap_or(0);
    (0..count).filter_map(|index| describe(&nvml, index)).collect()
}

/// Why NVML lists no GPUs although its library is there; absent where it lists them, and on a machine
/// without NVIDIA's driver.
pub(crate) fn fault() -> Option<String> {
    match Nvml::init() {
        Ok(nvml) => nvml.device_count().err().map(|error| format!("NVML failed: {error}")),
        Err(
            NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound | NvmlError::DriverNotLoaded,
        ) => None,
        Err(error @ NvmlError::LibRmVersionMismatch) => Some(format!(
            "NVML failed: {error}; the driver was updated while it was loaded: restart the machine, or unload and load its kernel \
             modules"
        )),
        Err(error) => Some(format!("NVML failed: {error}; check the driver with `nvidia-smi`")),
    }
}

/// The version of the GPU driver.
pub(crate) fn driver() -> Option<String> {
    Nvml::init().ok()?.sys_driver_version().ok()
}

fn describe(nvml: &Nvml, index: u32) -> Option<Gpu> {
    let device = nvml.device_by_index(index).ok()?;
    let memory = device.memory_info().ok();
    Some(Gpu {
        index,
        uuid: device.uuid().ok()?,
        name: device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()),
        memory_mib: memory.as_ref().map(|memory| memory.total / MIB),
        used_mib: memory.as_ref().map(|memory| memory.used / MIB),
        users: users(&device),
    })
}

fn users(device: &Device<'_>) -> Vec<GpuProcess> {
    let used = |memory| match memory {
        UsedGpuMemory::Used(bytes) => Some(bytes / MIB),
        UsedGpuMemory::Unavailable => None,
    };
    let processes = device.running_compute_processes().unwrap_or_default();
    processes
        .into_iter()
        .map(|process| GpuProcess { pid: process.pid, used_mib: used(process.used_gpu_memory) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_has_no_gpu_and_gives_no_error() {
        let gpus = list();
        assert!(gpus.is_empty() || driver().is_some());
        assert_eq!(fault(), None);
    }
}
