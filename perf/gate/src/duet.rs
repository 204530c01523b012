//! Both sides measured alternately in one session, to [confirm](DuetPlan::confirm) a verdict against
//! a baseline.
//!
//! A baseline was measured on other days. Drift since then looks like a change and does not show in
//! the scatter of today's starts. The only way to tell drift from a change is to measure the old
//! image again, in turn with the new one.

use crate::boundaries::Boundaries;
use crate::design::{Design, DesignError};
use crate::distributions::z_of_t;
use crate::guard::Guard;
use crate::judge::{Judgement, Verdict, interval};
use crate::pairs::Pairs;

/// The most degrees of freedom that earlier knowledge of the noise counts for, so that the pairs
/// weigh enough.
const KNOWN: f64 = 20.0;

/// Runs of each load in a start of a duet or of a comparison, on which their error rates were found.
/// It is the start that costs, and one run in it may be far off.
pub const DUET_RUNS: u32 = 3;

/// How often chance alone may confirm any of the changes that the comparison with the baseline
/// showed: all that are confirmed in the same run share it. In a slow hour every guard is one.
const CONFIRM: f64 = 0.05;

/// How often chance alone may decide for a regression where nothing was shown yet; shared as well.
const DECIDE: f64 = 0.01;

/// How often a loss of twice the band may be overturned before the last pair.
const OVERTURN: f64 = 0.02;

/// The verdict on alternating pairs, and every number that it was reached from.
#[derive(Clone, Debug, PartialEq)]
pub struct Duet {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the numbers alone do not say it.
    pub reason: Option<String>,
    /// The change of the candidate relative to the base.
    pub change: f64,
    /// The 95 % confidence interval of the change: its lower end.
    pub change_low: f64,
    /// Its upper end.
    pub change_high: f64,
    /// How many pairs.
    pub pairs: usize,
    /// The change on the gate's scale: difference of natural logarithms, + = worse.
    pub loss: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom of the standard error.
    pub df: f64,
    /// How many z the candidate is worse.
    pub z: f64,
    /// What `z` (or, for an improvement, `−z`) must reach now; `None` before there are enough
    /// pairs.
    pub z_change: Option<f64>,
    /// How many z the loss lies below twice the slack.
    pub z_below: f64,
    /// What `z_below` must reach to rule such a loss out now.
    pub z_held: f64,
    /// The slack that it is judged by, relative to the base: the guard's, or more if the noise
    /// does not allow that much.
    pub band: f64,
    /// The loss, relative to the base, that is detected in 95 of 100 cases: twice the band.
    pub detects: f64,
    /// Whether the band is wider than the guard's `max_band`.
    pub is_blind: bool,
    /// The band as a difference of costs.
    pub(crate) band_cost: f64,
}

impl Duet {
    /// Whether the pairs so far agree with a verdict against a baseline, however uncertain they are:
    /// they differ in its direction by the band or more.
    pub fn agrees_with(&self, verdict: Verdict) -> bool {
        let sign = if verdict == Verdict::Improved { -1.0 } else { 1.0 };
        sign * self.loss >= self.band_cost
    }
}

/// How verdicts against a baseline are confirmed: bounds that were computed once.
#[derive(Clone, Debug, PartialEq)]
pub struct DuetPlan {
    confirm: Boundaries,
    decide: Boundaries,
}

impl DuetPlan {
    /// With at most `max_pairs` pairs (four are usual, and two are the minimum) for all `suspects`
    /// of a run: the guards that a duet is to confirm.
    pub fn new(max_pairs: usize, suspects: usize) -> Result<Self, DesignError> {
        let design = |false_alarms| Design {
            guards: suspects.max(1),
            max_starts: max_pairs,
            min_starts: 2,
            runs: 1,
            false_alarms,
            misses: OVERTURN,
        };
        Ok(Self {
            confirm: Boundaries::of_pairs(&design(CONFIRM))?,
            decide: Boundaries::of_pairs(&design(DECIDE))?,
        })
    }

    /// Judges a verdict again on the pairs so far. [`Verdict::Regressed`] or [`Verdict::Improved`]
    /// confirms it, [`Verdict::Held`] overturns it, with [`Verdict::Continue`] another pair is
    /// wanted. The last pair decides, except that what was undecided before stays
    /// [`Verdict::Inconclusive`] if a loss of twice the band is neither shown nor ruled out.
    ///
    /// What was regressed or improved is confirmed by half the band, because it was shown once;
    /// what was inconclusive must reach the whole of it, against a sharper bound.
    pub fn confirm(&self, guard: &Guard, judged: &Judgement, pairs: &Pairs) -> Duet {
        let shown = matches!(judged.verdict, Verdict::Regressed | Verdict::Improved);
        let sign = if judged.verdict == Verdict::Improved { -1.0 } else { 1.0 };
        let (bounds, share) = if shown { (&self.confirm, 0.5) } else { (&self.decide, 1.0) };
        let band = judged.resolution.band_cost;
        let known = |runs| judged.noise.within_session(runs);
        let estimate = pairs.estimate(&known, judged.noise.df.min(KNOWN));
        let mut duet = measure(bounds, guard, pairs.count(), estimate, band);
        let enough = duet.z_change.is_some();
        let confirmed = duet.z_change.is_some_and(|bound| sign * duet.z >= bound)
            && sign * duet.loss >= share * band;
        let below = z_of_t((2.0 * band - sign * duet.loss) / duet.error, duet.df);
        let ruled_out = enough && below >= duet.z_held;
        let last = pairs.count() >= bounds.design().max_starts;
        (duet.verdict, duet.reason) = match (confirmed, ruled_out, last) {
            (true, ..) if sign < 0.0 => (Verdict::Improved, None),
            (true, ..) => (Verdict::Regressed, None),
            (false, true, _) => (Verdict::Held, Some(overturn(shown).to_owned())),
            (false, false, true) if shown => (Verdict::Held, Some(overturn(shown).to_owned())),
            (false, false, true) => {
                let why = "neither shown nor ruled out side by side";
                (Verdict::Inconclusive, Some(why.to_owned()))
            }
            (false, false, false) => (Verdict::Continue, None),
        };
        duet
    }
}

fn overturn(shown: bool) -> &'static str {
    if shown {
        "measured side by side, the difference does not show"
    } else {
        "measured side by side, no loss beyond the band shows"
    }
}

/// Every number of a verdict on pairs, judged by this band. The verdict is still open.
pub(crate) fn measure(
    bounds: &Boundaries,
    guard: &Guard,
    pairs: usize,
    (loss, error, df): (f64, f64, f64),
    band: f64,
) -> Duet {
    let direction = guard.direction();
    let [low, high] = interval(direction, loss, error, df);
    Duet {
        verdict: Verdict::Continue,
        reason: None,
        change: direction.relative(loss),
        change_low: low,
        change_high: high,
        pairs,
        loss,
        error,
        df,
        z: z_of_t(loss / error, df),
        z_change: bounds.change(pairs),
        z_below: z_of_t((2.0 * band - loss) / error, df),
        z_held: bounds.held(pairs),
        band: direction.relative_loss(band),
        detects: direction.relative_loss(2.0 * band),
        is_blind: false,
        band_cost: band,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::fixtures::{guard, pairs};
    use crate::judge::Plan;
    use crate::series::Series;

    fn regressed() -> Judgement {
        let base = [100.2, 99.9, 100.1, 99.7, 99.8, 100.3, 100.0, 100.1, 99.9, 100.0];
        let side =
            |values: &[f64]| Series::of_one_session(Direction::LowerIsBetter, values).unwrap();
        let boundaries = Boundaries::of(&Design::default(), base.len()).unwrap();
        let judged =
            Plan::new(&boundaries, &guard(), &side(&base)).judge(&side(&[107.0, 106.5, 107.4]));
        assert_eq!(judged.verdict, Verdict::Regressed);
        judged
    }

    #[test]
    fn a_regression_that_shows_side_by_side_is_confirmed_and_a_drift_overturned() {
        let plan = DuetPlan::new(4, 1).unwrap();
        let again = |base: &[f64], candidate: &[f64]| {
            plan.confirm(&guard(), &regressed(), &pairs(base, candidate))
        };
        assert_eq!(again(&[100.0], &[107.0]).verdict, Verdict::Continue);
        assert_eq!(again(&[100.0, 100.5], &[107.0, 106.8]).verdict, Verdict::Regressed);
        let drift = again(&[107.0, 106.8], &[107.2, 106.9]);
        assert_eq!(drift.verdict, Verdict::Held);
        assert!(drift.reason.unwrap().contains("the difference does not show"));
    }

    #[test]
    fn the_last_pair_decides() {
        let plan = DuetPlan::new(4, 1).unwrap();
        let duet = plan.confirm(
            &guard(),
            &regressed(),
            &pairs(&[100.0, 109.0, 95.0, 103.0], &[104.0, 101.0, 107.0, 99.0]),
        );
        assert!(matches!(duet.verdict, Verdict::Held | Verdict::Regressed));
    }

    #[test]
    fn the_error_rate_of_a_duet_is_shared_by_all_that_it_confirms() {
        let bounds = |suspects| DuetPlan::new(4, suspects).unwrap().confirm.change(4).unwrap();
        assert!(bounds(40) > bounds(1) + 1.0);
    }

    #[test]
    fn an_improvement_is_confirmed_side_by_side_as_a_regression_is() {
        let judged = Judgement { verdict: Verdict::Improved, ..regressed() };
        let plan = DuetPlan::new(4, 1).unwrap();
        let again = |base: &[f64], candidate: &[f64]| {
            plan.confirm(&guard(), &judged, &pairs(base, candidate)).verdict
        };
        assert_eq!(again(&[100.0, 100.5], &[93.0, 93.2]), Verdict::Improved);
        assert_eq!(again(&[93.0, 93.2], &[93.1, 93.1]), Verdict::Held);
        assert_ne!(again(&[93.0, 93.2], &[100.0, 100.1]), Verdict::Regressed);
    }
}
