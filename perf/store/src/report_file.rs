//! The report of a suite, in a file next to its records: [`write`], [`read`] and [`all_in`].

use std::path::{Path, PathBuf};

use perf_model::judge::report::SuiteReport;

use crate::atomic::{self, WriteError};
use crate::input_file::{self, InputError, Kind};
use crate::runs;

const NAME: &str = "report.json";

/// Writes the report of a suite into its folder of a run.
pub fn write(folder: &Path, report: &SuiteReport) -> Result<(), WriteError> {
    let path = folder.join(NAME);
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| WriteError { path: path.clone(), cause: error.into() })?;
    atomic::write(&path, &text)
}

/// Reads a report.
pub fn read(path: &Path) -> Result<SuiteReport, InputError> {
    let text = input_file::read(path, Kind::Report)?;
    serde_json::from_str(&text).map_err(|error| InputError::content(path, &error))
}

/// The files of all reports in a run's folder.
pub fn all_in(run: &Path) -> Result<Vec<PathBuf>, InputError> {
    let files = runs::files(run, "json")?;
    Ok(files.into_iter().filter(|path| path.ends_with(NAME)).collect())
}
