//! Which leases of the machine's hardware are held, and by whom: [`leases`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

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
        self.file == format!("gpu-{uuid}.lock")
    }

    /// Whether it is the lease of the CPU.
    pub(super) fn is_of_cpu(&self) -> bool {
        self.file == "cpu.lock"
    }
}

/// The folder of the locks, as the engine picks it.
fn folder() -> PathBuf {
    std::env::var_os("PERF_LOCK_DIR")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| std::env::temp_dir().join("vllm-perf-locks"), PathBuf::from)
}

/// All leases that are held now, by the names of their files.
pub(super) fn leases() -> Vec<Lease> {
    held_in(&folder())
}

fn held_in(folder: &Path) -> Vec<Lease> {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_lease = |name: &String| {
        name == "cpu.lock"
            || name.strip_suffix(".lock").is_some_and(|name| name.starts_with("gpu-"))
    };
    let mut names: Vec<String> = names.filter(is_lease).collect();
    names.sort();
    names
        .into_iter()
        .filter(|name| is_held(&folder.join(name)))
        .map(|file| Lease { by: holder(&folder.join(&file)), file })
        .collect()
}

/// Whether a run has the lock of a file. It is asked for together with others who ask, and given back
/// at once.
pub(super) fn is_held(file: &Path) -> bool {
    open(file).is_some_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The folder is shared with other users: no link is followed, and a fifo is not waited for.
fn open(file: &Path) -> Option<File> {
    let safely = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(safely).open(file).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// `run 0007 (suite chat) of alice, pid 4242`, from the lines pid, user, run and suite of the file.
fn holder(file: &Path) -> String {
    let mut text = String::new();
    let _ = open(file).map(|file| file.take(1_024).read_to_string(&mut text));
    let plain = |line: &str| line.chars().filter(|it| !it.is_control()).collect::<String>();
    let lines: Vec<String> = text.lines().map(plain).collect();
    let line = |at: usize| lines.get(at).filter(|line| !line.is_empty());
    let run = line(2).map_or_else(|| "a run".to_owned(), |run| format!("run {run}"));
    let suite = line(3).map_or_else(String::new, |suite| format!(" (suite {suite})"));
    let user = line(1).map_or_else(String::new, |user| format!(" of {user}"));
    let pid = line(0).map_or_else(String::new, |pid| format!(", pid {pid}"));
    format!("{run}{suite}{user}{pid}")
}

#[cfg(test)]
mod tests {
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
