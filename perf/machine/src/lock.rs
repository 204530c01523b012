//! Locks on files that several users share: [`Lock`], and where those of the hardware are.
//!
//! It is the operating system's lock. It holds across threads and processes, and the kernel frees it
//! when its holder dies, however that happens.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, futimens};

use crate::holder::Holder;

/// Names the folder of the lock files, in place of one under the folder for temporary files.
const FOLDER_VARIABLE: &str = "PERF_LOCK_DIR";

/// The bytes that are read of a lock file.
const LONGEST: u64 = 1_024;

/// How a file in a folder of other users is opened.
const SAFELY: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

/// The machine-wide folder of the lock files.
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE)
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| std::env::temp_dir().join("vllm-perf-locks"), PathBuf::from)
}

/// The name of the CPU's lock file.
pub const CPU: &str = "cpu.lock";

/// The name of the lock file of a GPU.
pub fn of_gpu(uuid: &str) -> String {
    format!("gpu-{uuid}.lock")
}

/// The GPU that a lock file of this name is of, by its UUID.
pub fn gpu_of(name: &str) -> Option<&str> {
    name.strip_prefix("gpu-")?.strip_suffix(".lock")
}

/// A lock file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the lock file {}: {reason}; name a writable folder in PERF_LOCK_DIR", path.display())]
pub struct LockUnusable {
    /// The lock file.
    pub path: PathBuf,
    /// What the operating system said.
    pub reason: String,
}

/// A lock on a file. Dropping it frees the lock.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock if it is free; `None` if another process has it.
    pub fn try_take(path: &Path) -> Result<Option<Self>, LockUnusable> {
        Self::try_take_for(path, &Holder::this_process())
    }

    /// The same, and says in the file who has it.
    pub fn try_take_for(path: &Path, holder: &Holder) -> Result<Option<Self>, LockUnusable> {
        let mut lock = Self::try_take_silently(path)?;
        if let Some(lock) = &mut lock {
            lock.say(holder);
        }
        Ok(lock)
    }

    /// The same, and leaves what the file says as it is.
    pub fn try_take_silently(path: &Path) -> Result<Option<Self>, LockUnusable> {
        let file = open(path).map_err(|error| unusable(path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, path: path.to_owned() })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
        }
    }

    /// Says in the file who has it, for the message that others get; the lock is what counts.
    pub fn say(&mut self, holder: &Holder) {
        let _ = self.write(&holder.to_lines());
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file of a lock that is not needed again.
    pub fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// Replaces what the file says.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        replace(&mut self.file, text)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing frees it as well, unless a child process that another thread is just starting
        // still has a copy.
        let _ = self.file.unlock();
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

/// What a lock file says.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file =
        OpenOptions::new().read(true).custom_flags(SAFELY.bits().cast_signed()).open(path)?;
    check_file(file)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// The last one that had the lock of a file.
pub fn holder_of(path: &Path) -> Option<Holder> {
    Holder::from_lines(&read(path).ok()?)
}

/// Whether somebody has the lock of a file that is there. It is asked for together with others who ask,
/// and given back at once.
pub fn is_held(path: &Path) -> Result<bool, LockUnusable> {
    held(path).map(|file| file.is_some())
}

/// What a file says whose lock somebody has; `None` if it is free, or it is not there.
pub fn read_held(path: &Path) -> Result<Option<String>, LockUnusable> {
    let Some(file) = held(path)? else { return Ok(None) };
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| unusable(path, &error))?;
    Ok(Some(text))
}

/// The file, if somebody has its lock.
fn held(path: &Path) -> Result<Option<File>, LockUnusable> {
    let file = match open_existing(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| unusable(path, &error))?,
    };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| None).map_err(|error| unusable(path, &error)),
        Err(TryLockError::WouldBlock) => Ok(Some(file)),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
    }
}

/// Replaces what a lock file says that somebody else may have the lock of.
pub fn rewrite(path: &Path, text: &str) -> io::Result<()> {
    replace(&mut open_existing(path)?, text)
}

/// Replaces what a file says. What is the same is not written: on a disk, each change of a file waits for
/// the file system's journal, and others wait for the lock meanwhile.
fn replace(file: &mut File, text: &str) -> io::Result<()> {
    let mut before = Vec::new();
    file.rewind()?;
    Read::by_ref(file).take(LONGEST).read_to_end(&mut before)?;
    if before == text.as_bytes() {
        return Ok(());
    }
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    // Not cut to nothing first: the file would be written to the disk when it is closed.
    if before.len() > text.len() { file.set_len(text.len() as u64) } else { Ok(()) }
}

/// Touches a lock file that is there, which wakes who watches it. What the file says stays.
pub fn touch(path: &Path) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    Ok(futimens(open_existing(path)?, &times)?)
}

fn open_existing(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(SAFELY.bits().cast_signed());
    options.open(path).and_then(check_file)
}

fn unusable(path: &Path, error: &io::Error) -> LockUnusable {
    LockUnusable { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.lock");
        let pid = std::process::id();
        let alice = Holder::from_lines(&format!("{pid}\nalice\n")).unwrap();
        let lock = Lock::try_take_for(&path, &alice.measuring("0007", "chat")).unwrap().unwrap();
        assert_eq!(Lock::try_take(&path).unwrap().map(|_| ()), None);
        let said = format!("vllm-perf run 0007 (suite chat) of alice, pid {pid}");
        assert_eq!(holder_of(&path).unwrap().to_string(), said);
        drop(lock);
        // As an older version wrote it.
        std::fs::write(&path, format!("{pid}\n")).unwrap();
        assert!(holder_of(&path).unwrap().to_string().starts_with(&format!("process {pid} (")));
    }
}
