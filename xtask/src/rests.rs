//! What fresh baselines rest on and can tell: [`on`].

use std::fmt::Write;

use perf_model::baseline::Baseline;
use perf_model::gate::Gate;
use perf_model::guard::Guard;
use perf_model::report::{LoadReport, SuiteReport};
use perf_model::snapshot;
use perf_model::verdict::Verdict;

use crate::runs;

/// The gate with what the baselines of these loads tell of the noise, which are a suite's of one machine.
pub(crate) fn learned(gate: &Gate, loads: &[(&LoadReport, Baseline)]) -> Gate {
    let told: Vec<(Guard, &Baseline)> =
        loads.iter().flat_map(|(load, baseline)| guards(load).map(move |guard| (guard, baseline))).collect();
    gate.learned(told.iter().map(|(guard, baseline)| (guard, baseline.sessions(guard.metric))))
}

/// The guards of a load.
pub(crate) fn guards(load: &LoadReport) -> impl Iterator<Item = Guard> {
    load.rows.iter().filter_map(|row| Some(Guard { metric: row.metric, slack: row.guard.as_ref()?.slack }))
}

/// A line on each baseline that the refresh of a suite has written, and one on each of its guards.
pub(crate) fn on(suite: &SuiteReport, gate: &Gate) -> Vec<String> {
    let written = suite.loads.iter().filter(|load| load.verdict != Verdict::Invalid);
    let loads: Vec<_> = written.filter_map(|load| Some((load, read(&load.baseline_file)?))).collect();
    let gate = learned(gate, &loads);
    loads.iter().map(|(load, baseline)| line(load, baseline, &gate)).collect()
}

fn line(load: &LoadReport, baseline: &Baseline, gate: &Gate) -> String {
    let mut text = format!("wrote {}", load.baseline_file);
    let (starts, sessions) = baseline.rests_on();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let _ = write!(text, ": {starts} starts in {sessions} session{}", plural(sessions));
    for guard in guards(load) {
        let (label, slack) = (guard.metric.label(), guard.slack);
        match gate.resolution(&guard, baseline.sessions(guard.metric)) {
            Ok(found) if found.noise_limited => {
                let _ = write!(
                    text,
                    "\n  {label}: catches a loss of {:.1} % with 95 %; the noise allows no band below {:.1} % ({slack} asked{})",
                    found.detects * 100.0,
                    found.effective_tolerance * 100.0,
                    match found.starts_for_tolerance {
                        Some(needed) => format!(", which {needed} starts a side would reach"),
                        None => ", which only more sessions would reach".to_owned(),
                    }
                );
            }
            Ok(found) => {
                let _ = write!(text, "\n  {label}: catches a loss of {:.1} % with 95 %", found.detects * 100.0);
            }
            Err(why) => {
                let _ = write!(text, "\n  {label}: {why}");
            }
        }
    }
    text
}

/// A baseline's file, given from the repository's root.
pub(crate) fn read(file: &str) -> Option<Baseline> {
    let text = std::fs::read_to_string(runs::root().join(file)).ok()?;
    Baseline::from_yaml(snapshot::split(&text)?.1).ok()
}
