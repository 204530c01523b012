//! Who may measure on which hardware: [`Lease`].
//!
//! A lease is an operating system lock on a file for each GPU, or for the CPU. It holds across
//! threads and processes, and the kernel frees it when its holder dies, however that happens.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::EngineError;
use crate::gpu::Gpu;
use crate::host::describe_process;

/// Names the folder of the lock files, in place of one under the folder for temporary files.
const FOLDER_VARIABLE: &str = "PERF_LOCK_DIR";

/// How a file in a folder of other users is opened.
const SAFELY: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

/// The machine-wide folder of the lock files.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE)
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| std::env::temp_dir().join("vllm-perf-locks"), PathBuf::from)
}

/// A lock on a file. Dropping it frees the lock.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock if it is free; `None` if another process has it.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>, EngineError> {
        let file = open(path).map_err(|error| unusable(path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
        }
        let mut lock = Self { file, path: path.to_owned() };
        // Says who holds it, for the message that others get; the lock is what counts.
        let _ = lock.write_holder();
        Ok(Some(lock))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file of a lock that is not needed again.
    pub(crate) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn write_holder(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing frees it as well, unless a child process that another thread is just starting
        // still has a copy.
        let _ = self.file.unlock();
    }
}

/// The hardware that a server may use. Dropping it gives the hardware back.
#[derive(Debug)]
pub(crate) struct Lease {
    gpus: Vec<Gpu>,
    _locks: Vec<Lock>,
}

impl Lease {
    /// Leases the CPU, for a server without a GPU.
    pub(crate) fn cpu(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("cpu.lock");
        match Lock::try_take(&path)? {
            Some(lock) => Ok(Self { gpus: Vec::new(), _locks: vec![lock] }),
            None => Err(EngineError::Busy { what: "the CPU".to_owned(), pid: holder(&path) }),
        }
    }

    /// The right to choose GPUs, which one run has at a time: two runs that each hold a part of
    /// what the other wants would both fail. An error in the inner result describes the run that
    /// has it.
    pub(crate) fn begin_choice(folder: &Path) -> Result<Result<Lock, String>, EngineError> {
        let path = folder.join("choosing.lock");
        let describe = || holder(&path).map_or_else(|| "another run".to_owned(), describe_process);
        Ok(Lock::try_take(&path)?.ok_or_else(describe))
    }

    /// Leases `needed` of the GPUs, or none at all. Only those that no other process computes on:
    /// a shared GPU gives no valid measurement, and the server may not even start.
    pub(crate) fn gpus(folder: &Path, all: &[Gpu], needed: u8) -> Result<Self, EngineError> {
        if all.len() < usize::from(needed) {
            return Err(EngineError::NotEnoughGpus { needed, available: all.len() });
        }
        let mut candidates: Vec<&Gpu> = all.iter().collect();
        candidates.sort_by_key(|gpu| gpu.index);
        let (mut gpus, mut locks, mut taken, mut in_use) =
            (Vec::new(), Vec::new(), None, Vec::new());
        for gpu in candidates {
            if gpus.len() == usize::from(needed) {
                break;
            }
            let path = folder.join(format!("gpu-{}.lock", gpu.uuid));
            match Lock::try_take(&path)? {
                Some(_) if !gpu.is_free() => in_use.push(gpu),
                Some(lock) => {
                    gpus.push(gpu.clone());
                    locks.push(lock);
                }
                None => taken = taken.or(Some((gpu, path))),
            }
        }
        match taken {
            Some((gpu, path)) if gpus.len() < usize::from(needed) => {
                let what = format!("GPU {} ({})", gpu.index, gpu.name);
                Err(EngineError::Busy { what, pid: holder(&path) })
            }
            // No run has a lock on these, so another program uses them.
            _ if gpus.len() < usize::from(needed) => {
                let used = in_use.iter().map(|gpu| {
                    format!("GPU {} ({}) is in use by {}", gpu.index, gpu.name, gpu.in_use_by())
                });
                Err(EngineError::GpusInUse { used: used.collect() })
            }
            _ => {
                gpus.sort_by_key(|gpu| gpu.index);
                Ok(Self { gpus, _locks: locks })
            }
        }
    }

    /// The leased GPUs, by index; none for the CPU.
    pub(crate) fn leased(&self) -> &[Gpu] {
        &self.gpus
    }
}

/// Opens a lock file, and makes it if there is none.
///
/// The folder is shared with other users, so a file in it may be a trap: no link is followed,
/// opening a fifo does not wait, and only a regular file with one name is used. Every user may
/// write the file, so that a run as another user can lock it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(SAFELY.bits().cast_signed());
    let folder = path.parent().unwrap_or(Path::new("."));
    check_folder(folder)?;
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened.and_then(check_file),
    }
    if !folder.is_dir() {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o1777))?;
    }
    match options.clone().create_new(true).mode(0o666).open(path) {
        Ok(file) => {
            // The umask took bits off.
            let _ = file.set_permissions(Permissions::from_mode(0o666));
            Ok(file)
        }
        // Another run has just made it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.open(path).and_then(check_file)
        }
        Err(error) => Err(error),
    }
}

/// A link in place of the folder would lead to files of the user who runs this.
fn check_folder(folder: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(folder) else { return Ok(()) };
    let is_trusted = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    if found.is_symlink() && !is_trusted {
        return Err(io::Error::other("its folder is a link that another user made"));
    }
    Ok(())
}

fn check_file(file: File) -> io::Result<File> {
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() > 1 {
        return Err(io::Error::other("it is not a regular file with one name; remove it"));
    }
    Ok(file)
}

/// The process that a lock file names, which is the last one that had the lock.
fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    let file =
        OpenOptions::new().read(true).custom_flags(SAFELY.bits().cast_signed()).open(path).ok()?;
    check_file(file).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn unusable(path: &Path, error: &io::Error) -> EngineError {
    EngineError::LockUnusable { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuProcess;

    fn gpu(index: u32, users: u32) -> Gpu {
        Gpu {
            index,
            uuid: format!("GPU-{index}"),
            name: "NVIDIA H200".into(),
            memory_mib: None,
            used_mib: Some(0),
            users: (0..users)
                .map(|user| GpuProcess { pid: 42 + user, used_mib: Some(500) })
                .collect(),
            ..Gpu::default()
        }
    }

    #[test]
    fn the_cpu_is_leased_once_and_again_after_it_was_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lease::cpu(folder.path()).unwrap();
        let busy = Lease::cpu(folder.path()).unwrap_err();
        assert_eq!(
            busy,
            EngineError::Busy { what: "the CPU".into(), pid: Some(std::process::id()) }
        );
        drop(first);
        assert!(Lease::cpu(folder.path()).is_ok());
    }

    #[test]
    fn two_leases_in_one_process_get_different_gpus() {
        let folder = tempfile::tempdir().unwrap();
        let all = [gpu(0, 0), gpu(1, 0), gpu(2, 0)];
        let first = Lease::gpus(folder.path(), &all, 1).unwrap();
        let second = Lease::gpus(folder.path(), &all, 2).unwrap();
        let indices =
            |lease: &Lease| lease.leased().iter().map(|gpu| gpu.index).collect::<Vec<_>>();
        assert_eq!((indices(&first), indices(&second)), (vec![0], vec![1, 2]));
    }

    #[test]
    fn all_gpus_are_leased_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let all = [gpu(0, 0), gpu(1, 0), gpu(2, 0)];
        let _first = Lease::gpus(folder.path(), &all, 2).unwrap();
        let busy = Lease::gpus(folder.path(), &all, 2).unwrap_err();
        assert_eq!(
            busy,
            EngineError::Busy { what: "GPU 0 (NVIDIA H200)".into(), pid: Some(std::process::id()) }
        );
        // The one that was free is free again.
        assert_eq!(Lease::gpus(folder.path(), &all, 1).unwrap().leased(), &all[2..]);
    }

    #[test]
    fn a_gpu_that_something_computes_on_is_not_leased_and_its_user_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let all = [gpu(0, 2), gpu(1, 0)];
        assert_eq!(Lease::gpus(folder.path(), &all, 1).unwrap().leased(), &all[1..]);
        let error = Lease::gpus(folder.path(), &all, 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GPU 0 (NVIDIA H200) is in use by process 42 (500 MiB) and process 43 (500 MiB); end it, or wait until it has \
             ended, and run again: a shared GPU gives no valid measurement"
        );
        // Those that were free are free again.
        assert!(Lease::gpus(folder.path(), &all, 1).is_ok());
    }

    #[test]
    fn more_gpus_than_there_are_is_no_question_of_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lease::gpus(folder.path(), &[gpu(0, 0)], 2).unwrap_err();
        assert_eq!(error, EngineError::NotEnoughGpus { needed: 2, available: 1 });
    }

    #[test]
    fn a_lock_file_that_leads_elsewhere_is_refused_and_its_target_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (target, lock) = (folder.path().join("target"), folder.path().join("cpu.lock"));
        std::fs::write(&target, "precious").unwrap();
        for make in [std::os::unix::fs::symlink, std::fs::hard_link] {
            make(&target, &lock).unwrap();
            let error = Lease::cpu(folder.path()).unwrap_err();
            assert!(matches!(error, EngineError::LockUnusable { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
            std::fs::remove_file(&lock).unwrap();
        }
        let missing = folder.path().join("missing");
        std::os::unix::fs::symlink(&missing, &lock).unwrap();
        assert!(Lease::cpu(folder.path()).is_err());
        assert!(!missing.exists());
    }

    #[test]
    fn a_lock_file_that_is_a_fifo_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let made =
            std::process::Command::new("mkfifo").arg(folder.path().join("cpu.lock")).status();
        assert!(made.unwrap().success());
        let error = Lease::cpu(folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }

    #[test]
    fn one_run_chooses_at_a_time_and_the_others_learn_which() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lease::begin_choice(folder.path()).unwrap().unwrap();
        let holder = Lease::begin_choice(folder.path()).unwrap().unwrap_err();
        assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
        drop(first);
        assert!(Lease::begin_choice(folder.path()).unwrap().is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Lease::cpu(&file.path().join("locks")).unwrap_err();
        assert!(matches!(&error, EngineError::LockUnusable { .. }), "{error}");
        assert!(error.to_string().contains("PERF_LOCK_DIR"), "{error}");
    }
}
