//! Asks NVML for the GPUs of this machine: [`list`] and [`driver`].

use nvml_wrapper::enum_wrappers::device::{Clock, TopologyLevel};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use perf_model::record::gpu_setup::GpuSetup;

use super::{Gpu, GpuProcess};

const MIB: u64 = 1024 * 1024;

/// The most NVLinks that a GPU of today has.
const MOST_LINKS: u32 = 18;

/// NVML's name for a MIG mode that is on.
const MIG_ON: u32 = 1;

/// The GPUs of this machine. A machine without NVIDIA's driver has none; a card that does not
/// answer is left out.
pub(crate) fn list() -> Vec<Gpu> {
    let Ok(nvml) = Nvml::init() else { return Vec::new() };
    let count = nvml.device_count().unwrap_or(0);
    let devices: Vec<(u32, Device<'_>)> =
        (0..count).filter_map(|index| Some((index, nvml.device_by_index(index).ok()?))).collect();
    let cuda = nvml.sys_cuda_driver_version().ok();
    let cuda = cuda.map(|number| format!("{}.{}", number / 1_000, number % 1_000 / 10));
    let describe = |(index, device): &(u32, Device<'_>)| {
        describe(device, *index, same_switch(&devices, *index, device), cuda.clone())
    };
    devices.iter().filter_map(describe).collect()
}

/// Why NVML lists none or only some of the GPUs although its library is there; absent where it lists
/// all, and on a machine without the library.
pub(crate) fn fault() -> Option<String> {
    let advice = match Nvml::init() {
        Ok(nvml) => return lost(&nvml),
        Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) => return None,
        Err(error @ NvmlError::DriverNotLoaded) => (
            error,
            "NVIDIA's library is there and its kernel module is not loaded: `sudo modprobe nvidia` says why",
        ),
        Err(error @ NvmlError::LibRmVersionMismatch) => (
            error,
            "the driver was updated while it was loaded: restart the machine, or unload and load its kernel modules",
        ),
        Err(error @ NvmlError::NoPermission) => {
            (error, "this user may not open the devices /dev/nvidia*: give it the right to")
        }
        Err(error) => (error, "check the driver with `nvidia-smi`"),
    };
    Some(format!("NVML failed: {}; {}", advice.0, advice.1))
}

/// The GPUs that do not answer, with the reason of the first.
fn lost(nvml: &Nvml) -> Option<String> {
    let count = match nvml.device_count() {
        Ok(count) => count,
        Err(error) => return Some(format!("NVML failed: {error}")),
    };
    let answer = |index: u32| nvml.device_by_index(index).and_then(|device| device.uuid());
    let silent: Vec<(u32, NvmlError)> =
        (0..count).filter_map(|index| Some((index, answer(index).err()?))).collect();
    let (first, error) = silent.first()?;
    let verb = if silent.len() == 1 { "does" } else { "do" };
    Some(format!(
        "{} of {count} GPUs {verb} not answer: GPU {first}: {error}; check with `nvidia-smi`",
        silent.len()
    ))
}

/// The version of the GPU driver.
pub(crate) fn driver() -> Option<String> {
    Nvml::init().ok()?.sys_driver_version().ok()
}

fn describe(
    device: &Device<'_>,
    index: u32,
    same_switch: Vec<u32>,
    cuda: Option<String>,
) -> Option<Gpu> {
    let memory = device.memory_info().ok();
    let setup = GpuSetup {
        index,
        uuid: device.uuid().ok()?,
        name: device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()),
        memory_mib: memory.as_ref().map(|memory| memory.total / MIB),
        used_before_mib: memory.as_ref().map(|memory| memory.used / MIB),
        cuda,
        same_switch,
        ..setup(device)
    };
    Some(Gpu { setup, users: users(device) })
}

/// What the device says of itself. A call that it does not support leaves its field absent.
fn setup(device: &Device<'_>) -> GpuSetup {
    let capability = device.cuda_compute_capability().ok();
    // A card without NVLink supports none of these calls.
    let links = (0..MOST_LINKS).filter_map(|link| device.link_wrapper_for(link).is_active().ok());
    let links: Vec<bool> = links.collect();
    let up = links.iter().filter(|is_active| **is_active).count();
    GpuSetup {
        compute_capability: capability.map(|it| format!("{}.{}", it.major, it.minor)),
        mig: device.mig_mode().ok().map(|mode| mode.current == MIG_ON),
        persistence: device.is_in_persistent_mode().ok(),
        ecc: device.is_ecc_enabled().ok().map(|state| state.currently_enabled),
        power_cap_w: device.enforced_power_limit().ok().map(|milliwatts| milliwatts / 1_000),
        max_sm_mhz: device.max_clock_info(Clock::SM).ok(),
        max_memory_mhz: device.max_clock_info(Clock::Memory).ok(),
        applications_sm_mhz: device.applications_clock(Clock::SM).ok(),
        applications_memory_mhz: device.applications_clock(Clock::Memory).ok(),
        nvlinks: (!links.is_empty()).then(|| u32::try_from(up).unwrap_or(u32::MAX)),
        pcie_generation: device.current_pcie_link_gen().ok(),
        pcie_lanes: device.current_pcie_link_width().ok(),
        ..GpuSetup::default()
    }
}

/// The other GPUs that a PCIe switch, or several, connects with this one.
fn same_switch(devices: &[(u32, Device<'_>)], index: u32, device: &Device<'_>) -> Vec<u32> {
    let is_near = |other: &Device<'_>| {
        let Ok(nvml) = device.nvml().device_by_uuid(other.uuid().unwrap_or_default()) else {
            return false;
        };
        matches!(
            device.topology_common_ancestor(nvml),
            Ok(TopologyLevel::Internal | TopologyLevel::Single | TopologyLevel::Multiple)
        )
    };
    let others = devices.iter().filter(|(number, _)| *number != index);
    others.filter(|(_, other)| is_near(other)).map(|(number, _)| *number).collect()
}

/// The processes that compute on a device.
pub(super) fn users(device: &Device<'_>) -> Vec<GpuProcess> {
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
mod tests;
