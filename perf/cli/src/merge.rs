//! `cargo xtask perf merge`: one run, with one verdict, from the runs of all parts.

mod copies;
mod given;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use perf_model::judge::merge::{self, GuardedBaseline, PartRun, Whole};
use perf_model::judge::report::SuiteReport;
use perf_report::terminal;
use perf_store::atomic::WriteError;
use perf_store::runs::{files, write_request};
use perf_store::{report_file, split_file};

use crate::cli::Merge;
use crate::error::unmeasurable;
use crate::run_data::RunData;
use crate::stdout::say;
use crate::{formats, runs};
use given::Given;

/// The folder of what is missing or does not fit, in that of the merged run.
const ALARMS: &str = "alarms";

/// Merges the runs, writes the merged one, and shows it as the end of a run is shown.
pub(crate) fn merge(asked: &Merge) -> Result<u8> {
    let split = asked.split.as_deref().map(split_file::read).transpose()?;
    let given: Vec<Given> = given::all(&asked.runs)?;
    let parts: Vec<PartRun> = given.iter().map(|given| given.run.clone()).collect();
    let whole = merge::merge(split.as_ref(), &parts, &baselines())?;
    let folder = new_folder(asked.out.as_deref())?;
    write(&whole, &given, &folder)?;
    let data = RunData::read(&folder, &[])?;
    for report in &data.reports {
        say(terminal::brief(report));
    }
    let run = data.overview();
    say(format!("{}records in {}", terminal::closing(&run), folder.display()));
    let code = run.exit_code();
    formats::write_reports(&folder)?;
    Ok(code)
}

/// The folder of the merged run: the one that was named, or the next run's.
fn new_folder(named: Option<&Path>) -> Result<PathBuf> {
    let Some(folder) = named else { return runs::begin() };
    std::fs::create_dir_all(folder).map_err(WriteError::of(folder)).map_err(unmeasurable)?;
    let mut entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot look into {}", folder.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty; name a new folder for the merged run", folder.display());
    }
    Ok(folder.to_owned())
}

/// Writes everything that the parts left, and what the whole says.
fn write(whole: &Whole, given: &[Given], folder: &Path) -> Result<()> {
    for (at, folders) in &whole.folders {
        if let Some(given) = given.get(*at) {
            copies::take(&given.folder, folder, folders)?;
        }
    }
    let shown = folder.strip_prefix(runs::root()).unwrap_or(folder);
    for suite in &whole.suites {
        let mut report: SuiteReport = suite.report.clone();
        for load in &mut report.loads {
            load.records = shown.join(&suite.folder).display().to_string();
        }
        report_file::write(&folder.join(&suite.folder), &report).map_err(unmeasurable)?;
    }
    for (number, alarm) in (1..).zip(&whole.alarms) {
        let place = folder.join(ALARMS).join(format!("{number:03}"));
        report_file::write(&place, alarm).map_err(unmeasurable)?;
    }
    split_file::write(&folder.join("split.json"), &whole.split).map_err(unmeasurable)?;
    write_request(folder, &whole.request.settings, &whole.request, true).map_err(unmeasurable)
}

/// The baselines of this checkout. What cannot be read is said, and the run that needed it says so too.
fn baselines() -> Vec<GuardedBaseline> {
    let root = runs::root();
    let all = files(&root.join("baselines"), "snap").unwrap_or_default();
    all.iter().filter_map(|file| guarded(&root, file)).collect()
}

/// What a baseline guards; nothing of one that cannot be read.
fn guarded(root: &Path, file: &Path) -> Option<GuardedBaseline> {
    let baseline = runs::baseline(file);
    let baseline =
        baseline.map_err(|why| eprintln!("warning: {}: {why:#}", file.display())).ok()?;
    Some(GuardedBaseline {
        file: file.strip_prefix(root).unwrap_or(file).display().to_string(),
        metrics: baseline.slacks.keys().copied().collect(),
        suite: baseline.suite,
        load: baseline.load,
    })
}
