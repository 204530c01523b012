//! What a fresh baseline rests on and can tell: [`on`].

use std::fmt::Write;

use perf_model::baseline::Baseline;
use perf_model::gate::Gate;
use perf_model::guard::Guard;
use perf_model::report::LoadReport;
use perf_model::snapshot;

use crate::runs;

/// A line on the baseline that a load's refresh has written, and one on each of its guards.
pub(crate) fn on(load: &LoadReport, gate: &Gate) -> String {
    let mut text = format!("wrote {}", load.baseline_file);
    let Some(baseline) = read(&load.baseline_file) else { return text };
    let (starts, sessions) = baseline.rests_on();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let _ = write!(text, ": {starts} starts in {sessions} session{}", plural(sessions));
    for row in &load.rows {
        let Some(slack) = row.guard.as_ref().map(|guard| guard.slack) else { continue };
        let guard = Guard { metric: row.metric, slack };
        let label = row.metric.label();
        match gate.resolution(&guard, baseline.sessions(row.metric)) {
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
