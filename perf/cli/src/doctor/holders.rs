//! Which leases of the machine's hardware are held, and by whom: [`leases`].

use std::path::Path;

use perf_machine::lock;

/// A lease that a living run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// The name of its file: `cpu.lock`, or `gpu-UUID.lock`.
    pub(super) file: String,
    /// Who holds it, as the file says.
    pub(super) by: String,
}

impl Lease {
    /// Whether it is the lease of this GPU.
    pub(super) fn is_of_gpu(&self, uuid: &str) -> bool {
        self.gpu() == Some(uuid)
    }

    /// The GPU that it is of, by its UUID.
    pub(super) fn gpu(&self) -> Option<&str> {
        lock::gpu_of(&self.file)
    }

    /// Whether it is the lease of the CPU.
    pub(super) fn is_of_cpu(&self) -> bool {
        self.file == lock::CPU
    }
}

/// All leases that are held now, by the names of their files.
pub(super) fn leases() -> Vec<Lease> {
    held_in(&lock::folder())
}

fn held_in(folder: &Path) -> Vec<Lease> {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_lease = |name: &String| name == lock::CPU || lock::gpu_of(name).is_some();
    let mut names: Vec<String> = names.filter(is_lease).collect();
    names.sort();
    names
        .into_iter()
        .filter(|name| is_held(&folder.join(name)))
        .map(|file| Lease { by: holder(&folder.join(&file)), file })
        .collect()
}

/// Who has a lock, as its file says.
fn holder(file: &Path) -> String {
    lock::holder_of(file).map_or_else(|| "a run".to_owned(), |holder| holder.run())
}

/// Whether a run has the lock of a file. Of one that cannot be looked at, it is not known.
pub(super) fn is_held(file: &Path) -> bool {
    lock::is_held(file).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_leases_that_a_process_holds_are_named_with_who_holds_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("cpu.lock"), "41\nbob\n\n\n").unwrap();
        std::fs::write(at("gpu-GPU-a.lock"), "4242\nalice\n0007\nchat\n").unwrap();
        std::fs::write(at("run-1.lock"), "4242\n").unwrap();
        let run = File::open(at("gpu-GPU-a.lock")).unwrap();
        run.try_lock().unwrap();
        let held = held_in(folder.path());
        let by = "run 0007 (suite chat) of alice, pid 4242".to_owned();
        assert_eq!(held, [Lease { file: "gpu-GPU-a.lock".into(), by }]);
        assert!(held[0].is_of_gpu("GPU-a"));
        drop(run);
        assert_eq!(held_in(folder.path()), []);
    }

    #[test]
    fn a_machine_without_a_run_yet_has_no_leases() {
        assert_eq!(held_in(Path::new("/nowhere/locks")), []);
    }
}
