//! The gate: the values of a guard's metric, one an engine start, on both sides → a verdict. [`judge`] is all of it.
//!
//! This is the one place where a change is called a change; a better method replaces the body of [`judge`] and nothing
//! else. The rule today:
//!
//! 1. The unit is the engine start: with fewer than [`MIN_STARTS`] on either side nothing is said (*inconclusive*).
//! 2. The medians over the starts are compared. Within the slack either way: *held*.
//! 3. Beyond it, the two sides must not overlap: every measured start beyond every start of the baseline. Then *regressed*
//!    or *improved*. If they do overlap: *inconclusive* on the worse side, *held* on the better one, where nothing is at
//!    stake.
//!
//! Without any change, three starts lie apart from three others on the worse side in 1 of 20 cases, whatever the noise
//! looks like (the 20 ways to choose which three of six are worst); the slack comes on top of that.

use crate::guard::Guard;
use crate::statistics::median;
use crate::verdict::Verdict;

/// The fewest engine starts on each side that a verdict may rest on.
pub const MIN_STARTS: usize = 3;

/// What the gate says of one guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the verdict alone does not say it.
    pub reason: Option<String>,
}

/// Judges one guard on the values of its metric, one an engine start.
pub fn judge(guard: &Guard, baseline: &[f64], measured: &[f64]) -> Judgement {
    let (Some(base), Some(now)) = (median(baseline), median(measured)) else {
        return because(Verdict::Invalid, "the metric is missing on one side".to_owned());
    };
    if base <= 0.0 || !now.is_finite() {
        return because(Verdict::Invalid, format!("no change can be computed from {base} to {now}"));
    }
    if let Some(reason) = too_few(baseline.len(), measured.len()) {
        return because(Verdict::Inconclusive, reason);
    }
    let slack = guard.slack.fraction();
    let loss = guard.loss(base, now);
    let plain = |verdict| Judgement { verdict, reason: None };
    if loss > slack {
        return match overlapping(guard, baseline, measured) {
            0 => plain(Verdict::Regressed),
            starts => because(Verdict::Inconclusive, overlap(starts, measured.len())),
        };
    }
    let improved = -loss > slack && overlapping(guard, measured, baseline) == 0;
    plain(if improved { Verdict::Improved } else { Verdict::Held })
}

/// How many starts of the side that should be worse are no worse than the worst start of the other.
fn overlapping(guard: &Guard, better: &[f64], worse: &[f64]) -> usize {
    let is_worse = |value: f64, than: f64| guard.loss(than, value) > 0.0;
    worse.iter().filter(|value| !better.iter().all(|other| is_worse(**value, *other))).count()
}

fn overlap(starts: usize, of: usize) -> String {
    format!("{starts} of {of} starts are within what the baseline's own starts reached")
}

fn too_few(baseline: usize, measured: usize) -> Option<String> {
    let side = |name: &str, starts: usize| {
        (starts < MIN_STARTS).then(|| format!("{name} rests on {starts} of at least {MIN_STARTS} engine starts"))
    };
    side("the baseline", baseline).or_else(|| side("the measurement", measured))
}

fn because(verdict: Verdict, reason: String) -> Judgement {
    Judgement { verdict, reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::percent;

    fn throughput() -> Guard {
        Guard { metric: "output_throughput_tok_per_s".parse().unwrap(), slack: percent(2.5) }
    }

    fn latency() -> Guard {
        Guard { metric: "e2e_p50_ms".parse().unwrap(), slack: percent(2.5) }
    }

    const BASE: [f64; 3] = [99.0, 100.0, 101.0];

    #[test]
    fn a_change_within_the_slack_held() {
        assert_eq!(judge(&throughput(), &BASE, &[98.0, 98.5, 97.0]).verdict, Verdict::Held);
        assert_eq!(judge(&latency(), &BASE, &[98.0, 102.4, 103.0]).verdict, Verdict::Held);
    }

    #[test]
    fn a_loss_beyond_the_slack_that_lies_apart_from_the_baseline_regressed() {
        assert_eq!(judge(&throughput(), &BASE, &[95.0, 94.0, 98.9]).verdict, Verdict::Regressed);
        assert_eq!(judge(&latency(), &BASE, &[105.0, 101.1, 106.0]).verdict, Verdict::Regressed);
    }

    #[test]
    fn a_loss_that_overlaps_with_the_baseline_is_inconclusive() {
        let judgement = judge(&throughput(), &BASE, &[95.0, 96.0, 99.0]);
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        let reason = judgement.reason.unwrap();
        assert_eq!(reason, "1 of 3 starts are within what the baseline's own starts reached");
    }

    #[test]
    fn a_gain_beyond_the_slack_improved() {
        assert_eq!(judge(&throughput(), &BASE, &[105.0, 104.0, 106.0]).verdict, Verdict::Improved);
        assert_eq!(judge(&latency(), &BASE, &[95.0, 94.0, 96.0]).verdict, Verdict::Improved);
        assert_eq!(judge(&throughput(), &BASE, &[105.0, 101.0, 106.0]).verdict, Verdict::Held);
    }

    #[test]
    fn two_starts_are_no_evidence() {
        let judgement = judge(&throughput(), &BASE, &[50.0, 50.0]);
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        let reason = judgement.reason.unwrap();
        assert_eq!(reason, "the measurement rests on 2 of at least 3 engine starts");
    }

    #[test]
    fn a_metric_that_is_missing_is_never_judged() {
        assert_eq!(judge(&throughput(), &BASE, &[]).verdict, Verdict::Invalid);
        assert_eq!(judge(&throughput(), &[0.0, 0.0, 0.0], &BASE).verdict, Verdict::Invalid);
    }

    proptest! {
        #[test]
        fn a_run_compared_with_itself_always_held(values in prop::collection::vec(1.0..1e6, 3..9)) {
            prop_assert_eq!(judge(&throughput(), &values, &values).verdict, Verdict::Held);
            prop_assert_eq!(judge(&latency(), &values, &values).verdict, Verdict::Held);
        }

        #[test]
        fn making_every_start_worse_never_turns_a_regression_into_anything_else(
            values in prop::collection::vec(50.0..150.0, 3..9), factor in 0.5..1.0,
        ) {
            if judge(&throughput(), &BASE, &values).verdict == Verdict::Regressed {
                let worse: Vec<f64> = values.iter().map(|value| value * factor).collect();
                prop_assert_eq!(judge(&throughput(), &BASE, &worse).verdict, Verdict::Regressed);
            }
        }
    }
}
