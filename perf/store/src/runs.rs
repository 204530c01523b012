//! The folders of runs, a number each, under `target/perf/runs`: [`Runs`]. What a run was asked to
//! do is in its `run.json`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use perf_model::spec::run_request::RunRequest;
use perf_model::spec::settings::Settings;
use serde_json::Value;

use crate::atomic::{self, WriteError};
use crate::input_file::{self, InputError, Kind};

/// The environment variable that names another folder for runs. Tests set it, so that their runs
/// are not among the user's.
pub const VARIABLE: &str = "PERF_RUNS_DIR";

const RUN_FILE: &str = "run.json";

/// A run that cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No run was made yet.
    #[error("there is no run in {} yet; `cargo xtask perf` makes one", .0.display())]
    NoRuns(PathBuf),
    /// No run has this name.
    #[error(
        "there is no run `{}`: it is not a folder, and the last run in {} is {last}",
        name.escape_debug(), folder.display()
    )]
    Unknown {
        /// The name that was given.
        name: String,
        /// The folder of runs.
        folder: PathBuf,
        /// The number of the last run.
        last: u32,
    },
}

/// The folder of all runs.
#[derive(Clone, Debug)]
pub struct Runs {
    folder: PathBuf,
}

impl Runs {
    /// The runs of a repository. They are in cargo's target folder, because a run is as disposable
    /// as a build.
    pub fn of(root: &Path) -> Self {
        let set = |variable: &str| {
            std::env::var_os(variable).filter(|value| !value.is_empty()).map(|path| root.join(path))
        };
        let target = || set("CARGO_TARGET_DIR").unwrap_or_else(|| root.join("target"));
        Self { folder: set(VARIABLE).unwrap_or_else(|| target().join("perf").join("runs")) }
    }

    /// Where they are; the first run makes it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates the folder of the next run. Two runs at once get two folders.
    pub fn begin(&self) -> Result<PathBuf, WriteError> {
        std::fs::create_dir_all(&self.folder).map_err(WriteError::of(&self.folder))?;
        let mut number = self.numbers().last().map_or(1, |last| last + 1);
        loop {
            let run = self.run(number);
            match std::fs::create_dir(&run) {
                Ok(()) => return Ok(run),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(WriteError::of(&run)(error)),
            }
        }
    }

    /// Finds a run by its number, by `last`, or by its folder.
    pub fn find(&self, name: &str) -> Result<PathBuf, RunError> {
        let as_folder = PathBuf::from(name);
        if as_folder.is_dir() {
            return Ok(as_folder);
        }
        let numbers = self.numbers();
        let Some(last) = numbers.last().copied() else {
            return Err(RunError::NoRuns(self.folder.clone()));
        };
        let wanted = if name == "last" { Some(last) } else { name.parse().ok() };
        wanted.filter(|number| numbers.contains(number)).map(|number| self.run(number)).ok_or_else(
            || RunError::Unknown { name: name.to_owned(), folder: self.folder.clone(), last },
        )
    }

    /// All runs, each with its number, in their order.
    pub fn all(&self) -> impl Iterator<Item = (u32, PathBuf)> {
        self.numbers().into_iter().map(|number| (number, self.run(number)))
    }

    fn run(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:04}"))
    }

    /// The numbers of all runs, in order. A folder with a number that no run reaches is not a run.
    fn numbers(&self) -> Vec<u32> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let number = |name: &OsStr| name.to_str()?.parse().ok();
        let mut numbers: Vec<u32> = entries
            .filter_map(|entry| number(&entry.ok()?.file_name()))
            .filter(|number| *number < 1_000_000_000)
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Writes what a run was asked to do, and whether it came to its end.
pub fn write_settings(run: &Path, settings: &Settings, complete: bool) -> Result<(), WriteError> {
    write_run(run, &serde_json::json!({ "complete": complete, "settings": settings }))
}

/// Writes the same with what was asked for on the command line, which a report names again.
pub fn write_request(
    run: &Path,
    settings: &Settings,
    request: &RunRequest,
    complete: bool,
) -> Result<(), WriteError> {
    let content =
        serde_json::json!({ "complete": complete, "settings": settings, "request": request });
    write_run(run, &content)
}

fn write_run(run: &Path, content: &Value) -> Result<(), WriteError> {
    atomic::write(&run.join(RUN_FILE), &format!("{content:#}"))
}

/// Reads what was asked for on the command line; absent for runs of older versions, and of commands
/// that are not gated.
pub fn read_request(run: &Path) -> Option<RunRequest> {
    let text = input_file::read(&run.join(RUN_FILE), Kind::Report).ok()?;
    let mut content: Value = serde_json::from_str(&text).ok()?;
    serde_json::from_value(content.get_mut("request")?.take()).ok()
}

/// Reads the same of a run that must have it, and whether the run came to its end.
pub fn read_whole_request(run: &Path) -> Result<(RunRequest, bool), InputError> {
    let path = run.join(RUN_FILE);
    let text = input_file::read(&path, Kind::Report)?;
    let mut content: Value =
        serde_json::from_str(&text).map_err(|error| InputError::content(&path, &error))?;
    let is_complete = content["complete"] == true;
    if content["request"].is_null() {
        let why = "it does not say what was asked for; only runs of `cargo xtask perf` do";
        return Err(InputError::content(&path, &why));
    }
    let request = serde_json::from_value(content["request"].take())
        .map_err(|error| InputError::content(&path, &error))?;
    Ok((request, is_complete))
}

/// Reads what a run was asked to do.
pub fn read_settings(run: &Path) -> Result<Settings, InputError> {
    let path = run.join(RUN_FILE);
    let text = input_file::read(&path, Kind::Report)?;
    let mut content: Value =
        serde_json::from_str(&text).map_err(|error| InputError::content(&path, &error))?;
    serde_json::from_value(content["settings"].take())
        .map_err(|error| InputError::content(&path, &error))
}

/// When a run last said what it was asked to do, in seconds since 1970; 0 where that is not known.
pub fn asked_at(run: &Path) -> u64 {
    let changed = std::fs::metadata(run.join(RUN_FILE)).and_then(|found| found.modified());
    let since = changed.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

/// Whether a run says that it did not come to its end.
pub fn was_interrupted(run: &Path) -> bool {
    let text = input_file::read(&run.join(RUN_FILE), Kind::Report).unwrap_or_default();
    serde_json::from_str(&text).is_ok_and(|content: Value| content["complete"] == false)
}

/// All files with an extension under a folder, in the order of their paths. Links to folders are
/// not followed, because they may lead back to where they are.
pub fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, InputError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let wrong = InputError::io(&folder);
        for entry in std::fs::read_dir(&folder).map_err(&wrong)? {
            let entry = entry.map_err(&wrong)?;
            let path = entry.path();
            if entry.file_type().map_err(&wrong)?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|there| there == extension) && !path.is_dir() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_numbered_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs { folder: folder.path().join("runs") };
        assert!(matches!(runs.find("last"), Err(RunError::NoRuns(_))));
        let first = runs.begin().unwrap();
        std::fs::create_dir(runs.folder.join("4294967295")).unwrap();
        let second = runs.begin().unwrap();
        assert!(first.ends_with("0001") && second.ends_with("0002"), "{second:?}");
        assert_eq!(runs.find("last").unwrap(), second);
        assert_eq!(runs.find("1").unwrap(), first);
        let unknown = runs.find("7\u{1b}").unwrap_err().to_string();
        assert!(unknown.contains("no run `7\\u{1b}`") && unknown.ends_with("is 2"), "{unknown}");
    }

    #[test]
    fn a_link_to_a_folder_above_it_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b.snap"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink("loop.snap", folder.path().join("loop.snap")).unwrap();
        let found = files(folder.path(), "snap").unwrap();
        assert_eq!(found, [folder.path().join("a/b.snap"), folder.path().join("loop.snap")]);
    }
}
