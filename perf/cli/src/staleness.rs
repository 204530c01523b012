//! Completes a verdict with what happened before this run: the steps in which a baseline crept, from
//! git, and how old a baseline is that a load is better than.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use perf_model::judge::baseline::{StartsFile, starts_file};
use perf_model::judge::report::SuiteReport;
use perf_model::judge::staleness::mark;
use perf_model::judge::verdict::Verdict;
use perf_model::record::day::Day;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::metric::Metric;

use crate::git::git;
use crate::runs;

/// Completes a report: names the steps of a creep, and marks loads that were better than their
/// baselines for too long as stale.
pub(crate) fn complete(report: &mut SuiteReport, config: &Config) {
    for load in &mut report.loads {
        let crept: Vec<Metric> = load
            .rows
            .iter()
            .filter(|row| is(row.guard.as_ref(), Verdict::Creep))
            .map(|row| row.metric)
            .collect();
        for metric in crept {
            let steps = steps(&runs::root(), &load.baseline_file, metric);
            let step = |step| Finding::new(FindingCode::BaselineStep, step);
            load.notes.extend(steps.into_iter().map(step));
        }
    }
    if report.engine != EngineKind::Simulated {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for load in &mut report.loads {
            if let Some(measured_on) = measured_on(&runs::root(), &load.baseline_file) {
                let limit = u64::from(config.gate.stale_after_days);
                mark(load, measured_on, Day::of_unix_s(now), limit);
            }
        }
        report.join();
    }
}

fn is(guard: Option<&perf_model::judge::report::GuardRow>, verdict: Verdict) -> bool {
    guard.is_some_and(|guard| guard.judgement.verdict == verdict)
}

/// Each commit that moved a metric's baseline, oldest first, in words. Nothing where git does not
/// know the file.
fn steps(root: &Path, file: &str, metric: Metric) -> Vec<String> {
    let log =
        git(root, &["log", "--reverse", "--format=%h %cs %s", "--", file]).unwrap_or_default();
    let starts_name = starts_file(Path::new(file)).display().to_string();
    let mut before: Option<f64> = None;
    let mut steps = Vec::new();
    for line in log.lines() {
        let commit = line.split(' ').next().unwrap_or_default();
        let show = |file: &str| git(root, &["show", &format!("{commit}:{file}")]);
        let (text, starts) = (show(file).unwrap_or_default(), show(&starts_name));
        let starts =
            StartsFile { name: &starts_name, text: starts.as_deref().ok_or("it is missing") };
        let baseline = perf_store::baselines::parse(&text, &starts).ok();
        let Some(value) = baseline.and_then(|baseline| baseline.median(metric)) else { continue };
        // A commit that changes only the form of the file moves nothing.
        if let Some(before) =
            before.filter(|before| *before > 0.0 && before.total_cmp(&value).is_ne())
        {
            let label = metric.label();
            steps.push(format!(
                "step: {label} {before:.1} → {value:.1} ({:+.1} %): {line}",
                (value / before - 1.0) * 100.0
            ));
        }
        before = Some(value);
    }
    steps
}

/// The day on which a baseline was last measured: its own, or that of its last commit for a file of
/// an older version.
fn measured_on(root: &Path, file: &str) -> Option<Day> {
    let own = runs::baseline(&root.join(file)).ok().and_then(|baseline| baseline.measured_on);
    own.or_else(|| git(root, &["log", "-1", "--format=%cs", "--", file])?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_git_does_not_know_has_no_steps() {
        let folder = tempfile::tempdir().unwrap();
        assert!(steps(folder.path(), "baselines/x.snap", "e2e_p50_ms".parse().unwrap()).is_empty());
    }
}
