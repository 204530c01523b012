//! What a run will take before it begins: [`estimate`].

use std::time::Duration;

use super::progress::span;
use super::wrap::wrapped;

/// What a suite costs if nothing changed.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteCost {
    /// Its name.
    pub suite: String,
    /// The engine starts that it takes on average.
    pub starts: f64,
    /// What a start costs, in seconds times GPUs; absent where no baseline of it says so.
    pub gpu_s_per_start: Option<f64>,
    /// The GPUs of its server; 1 for a server without.
    pub gpus: u8,
}

/// What all suites cost together, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// GPU time in seconds.
    pub gpu_s: f64,
    /// Time in seconds; suites come one after the other.
    pub seconds: f64,
}

impl Cost {
    /// Of the suites whose baselines say what a start costs.
    pub fn of(suites: &[SuiteCost]) -> Self {
        suites.iter().fold(Self::default(), |sum, suite| {
            let gpu_s = suite.gpu_s_per_start.unwrap_or_default() * suite.starts;
            let seconds = gpu_s / f64::from(suite.gpus.max(1));
            Self { gpu_s: sum.gpu_s + gpu_s, seconds: sum.seconds + seconds }
        })
    }

    /// How long it takes.
    pub fn time(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or_default()
    }
}

/// The estimate in words; nothing where it would say nothing. `budget_s` is the most GPU time, in
/// seconds.
pub fn estimate(suites: &[SuiteCost], budget_s: Option<f64>) -> String {
    let (known, unknown): (Vec<&SuiteCost>, Vec<&SuiteCost>) =
        suites.iter().partition(|suite| suite.gpu_s_per_start.is_some());
    let mut text = String::new();
    if !known.is_empty() {
        let cost = Cost::of(suites);
        let starts: f64 = known.iter().map(|suite| suite.starts).sum();
        let most = budget_s
            .map(|most| format!("; the budget ends it after {:.0} GPU-min", most / 60.0))
            .unwrap_or_default();
        let said = format!(
            "estimate: {} and {:.1} GPU-min if nothing changed ({}, about {starts:.0} engine starts){most}",
            span(cost.time()),
            cost.gpu_s / 60.0,
            counted(known.len()),
        );
        text += &wrapped(&said, "");
    }
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().map(|suite| suite.suite.as_str()).collect();
        let said = format!(
            "no baseline says how long {} will take: {}",
            counted(unknown.len()),
            names.join(", ")
        );
        text += &wrapped(&said, "");
    }
    text
}

fn counted(suites: usize) -> String {
    format!("{suites} suite{}", if suites == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(name: &str, gpu_s_per_start: Option<f64>, gpus: u8) -> SuiteCost {
        SuiteCost { suite: name.into(), starts: 1.6, gpu_s_per_start, gpus }
    }

    #[test]
    fn time_and_gpu_time_are_estimated_and_what_has_no_baseline_is_named() {
        let suites = [
            suite("chat", Some(150.0), 1),
            suite("tuned", Some(600.0), 2),
            suite("new", None, 1),
            suite("newer", None, 1),
        ];
        insta::assert_snapshot!(estimate(&suites, Some(1_800.0)));
        insta::assert_snapshot!(estimate(&suites[..1], None));
        insta::assert_snapshot!(estimate(&suites[2..], None));
        assert_eq!(estimate(&[], None), "");
    }
}
