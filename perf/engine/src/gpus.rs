//! The GPUs of this machine, as NVML lists them: [`Gpu`].

use nvml_wrapper::Nvml;

/// A GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its number in the order of the PCI bus.
    pub index: u32,
    /// What stays the same when cards are added or swapped: `GPU-…`.
    pub uuid: String,
    /// `NVIDIA GeForce RTX 4090`.
    pub name: String,
    /// Its memory.
    pub memory_mib: Option<u64>,
    /// How many processes compute on it now, where the driver tells.
    pub processes: Option<u32>,
}

impl Gpu {
    /// Whether nothing is known to compute on it.
    pub(crate) fn is_free(&self) -> bool {
        self.processes.unwrap_or(0) == 0
    }
}

/// The GPUs of this machine. A machine without NVIDIA's driver has none; a card that does not answer is left out.
pub(crate) fn list() -> Vec<Gpu> {
    let Ok(nvml) = Nvml::init() else { return Vec::new() };
    let count = nvml.device_count().unwrap_or(0);
    (0..count).filter_map(|index| describe(&nvml, index)).collect()
}

/// The version of the GPU driver.
pub(crate) fn driver() -> Option<String> {
    Nvml::init().ok()?.sys_driver_version().ok()
}

fn describe(nvml: &Nvml, index: u32) -> Option<Gpu> {
    let device = nvml.device_by_index(index).ok()?;
    Some(Gpu {
        index,
        uuid: device.uuid().ok()?,
        name: device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()),
        memory_mib: device.memory_info().ok().map(|memory| memory.total / 1024 / 1024),
        processes: device.running_compute_processes().ok().and_then(|processes| processes.len().try_into().ok()),
    })
}

/// `2 × NVIDIA GeForce RTX 4090`; cards that differ are named one by one.
pub(crate) fn describe_all(gpus: &[Gpu]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for gpu in gpus {
        match kinds.iter_mut().find(|(name, _)| *name == gpu.name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&gpu.name, 1)),
        }
    }
    kinds.iter().map(|(name, count)| format!("{count} × {name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Gpu {
        Gpu { index: 0, uuid: "GPU-0".into(), name: name.into(), memory_mib: None, processes: None }
    }

    #[test]
    fn gpus_are_counted_by_name() {
        assert_eq!(describe_all(&[named("NVIDIA H200"), named("NVIDIA H200")]), "2 × NVIDIA H200");
        assert_eq!(describe_all(&[named("NVIDIA L4"), named("NVIDIA T4")]), "1 × NVIDIA L4, 1 × NVIDIA T4");
    }

    #[test]
    fn a_gpu_whose_processes_are_unknown_counts_as_free() {
        assert!(named("NVIDIA H200").is_free());
    }

    #[test]
    fn a_machine_without_a_driver_is_no_error() {
        // Whatever this machine has, asking must not fail.
        let gpus = list();
        assert!(gpus.is_empty() || driver().is_some());
    }
}
