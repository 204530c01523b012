//! One guard after each start of the candidate: [`judge`].

use serde::{Deserialize, Serialize};

use crate::boundaries::Boundaries;
use crate::design::Design;
use crate::direction::Direction;
use crate::distributions::{t_of_z, z_of_t};
use crate::estimate::estimate;
use crate::guard::Guard;
use crate::noise::{Layout, Noise};
use crate::resolution::{Resolution, resolution};
use crate::series::Series;

/// One-sided z of a 95 % interval.
const INTERVAL: f64 = 1.959_964;

/// One start in this many may disagree with a change.
const DISSENT: usize = 4;

/// A start agrees with a change if it lies beyond this share of the band.
const AGREEMENT: f64 = 0.5;

/// The verdict on one guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Worse, beyond the band and beyond chance.
    Regressed,
    /// A loss of twice the band is ruled out.
    Held,
    /// Better, beyond the band and beyond chance: the baseline is stale.
    Improved,
    /// Not decided yet: measure another start.
    #[serde(rename = "go_on", alias = "continue")]
    Continue,
    /// Not decided when the budget was spent, or not decidable.
    Inconclusive,
}

impl Verdict {
    /// Whether more starts would change nothing.
    pub fn is_settled(self) -> bool {
        self != Self::Continue
    }
}

/// The verdict on one guard, and every number that it was reached from. Relative figures are of the
/// metric itself, in the sign it moved: −0.05 of a throughput is 5 % less, +0.05 of a latency 5 %
/// slower.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the numbers alone do not say it.
    pub reason: Option<String>,
    /// The change relative to the baseline.
    pub change: f64,
    /// The 95 % confidence interval of the change: its lower end.
    pub change_low: f64,
    /// Its upper end.
    pub change_high: f64,
    /// Starts of the candidate.
    pub starts: usize,
    /// The change on the gate's scale: difference of natural logarithms, + = worse.
    pub loss: f64,
    /// Its standard error.
    pub error: f64,
    /// How much starts and sessions scatter, over both sides.
    pub noise: Noise,
    /// How many z the candidate is worse.
    pub z: f64,
    /// What `z` or `−z` must reach to be called a change now; `None` before there are enough
    /// starts.
    pub z_change: Option<f64>,
    /// How many z the loss lies below twice the band.
    pub z_below: f64,
    /// What `z_below` must reach to be called held now.
    pub z_held: f64,
    /// Held, and yet worse than chance would explain: a loss that the slack allows.
    pub held_but_worse: bool,
    /// What the baseline can tell apart.
    pub resolution: Resolution,
}

/// One guard against one baseline, with everything computed that does not depend on the candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    boundaries: Boundaries,
    guard: Guard,
    baseline: Series,
    resolution: Resolution,
}

impl Plan {
    /// Computes it. `boundaries` should be of this baseline's number of starts; if they are not,
    /// their design's are computed, which takes milliseconds.
    pub fn new(boundaries: &Boundaries, guard: &Guard, baseline: &Series) -> Self {
        let own = (boundaries.baseline_starts() != baseline.starts())
            .then(|| Boundaries::of(boundaries.design(), baseline.starts()).ok());
        let boundaries = own.flatten().unwrap_or_else(|| boundaries.clone());
        let resolution = resolution(&boundaries, guard, baseline);
        Self { boundaries, guard: *guard, baseline: baseline.clone(), resolution }
    }

    /// What the baseline can tell apart.
    pub fn resolution(&self) -> &Resolution {
        &self.resolution
    }

    /// What is checked.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What it is held against.
    pub fn baseline(&self) -> &Series {
        &self.baseline
    }

    /// The design of the suite.
    pub fn design(&self) -> &Design {
        self.boundaries.design()
    }

    /// Judges what was measured so far. Call it again after every start while it returns
    /// [`Verdict::Continue`].
    pub fn judge(&self, candidate: &Series) -> Judgement {
        let (baseline, design) = (&self.baseline, self.boundaries.design());
        let noise = estimate(&self.guard.prior(), &[baseline, candidate]);
        let error = noise.error(&Layout::of(baseline), &Layout::of(candidate));
        let base = noise.locate(baseline);
        let loss = noise.locate(candidate) - base;
        let starts = candidate.starts();
        let worse_by: Vec<f64> = candidate.costs().iter().map(|cost| cost - base).collect();
        let evidence = Evidence {
            loss,
            z: z_of_t(loss / error, noise.df),
            z_below: z_of_t((2.0 * self.resolution.band_cost - loss) / error, noise.df),
            z_change: self.boundaries.change(starts),
            z_held: self.boundaries.held(starts),
            band: self.resolution.band_cost,
        };
        let (verdict, reason) = if baseline.starts() < design.min_starts {
            {
                let few = too_few_starts(baseline.starts(), design.min_starts);
                (Verdict::Inconclusive, Some(format!("{few}; refresh it with more starts")))
            }
        } else {
            evidence.verdict(&worse_by, design.max_starts)
        };
        let direction = self.guard.direction();
        let interval = interval(direction, loss, error, noise.df);
        Judgement {
            verdict,
            reason,
            change: direction.relative(loss),
            change_low: interval[0],
            change_high: interval[1],
            starts,
            loss,
            error,
            noise,
            z: evidence.z,
            z_change: evidence.z_change,
            z_below: evidence.z_below,
            z_held: evidence.z_held,
            held_but_worse: verdict == Verdict::Held && loss / error > INTERVAL,
            resolution: self.resolution,
        }
    }
}

/// Judges one guard once: [`Plan::new`] and [`Plan::judge`] in one.
pub fn judge(
    boundaries: &Boundaries,
    guard: &Guard,
    baseline: &Series,
    candidate: &Series,
) -> Judgement {
    Plan::new(boundaries, guard, baseline).judge(candidate)
}

/// The 95 % confidence interval of a change, relative to the baseline, lower end first.
pub(crate) fn interval(direction: Direction, loss: f64, error: f64, df: f64) -> [f64; 2] {
    let half = t_of_z(INTERVAL, df) * error;
    let [one, other] = [loss - half, loss + half].map(|end| direction.relative(end));
    [one.min(other), one.max(other)]
}

/// What a verdict is reached from.
struct Evidence {
    loss: f64,
    z: f64,
    z_below: f64,
    z_change: Option<f64>,
    z_held: f64,
    band: f64,
}

impl Evidence {
    fn verdict(&self, worse_by: &[f64], budget: usize) -> (Verdict, Option<String>) {
        let is_change = |sign: f64| {
            self.z_change.is_some_and(|bound| sign * self.z >= bound)
                && sign * self.loss >= self.band
                && agree(worse_by, sign, self.band)
        };
        if is_change(1.0) {
            return (Verdict::Regressed, None);
        }
        if is_change(-1.0) {
            return (Verdict::Improved, None);
        }
        let last = worse_by.len() >= budget;
        let held = self.z_below >= self.z_held;
        // What looks like an improvement is measured on until it is one or no longer looks like it.
        let promising = -self.loss >= self.band && -self.z >= INTERVAL;
        match (held, last) {
            (true, true) => (Verdict::Held, None),
            (true, false) if !promising => (Verdict::Held, None),
            (_, false) => (Verdict::Continue, None),
            (false, true) => (Verdict::Inconclusive, Some(self.undecided(worse_by.len()))),
        }
    }

    fn undecided(&self, starts: usize) -> String {
        let limit = self.band.exp_m1() * 100.0;
        format!(
            "the limit of {starts} starts is reached, and a loss of more than {limit:.1} % is neither shown nor ruled out; \
             the starts scatter more than the baseline's"
        )
    }
}

/// Whether all starts but one in [`DISSENT`] lie on the side of the change, by half the band at
/// least. A mode that one start in twenty falls into makes a few starts bad, and a change of the
/// software all.
fn agree(worse_by: &[f64], sign: f64, band: f64) -> bool {
    let dissenters = worse_by.iter().filter(|worse| sign * **worse < AGREEMENT * band).count();
    dissenters <= worse_by.len() / DISSENT
}

/// Says that a baseline of `starts` engine starts is too small where `fewest` are needed.
pub fn too_few_starts(starts: usize, fewest: usize) -> String {
    let plural = if starts == 1 { "" } else { "s" };
    format!(
        "the baseline has {starts} engine start{plural}; at least {fewest} are needed to report a change"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prior::Prior;

    const BASE: [f64; 10] = [100.2, 99.9, 100.1, 99.7, 99.8, 100.3, 100.0, 100.1, 99.9, 100.0];

    fn baseline(values: &[f64]) -> Series {
        let sessions: Vec<Vec<Vec<f64>>> = values
            .chunks(2)
            .map(|session| session.iter().map(|value| vec![*value]).collect())
            .collect();
        Series::new(Direction::LowerIsBetter, &sessions).unwrap()
    }

    fn verdict_on(base: &[f64], candidate: &[f64]) -> Judgement {
        let guard = Guard::new(Direction::LowerIsBetter, 0.025, Prior::default()).unwrap();
        let boundaries = Boundaries::of(&Design::default(), base.len()).unwrap();
        let candidate = Series::of_one_session(Direction::LowerIsBetter, candidate).unwrap();
        judge(&boundaries, &guard, &baseline(base), &candidate)
    }

    #[test]
    fn what_is_clearly_the_same_holds_after_one_start() {
        assert_eq!(verdict_on(&BASE, &[100.3]).verdict, Verdict::Held);
    }

    #[test]
    fn a_loss_is_no_regression_before_three_starts_and_one_from_then_on() {
        for starts in 1..=2 {
            assert_eq!(
                verdict_on(&BASE, &vec![107.0; starts]).verdict,
                Verdict::Continue,
                "{starts}"
            );
        }
        let judgement = verdict_on(&BASE, &[107.0, 106.5, 107.4]);
        assert_eq!(judgement.verdict, Verdict::Regressed);
        assert!(
            (judgement.change - 0.07).abs() < 0.005 && judgement.change_low > 0.05,
            "{judgement:?}"
        );
    }

    #[test]
    fn a_gain_is_measured_until_it_is_an_improvement() {
        assert_eq!(verdict_on(&BASE, &[93.0]).verdict, Verdict::Continue);
        assert_eq!(verdict_on(&BASE, &[93.0, 93.2, 92.9]).verdict, Verdict::Improved);
    }

    #[test]
    fn a_loss_that_the_slack_allows_holds_and_is_named() {
        let judgement = verdict_on(&BASE, &[101.7, 101.6, 101.8, 101.7, 101.9, 101.6, 101.7]);
        assert_eq!(judgement.verdict, Verdict::Held);
        assert!(judgement.held_but_worse);
    }

    #[test]
    fn a_slow_mode_of_some_starts_is_not_a_regression() {
        assert_eq!(verdict_on(&BASE, &[108.0, 108.2, 100.0]).verdict, Verdict::Continue);
    }

    #[test]
    fn a_baseline_of_two_starts_is_no_evidence() {
        let judgement = verdict_on(&[100.0, 101.0], &[150.0, 151.0, 150.5]);
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        let reason = judgement.reason.unwrap();
        assert_eq!(
            reason,
            "the baseline has 2 engine starts; at least 3 are needed to report a change; refresh it with more starts"
        );
    }

    #[test]
    fn a_candidate_that_scatters_far_more_than_its_baseline_is_inconclusive_in_the_end() {
        let judgement = verdict_on(&BASE, &[100.0, 125.0, 101.0, 120.0, 103.0, 118.0, 99.0, 107.0]);
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
        assert!(judgement.reason.is_some());
    }

    #[test]
    fn a_throughput_is_judged_as_the_latency_that_is_its_inverse() {
        let guard = |direction| Guard::new(direction, 0.025, Prior::default()).unwrap();
        let boundaries = Boundaries::of(&Design::default(), 10).unwrap();
        let flip = |values: &[f64]| values.iter().map(|value| 1.0 / value).collect::<Vec<f64>>();
        let side = |values: &[f64], direction| Series::of_one_session(direction, values).unwrap();
        let (low, high) = (Direction::LowerIsBetter, Direction::HigherIsBetter);
        let now = [103.0, 104.0, 103.5];
        let latency = judge(&boundaries, &guard(low), &side(&BASE, low), &side(&now, low));
        let throughput =
            judge(&boundaries, &guard(high), &side(&flip(&BASE), high), &side(&flip(&now), high));
        assert!((latency.loss - throughput.loss).abs() < 1e-12);
        assert!(throughput.change < 0.0 && throughput.change_low < throughput.change);
    }

    proptest! {
        // Each case computes boundaries of its own.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_baseline_compared_with_its_own_starts_never_changed(
            values in prop::collection::vec(90.0..110.0_f64, 3..12),
        ) {
            let verdict = verdict_on(&values, &values).verdict;
            prop_assert!(!matches!(verdict, Verdict::Regressed | Verdict::Improved), "{verdict:?}");
        }

        #[test]
        fn for_any_measurement_the_numbers_are_finite_and_the_interval_holds_the_change(
            base in prop::collection::vec(1.0..1e4_f64, 3..12), now in prop::collection::vec(1.0..1e4_f64, 1..9),
        ) {
            let judgement = verdict_on(&base, &now);
            prop_assert!([judgement.z, judgement.z_below, judgement.error].iter().all(|number| number.is_finite()));
            prop_assert!(judgement.change_low <= judgement.change && judgement.change <= judgement.change_high);
            prop_assert!(now.len() < 8 || judgement.verdict.is_settled());
            prop_assert!(now.len() >= 3 || judgement.verdict != Verdict::Regressed);
        }

        #[test]
        fn a_larger_scale_changes_no_verdict(
            base in prop::collection::vec(90.0..110.0_f64, 3..8), now in prop::collection::vec(90.0..110.0_f64, 1..8),
        ) {
            let scaled = |values: &[f64]| values.iter().map(|value| value * 1e3).collect::<Vec<f64>>();
            let (small, large) = (verdict_on(&base, &now), verdict_on(&scaled(&base), &scaled(&now)));
            prop_assert!((small.z - large.z).abs() < 1e-6);
        }
    }
}
