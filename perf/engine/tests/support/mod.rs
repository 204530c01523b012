//! What the life-cycle tests share: a folder of their own, and a look at processes and locks.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A folder for one test, which is removed at the end unless it belongs to somebody else.
pub(crate) struct Place {
    path: PathBuf,
    _owned: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        Self { path: owned.path().to_owned(), _owned: Some(owned) }
    }

    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, _owned: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.path.join("locks")
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path.join(name), text).unwrap();
    }

    /// The processes that the stand-in for vLLM wrote down; none if it did not get that far.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.path.join("started")).unwrap_or_default();
        text.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }
}

/// Runs it on a runtime with one thread, the least that the engines have to get by with.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Looks again and again until it is so; a minute without it is a failure.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the process runs. One that has ended and is not waited for yet does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// Whether the lock is free.
pub(crate) fn is_unlocked(path: &Path) -> bool {
    !path.exists() || File::open(path).unwrap().try_lock().is_ok()
}
