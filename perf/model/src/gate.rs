//! The gate: a guard and the values of its metric on both sides → what may be said. Main type: [`Gate`].
//!
//! The statistics are those of `perf-gate`, which `docs/GATE.md` explains; this is what they mean for guards.

use perf_gate::{Boundaries, Check, Design, Prior, Resolution, Series, judge, resolution};

use crate::guard::Guard;
use crate::metric::{self, Metric};
use crate::verdict::Verdict;

/// How a run judges.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    design: Design,
}

/// Why a run cannot judge.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the gate cannot be set up: {0}")]
pub struct GateError(#[from] perf_gate::DesignError);

/// What the gate says of one guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict. While it is open: what it would be if nothing more were measured.
    pub verdict: Verdict,
    /// Whether another start may still settle it.
    pub is_open: bool,
    /// Why, where the verdict alone does not say it.
    pub reason: Option<String>,
    /// The numbers behind it; absent where the gate was not asked.
    pub numbers: Option<perf_gate::Judgement>,
}

impl Judgement {
    /// A verdict that needed no gate.
    pub fn plain(verdict: Verdict) -> Self {
        Self { verdict, is_open: false, reason: None, numbers: None }
    }
}

impl Gate {
    /// A gate for a run.
    pub fn new(design: Design) -> Result<Self, GateError> {
        design.check()?;
        Ok(Self { design })
    }

    /// The most engine starts of one measurement.
    pub fn most_starts(&self) -> usize {
        self.design.max_starts
    }

    /// Judges one guard on the values of its metric: the baseline's `[session][start]`, and one an engine start so far.
    pub fn judge(&self, guard: &Guard, baseline: &[Vec<f64>], measured: &[f64]) -> Judgement {
        let sides = Sides::of(guard, baseline).and_then(|sides| {
            let candidate = Series::of_one_session(sides.check.direction(), measured);
            Ok((sides, candidate.map_err(|error| format!("the measurement: {error}"))?))
        });
        let (Sides { check, baseline }, candidate) = match sides {
            Ok(sides) => sides,
            Err(reason) => return Judgement { reason: Some(reason), ..Judgement::plain(Verdict::Invalid) },
        };
        let boundaries = match Boundaries::of(&self.design, baseline.starts()) {
            Ok(boundaries) => boundaries,
            Err(error) => return Judgement { reason: Some(error.to_string()), ..Judgement::plain(Verdict::Invalid) },
        };
        let numbers = judge(&boundaries, &check, &baseline, &candidate);
        let (verdict, is_open) = match numbers.verdict {
            perf_gate::Verdict::Regressed => (Verdict::Regressed, false),
            perf_gate::Verdict::Held => (Verdict::Held, false),
            perf_gate::Verdict::Improved => (Verdict::Improved, false),
            perf_gate::Verdict::Inconclusive => (Verdict::Inconclusive, false),
            perf_gate::Verdict::GoOn => (Verdict::Inconclusive, true),
        };
        Judgement { verdict, is_open, reason: numbers.reason.clone(), numbers: Some(numbers) }
    }

    /// What a baseline can tell of a guard; `None` if its metric is missing or cannot be judged.
    pub fn resolution(&self, guard: &Guard, baseline: &[Vec<f64>]) -> Option<Resolution> {
        let Sides { check, baseline } = Sides::of(guard, baseline).ok()?;
        let boundaries = Boundaries::of(&self.design, baseline.starts()).ok()?;
        Some(resolution(&boundaries, &check, &baseline))
    }
}

/// A guard and its baseline as the statistics want them.
struct Sides {
    check: Check,
    baseline: Series,
}

impl Sides {
    fn of(guard: &Guard, baseline: &[Vec<f64>]) -> Result<Self, String> {
        let direction = direction(guard.metric);
        let prior = Prior::of_metric(&guard.metric.to_string());
        let check = Check::new(direction, guard.slack.fraction(), prior).map_err(|error| error.to_string())?;
        let runs: Vec<Vec<Vec<f64>>> =
            baseline.iter().map(|starts| starts.iter().map(|value| vec![*value]).collect()).collect();
        let baseline = Series::new(direction, &runs).map_err(|error| format!("the baseline: {error}"))?;
        Ok(Self { check, baseline })
    }
}

/// The same direction, in the words of the statistics.
fn direction(metric: Metric) -> perf_gate::Direction {
    match metric.direction() {
        metric::Direction::HigherIsBetter => perf_gate::Direction::HigherIsBetter,
        metric::Direction::LowerIsBetter => perf_gate::Direction::LowerIsBetter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::percent;

    fn gate() -> Gate {
        Gate::new(Design::of(4)).unwrap()
    }

    fn throughput() -> Guard {
        Guard { metric: "output_throughput_tok_per_s".parse().unwrap(), slack: percent(2.5) }
    }

    fn latency() -> Guard {
        Guard { metric: "e2e_p50_ms".parse().unwrap(), slack: percent(2.5) }
    }

    fn base() -> Vec<Vec<f64>> {
        vec![vec![99.8, 100.0, 100.2, 99.9, 100.1]; 2]
    }

    fn verdict(guard: &Guard, measured: &[f64]) -> Verdict {
        gate().judge(guard, &base(), measured).verdict
    }

    #[test]
    fn the_direction_of_the_metric_decides_what_is_worse() {
        let (less, more) = ([90.0, 90.1, 89.9], [110.0, 110.1, 109.9]);
        assert_eq!(verdict(&throughput(), &less), Verdict::Regressed);
        assert_eq!(verdict(&throughput(), &more), Verdict::Improved);
        assert_eq!(verdict(&latency(), &less), Verdict::Improved);
        assert_eq!(verdict(&latency(), &more), Verdict::Regressed);
        assert_eq!(verdict(&latency(), &[100.0, 100.1, 99.9]), Verdict::Held);
    }

    #[test]
    fn two_starts_are_no_evidence_of_a_loss_and_the_verdict_stays_open() {
        let judgement = gate().judge(&throughput(), &base(), &[90.0, 90.1]);
        assert_eq!((judgement.verdict, judgement.is_open), (Verdict::Inconclusive, true));
    }

    #[test]
    fn a_baseline_of_two_starts_judges_nothing_however_much_is_measured() {
        let judgement = gate().judge(&throughput(), &[vec![100.0, 100.0]], &[50.0; 8]);
        assert_eq!((judgement.verdict, judgement.is_open), (Verdict::Inconclusive, false));
        assert!(judgement.reason.unwrap().contains("the baseline rests on 2 of at least 3 engine starts"));
    }

    #[test]
    fn what_is_missing_or_zero_is_never_judged() {
        let of = |baseline: &[Vec<f64>], measured: &[f64]| gate().judge(&throughput(), baseline, measured).verdict;
        assert_eq!(of(&base(), &[]), Verdict::Invalid);
        assert_eq!(of(&[], &[100.0; 3]), Verdict::Invalid);
        assert_eq!(of(&[vec![0.0; 3]], &[100.0; 3]), Verdict::Invalid);
    }

    #[test]
    fn a_baseline_says_what_it_can_tell_apart() {
        let resolution = gate().resolution(&throughput(), &base()).unwrap();
        assert_eq!((resolution.starts, resolution.sessions), (10, 2));
        assert!(resolution.detects >= 2.0 * 0.0249, "{resolution:?}");
        assert_eq!(gate().resolution(&throughput(), &[]), None);
    }
}
