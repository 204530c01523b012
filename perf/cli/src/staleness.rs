//! What only time tells of a verdict: the steps in which a baseline crept, from git, and since when
//! one has been bettered.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use perf_model::judge::baseline::Baseline;
use perf_model::judge::report::{LoadReport, SuiteReport};
use perf_model::judge::snapshot;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::metric::Metric;

use crate::runs;

const DAY_S: u64 = 86_400;

/// Completes a report: names the steps of a creep, and turns what was bettered for too long into
/// `Stale`.
pub(crate) fn tell(report: &mut SuiteReport, config: &Config) {
    for load in &mut report.loads {
        let crept: Vec<Metric> = load
            .rows
            .iter()
            .filter(|row| is(row.guard.as_ref(), Verdict::Creep))
            .map(|row| row.metric)
            .collect();
        for metric in crept {
            load.notes.extend(steps(&runs::root(), &load.baseline_file, metric));
        }
    }
    if report.engine != EngineKind::Simulated {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut bettered = Bettered::read(state_file());
        for load in &mut report.loads {
            bettered.take(load, now_s, u64::from(config.gate.stale_after_days) * DAY_S);
        }
        bettered.write();
        report.verdict =
            Verdict::join(report.loads.iter().map(|load| load.verdict)).unwrap_or(report.verdict);
    }
}

fn is(guard: Option<&perf_model::judge::report::GuardRow>, verdict: Verdict) -> bool {
    guard.is_some_and(|guard| guard.verdict == verdict)
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

/// Since when which baseline has been bettered, in seconds since 1970, on this machine.
struct Bettered {
    file: Option<PathBuf>,
    since_s: BTreeMap<String, u64>,
}

/// Beside what other programs keep from run to run; a build folder would be cleaned away.
fn state_file() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder =
        folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(folder.join("vllm-perf").join("bettered.json"))
}

impl Bettered {
    fn read(file: Option<PathBuf>) -> Self {
        let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        Self {
            file,
            since_s: text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        }
    }

    /// Takes in a load's verdict. What is not bettered any more, or has a new baseline, begins
    /// anew.
    fn take(&mut self, load: &mut LoadReport, now_s: u64, limit_s: u64) {
        let baseline =
            std::fs::read_to_string(runs::root().join(&load.baseline_file)).unwrap_or_default();
        // The same text gives the same hash; another version of Rust may begin anew, which only
        // waits longer.
        let mut hasher = DefaultHasher::new();
        baseline.hash(&mut hasher);
        let key = format!("{}/{}#{:016x}", load.suite, load.load, hasher.finish());
        if load.verdict != Verdict::Improved {
            if load.verdict == Verdict::Held {
                self.since_s.remove(&key);
            }
            return;
        }
        let since_s = *self.since_s.entry(key).or_insert(now_s);
        let days = now_s.saturating_sub(since_s) / DAY_S;
        if now_s.saturating_sub(since_s) > limit_s {
            load.verdict = Verdict::Stale;
            load.notes.push(format!(
                "bettered for {days} days: a loss of what was gained would go unseen"
            ));
        }
    }

    fn write(&self) {
        let Some(file) = &self.file else { return };
        let text = serde_json::to_string_pretty(&self.since_s).unwrap_or_default();
        if let Err(error) = perf_store::atomic::write(file, &text) {
            eprintln!("warning: since when baselines are bettered is not remembered: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn improved() -> LoadReport {
        LoadReport {
            suite: "s".into(),
            load: "l".into(),
            engine: EngineKind::Docker,
            hardware: String::new(),
            workload: String::new(),
            arrivals: String::new(),
            starts: 3,
            verdict: Verdict::Improved,
            rows: vec![],
            under_test: vec![],
            incomparable: vec![],
            faults: vec![],
            notes: vec![],
            baseline_file: "baselines/none.snap".into(),
            records: String::new(),
        }
    }

    #[test]
    fn a_baseline_that_is_bettered_for_too_long_is_stale_and_one_that_holds_again_begins_anew() {
        let mut bettered = Bettered { file: None, since_s: BTreeMap::new() };
        let mut verdict_after = |days: u64, verdict: Verdict| {
            let mut load = LoadReport { verdict, ..improved() };
            bettered.take(&mut load, days * DAY_S, 14 * DAY_S);
            load.verdict
        };
        assert_eq!(verdict_after(0, Verdict::Improved), Verdict::Improved);
        assert_eq!(verdict_after(14, Verdict::Improved), Verdict::Improved);
        assert_eq!(verdict_after(15, Verdict::Improved), Verdict::Stale);
        assert_eq!(verdict_after(16, Verdict::Held), Verdict::Held);
        assert_eq!(verdict_after(17, Verdict::Improved), Verdict::Improved);
    }

    #[test]
    fn a_file_that_git_does_not_know_has_no_steps() {
        let folder = tempfile::tempdir().unwrap();
        assert!(steps(folder.path(), "baselines/x.snap", "e2e_p50_ms".parse().unwrap()).is_empty());
    }
}
