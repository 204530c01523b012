//! Completes a verdict with what happened before this run: the steps in which a baseline crept, from
//! git, and since when a load has been better than its baseline.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use perf_model::judge::baseline::Baseline;
use perf_model::judge::report::{LoadReport, SuiteReport};
use perf_model::judge::snapshot;
use perf_model::judge::staleness::{DAY_S, Staleness};
use perf_model::judge::verdict::Verdict;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::metric::Metric;

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
        apply_staleness(&mut report.loads, u64::from(config.gate.stale_after_days) * DAY_S);
        report.join();
    }
}

fn is(guard: Option<&perf_model::judge::report::GuardRow>, verdict: Verdict) -> bool {
    guard.is_some_and(|guard| guard.judgement.verdict == verdict)
}

/// Each commit that moved a metric's baseline, oldest first, in words. Nothing where git does not
/// know the file.
fn steps(root: &Path, file: &str, metric: Metric) -> Vec<String> {
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let log = git(&["log", "--reverse", "--format=%h %cs %s", "--", file]).unwrap_or_default();
    let mut before: Option<f64> = None;
    let mut steps = Vec::new();
    for line in log.lines() {
        let commit = line.split(' ').next().unwrap_or_default();
        let text = git(&["show", &format!("{commit}:{file}")]).unwrap_or_default();
        let baseline = snapshot::split(&text).and_then(|(_, body)| Baseline::from_yaml(body).ok());
        let Some(value) = baseline.and_then(|baseline| baseline.median(metric)) else { continue };
        if let Some(before) = before.filter(|before| *before > 0.0) {
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

/// The file that remembers staleness from run to run, where programs keep such state; a build
/// folder is cleaned away.
fn state_file() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder =
        folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(folder.join("vllm-perf").join("staleness.json"))
}

/// Applies what is remembered of this machine's earlier runs to the loads of a report.
fn apply_staleness(loads: &mut [LoadReport], limit_s: u64) {
    let file = state_file();
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let mut staleness: Staleness =
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for load in loads {
        let baseline = std::fs::read_to_string(runs::root().join(&load.baseline_file));
        staleness.apply(load, &baseline.unwrap_or_default(), now_s, limit_s);
    }
    let Some(file) = file else { return };
    let text = serde_json::to_string_pretty(&staleness).unwrap_or_default();
    if let Err(error) = perf_store::atomic::write(&file, &text) {
        eprintln!("warning: cannot save since when loads are better than their baselines: {error}");
    }
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
