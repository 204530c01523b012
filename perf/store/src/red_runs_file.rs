//! The file in which people say what red runs were: [`read`] and [`write()`].

use std::path::{Path, PathBuf};

use perf_model::judge::red_run::{self, RedRun};

use crate::atomic::{self, WriteError};
use crate::input_file::{self, Fault, InputError, Kind};
use crate::lock::Lock;

/// Where it is in a repository.
pub fn place(root: &Path) -> PathBuf {
    root.join("baselines").join("red-runs.jsonl")
}

/// The runs that were classified; none where there is no file.
pub fn read(root: &Path) -> Result<Vec<RedRun>, InputError> {
    let file = place(root);
    let text = match input_file::read(&file, Kind::Report) {
        Ok(text) => text,
        Err(InputError { fault: Fault::Io(error), .. })
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    red_run::parse(&text).map_err(|error| InputError::content(&file, &error))
}

/// Writes the file anew with these runs, a line each.
pub fn write(_lock: &Lock, root: &Path, runs: &[RedRun]) -> Result<(), WriteError> {
    let file = place(root);
    let mut text = String::new();
    for run in runs {
        let line = serde_json::to_string(run)
            .map_err(|error| WriteError { path: file.clone(), cause: error.into() })?;
        text.push_str(&line);
        text.push('\n');
    }
    atomic::write(&file, &text)
}

#[cfg(test)]
mod tests {
    use perf_model::judge::red_run::{Cause, SCHEMA};
    use perf_model::judge::verdict::Verdict;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_line_that_was_edited_is_named() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()).unwrap(), []);
        let run = RedRun {
            schema: SCHEMA,
            run: "a".into(),
            day: "2026-11-28".into(),
            verdict: Verdict::Regressed,
            cause: Cause::Noise,
            guards: Vec::new(),
            reason: "\"quoted\"\nand broken".into(),
        };
        let file = place(root.path());
        let runs = [run];
        write(&Lock::on(&file).unwrap(), root.path(), &runs).unwrap();
        assert_eq!(read(root.path()).unwrap(), runs);
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
        std::fs::write(&file, "{}\n").unwrap();
        let why = read(root.path()).unwrap_err().to_string();
        assert!(why.contains("red-runs.jsonl") && why.contains("line 1: "), "{why}");
    }
}
