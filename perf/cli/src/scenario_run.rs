//! Runs one scenario, a test in a process of its own, and reads the reports that it leaves:
//! [`run_scenario`].

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, bail};
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::plan::{Plan, PlannedLoad};
use perf_model::spec::progress::PROGRESS_VARIABLE;
use perf_model::spec::settings::{COMMAND_VARIABLE, Settings, VARIABLE};
use perf_store::atomic::WriteError;
use perf_store::{report_file, sweep_file};

use crate::error::{Unmeasurable, unmeasurable};
use crate::interrupt::Interrupt;
use crate::live::Live;
use crate::scenarios::Scenario;
use crate::{runs, scenarios, side_by_side};

/// What each scenario would measure and guard, without measuring anything.
///
/// # Errors
/// When a scenario cannot be run as it is asked for.
pub(crate) fn plan(
    scenarios: &[Scenario],
    settings: &Settings,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Vec<Plan>>> {
    let mut plans = Vec::new();
    side_by_side::in_order(
        scenarios,
        side_by_side::cores(),
        |scenario| interrupt.unless_asked(|| plan_one(scenario, settings, folder, interrupt)),
        |_, planned| {
            let planned = planned?;
            let proceeds = planned.is_some();
            plans.extend(planned);
            Ok(proceeds)
        },
    )?;
    // A plan is not a record: nothing was measured.
    let _ = std::fs::remove_dir_all(folder);
    Ok(plans)
}

fn plan_one(
    scenario: &Scenario,
    settings: &Settings,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Plan>> {
    let folder = folder.join(&scenario.name);
    let asked = Settings { plans: true, run_folder: Some(folder.clone()), ..settings.clone() };
    let ended = run_test(scenario, &asked, &folder, interrupt, Progress::Plain)?;
    let found = report_file::plans_in(&folder)?;
    if let Some(why) = found.iter().find_map(|plan| plan.refused.clone()) {
        bail!(why);
    }
    if found.is_empty() && !interrupt.asked() {
        let what = format!("{} cannot be planned: {}", scenario.name, ended.without_report());
        return Err(Unmeasurable(what).into());
    }
    Ok(found)
}

/// Every load that the scenarios of this repository declare, whether this machine can run it or not.
///
/// # Errors
/// When a scenario cannot be built or planned.
pub(crate) fn all_loads(interrupt: &Interrupt) -> Result<Vec<PlannedLoad>> {
    let scratch = runs::begin()?;
    let planned = scenarios::pick(&[], &[])
        .and_then(|all| plan(&all, &Settings::default(), &scratch.join("plan"), interrupt));
    // Nothing was run.
    let _ = std::fs::remove_dir_all(scratch);
    Ok(planned?.into_iter().flatten().flat_map(|plan| plan.loads).collect())
}

/// A scenario, and the names of the suites that it planned.
pub(crate) struct Planned {
    pub(crate) scenario: Scenario,
    /// The most GPUs that a server of it needs.
    pub(crate) gpus: u8,
    suites: Vec<String>,
}

impl Planned {
    pub(crate) fn new(scenario: Scenario, plans: &[Plan]) -> Self {
        let gpus = plans.iter().map(|plan| plan.gpus).max().unwrap_or_default();
        Self { scenario, gpus, suites: plans.iter().map(|plan| plan.suite.clone()).collect() }
    }
}

/// What came of a scenario.
pub(crate) struct Measured {
    pub(crate) reports: Vec<SuiteReport>,
    /// The progress that it reported, where that was not shown live.
    pub(crate) progress: String,
}

/// Runs one test in a process of its own and reads the reports that it wrote.
pub(crate) fn run_scenario(
    planned: &Planned,
    settings: &Settings,
    folder: &Path,
    interrupt: &Interrupt,
    progress: Progress<'_>,
) -> Result<Measured> {
    let Planned { scenario, suites, .. } = planned;
    if settings.budget.gpu_s == Some(0.0) {
        let why = "the budget was used up before it could be measured".to_owned();
        let reports = vec![without(scenario, settings, folder, Verdict::Inconclusive, why)?];
        return Ok(Measured { reports, progress: String::new() });
    }
    let ended = run_test(scenario, settings, folder, interrupt, progress)?;
    // Other scenarios may write into the same folder at this moment.
    let mut reports = Vec::new();
    for suite in suites {
        reports.extend(report_file::of_suite(folder, suite)?);
    }
    let is_sweep = suites.iter().any(|suite| sweep_file::is_in(folder, suite));
    if reports.is_empty() && !is_sweep && !interrupt.asked() {
        reports.push(without(
            scenario,
            settings,
            folder,
            Verdict::Invalid,
            ended.without_report(),
        )?);
    }
    Ok(Measured { reports, progress: ended.progress })
}

/// The report of a scenario that left none, which is written: `show` must give the reason too.
fn without(
    scenario: &Scenario,
    settings: &Settings,
    folder: &Path,
    verdict: Verdict,
    why: String,
) -> Result<SuiteReport> {
    let report = SuiteReport::unmeasured(scenario.name.clone(), settings.engine, verdict, why);
    let left = folder.join(scenario.name.replace("::", "-"));
    report_file::write(&left, &report).map_err(unmeasurable)?;
    Ok(report)
}

/// How a test ended.
pub(crate) struct Ended {
    pub(crate) succeeded: bool,
    /// The last lines that it wrote.
    pub(crate) cause: String,
    /// The progress that it reported, where that was not shown live.
    progress: String,
    status: ExitStatus,
}

impl Ended {
    /// What to say of a test that left nothing else.
    fn without_report(&self) -> String {
        let Self { status, cause, .. } = self;
        format!("the test wrote no report ({status}); its last lines:\n{cause}")
    }
}

/// How the progress that a test reports is shown.
#[derive(Clone, Copy)]
pub(crate) enum Progress<'a> {
    /// As plain lines on the standard error of this process, at once.
    Plain,
    /// In the line of a terminal.
    Live(&'a Live),
    /// When the test has ended, by the caller: that of tests side by side would be mixed.
    Kept,
}

/// Runs one test in a process of its own.
pub(crate) fn run_test(
    scenario: &Scenario,
    settings: &Settings,
    folder: &Path,
    interrupt: &Interrupt,
    progress: Progress<'_>,
) -> Result<Ended> {
    std::fs::create_dir_all(folder).map_err(WriteError::of(folder)).map_err(unmeasurable)?;
    let log_path = folder.join(format!("{}.log", scenario.name.replace("::", "-")));
    let log = File::create(&log_path).map_err(WriteError::of(&log_path)).map_err(unmeasurable)?;
    let mut command = Command::new(&scenario.binary);
    command
        .args(["--exact", &scenario.test])
        .current_dir(runs::root())
        .env("CARGO_MANIFEST_DIR", runs::root())
        .env(VARIABLE, serde_json::to_string(settings)?)
        .env(COMMAND_VARIABLE, std::process::id().to_string())
        .env("INSTA_UPDATE", "new")
        .env("INSTA_OUTPUT", "none")
        .env("INSTA_WORKSPACE_ROOT", runs::root())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(match progress {
            Progress::Plain => Stdio::inherit(),
            Progress::Live(_) | Progress::Kept => Stdio::piped(),
        });
    if let Progress::Live(_) = progress {
        command.env(PROGRESS_VARIABLE, "1");
    }
    let mut child =
        command.spawn().with_context(|| format!("cannot run {}", scenario.binary.display()))?;
    let listening = match progress {
        Progress::Live(live) => child.stderr.take().map(|stderr| live.listen(stderr)),
        Progress::Plain | Progress::Kept => None,
    };
    let Output { status, stderr, .. } = interrupt.wait(child)?;
    if let Some(listening) = listening {
        listening.finish();
    }
    let log = std::fs::read_to_string(&log_path).unwrap_or_default();
    let progress = String::from_utf8_lossy(&stderr).into_owned();
    Ok(Ended { succeeded: status.success(), cause: cause(&log), progress, status })
}

/// The last lines of a test's log, from its failure on: without the lines of the test harness around
/// it.
fn cause(log: &str) -> String {
    let after = log.rsplit_once(" stdout ----\n").map_or(log, |(_, failure)| failure);
    let failure = after.split("\n\nfailures:").next().unwrap_or(after);
    let is_hint = |line: &&str| line.starts_with("note: run with `RUST_BACKTRACE");
    let lines: Vec<&str> = failure.lines().filter(|line| !is_hint(line)).collect();
    lines[lines.len().saturating_sub(30)..].join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_missing_report_is_shown_without_the_lines_of_the_test_harness() {
        let log = "\nrunning 1 test\ntest a ... FAILED\n\nfailures:\n\n---- a stdout ----\n\
            thread 'a' panicked at tests/a.rs:1:1:\ncannot write records: No space left on device\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\n\
            failures:\n    a\n\ntest result: FAILED. 0 passed; 1 failed\n";
        assert_eq!(
            cause(log),
            "thread 'a' panicked at tests/a.rs:1:1:\ncannot write records: No space left on device"
        );
        assert_eq!(cause("killed\n"), "killed");
    }
}
