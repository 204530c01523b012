//! The report of a suite, in a file next to its records: [`write()`], [`read`] and [`all_in`]; and its
//! plan, before anything is measured: [`write_plan`] and [`plans_in`].

use std::path::{Path, PathBuf};

use perf_model::judge::report::SuiteReport;
use perf_model::spec::plan::Plan;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic::{self, WriteError};
use crate::input_file::{self, InputError, Kind};
use crate::runs;

const NAME: &str = "report.json";
const PLAN: &str = "plan.json";

/// Writes the report of a suite into its folder of a run.
pub fn write(folder: &Path, report: &SuiteReport) -> Result<(), WriteError> {
    write_json(&folder.join(NAME), report)
}

/// Writes a report of a run again, after its verdict changed. A suite that left no report gets none.
pub fn rewrite(run: &Path, report: &SuiteReport) -> Result<(), WriteError> {
    let folder = run.join(&report.suite);
    if folder.join(NAME).is_file() { write(&folder, report) } else { Ok(()) }
}

/// Writes the plan of a suite into its folder.
pub fn write_plan(folder: &Path, plan: &Plan) -> Result<(), WriteError> {
    write_json(&folder.join(PLAN), plan)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), WriteError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| WriteError { path: path.to_owned(), cause: error.into() })?;
    atomic::write(path, &text)
}

/// Reads a report.
pub fn read(path: &Path) -> Result<SuiteReport, InputError> {
    read_json(path)
}

/// Reads the report of one suite of a run, if it left one.
pub fn of_suite(run: &Path, suite: &str) -> Result<Option<SuiteReport>, InputError> {
    let path = run.join(suite).join(NAME);
    path.is_file().then(|| read(&path)).transpose()
}

/// Reads all plans in a folder.
pub fn plans_in(folder: &Path) -> Result<Vec<Plan>, InputError> {
    named(folder, PLAN)?.iter().map(|path| read_json(path)).collect()
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, InputError> {
    let text = input_file::read(path, Kind::Report)?;
    serde_json::from_str(&text).map_err(|error| InputError::content(path, &error))
}

/// The files of all reports in a run's folder.
pub fn all_in(run: &Path) -> Result<Vec<PathBuf>, InputError> {
    named(run, NAME)
}

fn named(folder: &Path, name: &str) -> Result<Vec<PathBuf>, InputError> {
    let files = runs::files(folder, "json")?;
    Ok(files.into_iter().filter(|path| path.ends_with(name)).collect())
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;
    use perf_model::judge::verdict::Verdict;

    use super::*;

    #[test]
    fn a_verdict_that_turns_stale_is_stale_in_the_report_file_too() {
        let run = tempfile::tempdir().unwrap();
        let load = perf_model::judge::report::LoadReport {
            verdict: Verdict::Improved,
            ..fixtures::load_report()
        };
        let engine = load.engine;
        let mut report = SuiteReport::measured("s".into(), engine, vec![load], 60.0);
        write(&run.path().join("s"), &report).unwrap();
        report.loads[0].verdict = Verdict::Stale;
        report.join();
        rewrite(run.path(), &report).unwrap();
        let read = of_suite(run.path(), "s").unwrap().expect("a report");
        assert_eq!((read.verdict, read.loads[0].verdict), (Verdict::Stale, Verdict::Stale));
        assert_eq!(of_suite(run.path(), "never-ran").unwrap(), None);
    }
}
