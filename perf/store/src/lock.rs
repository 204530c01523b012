//! Baselines and anchors are written by one process at a time: [`Lock`].

use std::fs::File;
use std::path::Path;

use crate::atomic::{self, WriteError};

/// The right to read the baselines of one suite and to replace them. It ends when it is dropped.
#[derive(Debug)]
pub struct Lock {
    _folder: File,
}

impl Lock {
    /// Waits until no other process writes baselines into the folder of this file. Creates the
    /// folder if needed, and removes what a killed writer left in it.
    pub fn on(file: &Path) -> Result<Self, WriteError> {
        let folder = file.parent().unwrap_or(Path::new("."));
        // The folder itself is locked, so that no lock file is among the committed files.
        let locked = atomic::open_folder(folder)?;
        locked.lock().map_err(WriteError::of(folder))?;
        atomic::remove_leftovers(folder);
        Ok(Self { _folder: locked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_has_the_right_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite/load.snap");
        let lock = Lock::on(&file).unwrap();
        let other = File::open(file.parent().unwrap()).unwrap();
        assert!(other.try_lock().is_err(), "two have it");
        drop(lock);
        assert!(other.try_lock().is_ok(), "the lock was not released");
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_by_the_next_one_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".perf-x1y2z3", "other.snap", ".hidden"] {
            std::fs::write(at(name), "half").unwrap();
        }
        drop(Lock::on(&at("load.snap")).unwrap());
        assert!(!at(".perf-x1y2z3").exists());
        assert!(at("other.snap").exists() && at(".hidden").exists());
    }
}
