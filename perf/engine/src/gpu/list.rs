//! A GPU and the processes that use it: [`Gpu`].

use perf_machine::gpu::IDLE_MIB;
use perf_model::record::gpu_setup::GpuSetup;

/// A GPU of this machine, as it is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpu {
    /// What it is and how it is set up.
    pub setup: GpuSetup,
    /// What computes on it now. The driver does not name processes that it may not, those outside
    /// of a container say.
    pub users: Vec<GpuProcess>,
}

/// One that nothing computes on.
impl From<GpuSetup> for Gpu {
    fn from(setup: GpuSetup) -> Self {
        Self { setup, users: Vec::new() }
    }
}

/// A process that computes on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuProcess {
    /// Its process id.
    pub pid: u32,
    /// What it uses of the memory, where the driver reports it.
    pub used_mib: Option<u64>,
}

impl Gpu {
    /// What of its memory is in use at that moment, in MiB, where the driver reports it. A server is
    /// started on GPUs as they were listed for it, so that its record has this as what was in use before.
    pub(crate) fn used_mib(&self) -> Option<u64> {
        self.setup.used_before_mib
    }

    /// Whether nothing is known to compute on it, nor to hold its memory.
    pub(crate) fn is_free(&self) -> bool {
        self.users.is_empty() && self.used_mib().unwrap_or(0) <= IDLE_MIB
    }

    /// What keeps it from being free: `process 4242 (81920 MiB)`.
    pub(crate) fn in_use_by(&self) -> String {
        if self.users.is_empty() {
            let used = self.used_mib().unwrap_or(0);
            return format!("a process that the driver does not name ({used} MiB)");
        }
        let name = |user: &GpuProcess| match user.used_mib {
            Some(used) => format!("process {} ({used} MiB)", user.pid),
            None => format!("process {}", user.pid),
        };
        self.users.iter().map(name).collect::<Vec<_>>().join(" and ")
    }
}

/// `2 × NVIDIA GeForce RTX 4090`; cards that differ are named one by one.
pub(crate) fn describe_all(gpus: &[Gpu]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for gpu in gpus {
        match kinds.iter_mut().find(|(name, _)| *name == gpu.setup.name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&gpu.setup.name, 1)),
        }
    }
    kinds.iter().map(|(name, count)| format!("{count} × {name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Gpu {
        GpuSetup { uuid: "GPU-0".into(), name: name.into(), ..GpuSetup::default() }.into()
    }

    #[test]
    fn gpus_are_counted_by_name() {
        assert_eq!(describe_all(&[named("NVIDIA H200"), named("NVIDIA H200")]), "2 × NVIDIA H200");
        assert_eq!(
            describe_all(&[named("NVIDIA L4"), named("NVIDIA T4")]),
            "1 × NVIDIA L4, 1 × NVIDIA T4"
        );
    }

    #[test]
    fn a_gpu_of_which_nothing_is_known_counts_as_free() {
        assert!(named("NVIDIA H200").is_free());
    }

    #[test]
    fn a_desktop_does_not_keep_a_gpu_from_being_free_and_what_computes_does() {
        let gpu = |used_mib, users| {
            let mut setup = named("NVIDIA GeForce RTX 4090").setup;
            setup.used_before_mib = Some(used_mib);
            Gpu { setup, users }
        };
        assert!(gpu(700, vec![]).is_free());
        let unnamed = gpu(70_000, vec![]);
        assert!(!unnamed.is_free());
        assert_eq!(unnamed.in_use_by(), "a process that the driver does not name (70000 MiB)");
        let users = vec![
            GpuProcess { pid: 4242, used_mib: Some(500) },
            GpuProcess { pid: 4243, used_mib: None },
        ];
        let named = gpu(700, users);
        assert!(!named.is_free());
        assert_eq!(named.in_use_by(), "process 4242 (500 MiB) and process 4243");
    }
}
