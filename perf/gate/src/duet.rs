//! Both sides measured alternately in one session: [`DuetPlan::confirm`] a verdict, or
//! [`compare_pairs`] with no baseline.
//!
//! A baseline was measured on other days. Drift since then looks like a change and does not show in
//! the scatter of today's starts. The only way to tell drift from a change is to measure the old
//! image again, in turn with the new one.

use crate::boundaries::Boundaries;
use crate::design::{Design, DesignError};
use crate::distributions::{t_of_z, z_of_t};
use crate::guard::Guard;
use crate::judge::{Judgement, Verdict, interval};
use crate::pairs::Pairs;

/// The most degrees of freedom that earlier knowledge of the noise counts for, so that the pairs
/// weigh enough.
const KNOWN: f64 = 20.0;

/// Runs of each load in a start of a duet, on which the error rates of [`DuetPlan`] were found: few
/// loads share such a start, and it is the start that costs.
pub const DUET_RUNS: u32 = 3;

/// How often chance alone may confirm a regression that the comparison with the baseline showed.
const CONFIRM: f64 = 0.08;

/// How often chance alone may decide for a regression where nothing was shown yet.
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
    /// The same as a difference of costs.
    band_cost: f64,
}

/// How verdicts against a baseline are confirmed: bounds that were computed once.
#[derive(Clone, Debug, PartialEq)]
pub struct DuetPlan {
    confirm: Boundaries,
    decide: Boundaries,
}

impl DuetPlan {
    /// With at most `max_pairs` pairs; four are usual, and two are the minimum.
    pub fn new(max_pairs: usize) -> Result<Self, DesignError> {
        let design = |false_alarms| Design {
            guards: 1,
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

    /// Judges a verdict again on the pairs so far. [`Verdict::Regressed`] confirms it,
    /// [`Verdict::Held`] overturns it, with [`Verdict::Continue`] another pair is wanted; the last
    /// pair always decides.
    ///
    /// What was regressed is confirmed by half the band, because it was shown once;
    /// what was inconclusive, or anything else, must reach the whole of it, against a sharper
    /// bound.
    pub fn confirm(&self, guard: &Guard, judged: &Judgement, pairs: &Pairs) -> Duet {
        let shown = judged.verdict == Verdict::Regressed;
        let (bounds, share) = if shown { (&self.confirm, 0.5) } else { (&self.decide, 1.0) };
        let band = judged.resolution.band_cost;
        let mut duet = measure(
            bounds,
            guard,
            pairs,
            &|runs| judged.noise.within_session(runs),
            judged.noise.df.min(KNOWN),
            band,
        );
        let enough = duet.z_change.is_some();
        let confirmed =
            duet.z_change.is_some_and(|bound| duet.z >= bound) && duet.loss >= share * band;
        let overturned =
            (enough && duet.z_below >= duet.z_held) || pairs.count() >= bounds.design().max_starts;
        (duet.verdict, duet.reason) = match (confirmed, overturned) {
            (true, _) => (Verdict::Regressed, None),
            (false, true) => (Verdict::Held, Some(overturn(shown).to_owned())),
            (false, false) => (Verdict::Continue, None),
        };
        duet
    }
}

fn overturn(shown: bool) -> &'static str {
    if shown {
        "measured side by side, the difference does not show: the machine drifted since the baseline was taken"
    } else {
        "measured side by side, no loss beyond the band shows"
    }
}

/// Compares two sides by pairs alone, without any baseline. `boundaries` are
/// [`Boundaries::of_pairs`].
///
/// Both directions are treated alike: exchanging the sides exchanges regressed and improved and
/// nothing else.
///
/// How much the pairs scatter is not known beforehand, so the band can only be widened at the end:
/// the last pair is judged by what that many pairs can tell apart, as
/// [`Resolution`](crate::Resolution) has it, where the slack is less.
pub fn compare_pairs(boundaries: &Boundaries, guard: &Guard, pairs: &Pairs) -> Duet {
    let prior = guard.prior();
    let (known, slack) = (|_| prior.start_sd.powi(2), guard.slack_cost());
    let mut duet = measure(boundaries, guard, pairs, &known, prior.start_df, slack);
    let last = pairs.count() >= boundaries.design().max_starts;
    if let Some(bound) = duet.z_change.filter(|_| last) {
        let resolved =
            f64::midpoint(t_of_z(bound, duet.df), t_of_z(duet.z_held, duet.df)) * duet.error;
        if resolved > slack {
            duet = measure(boundaries, guard, pairs, &known, prior.start_df, resolved);
        }
    }
    let band = duet.band_cost;
    let above = z_of_t((2.0 * band + duet.loss) / duet.error, duet.df);
    let changed =
        duet.loss.abs() >= band && duet.z_change.is_some_and(|bound| duet.z.abs() >= bound);
    let held = duet.z_below.min(above) >= duet.z_held;
    (duet.verdict, duet.reason) = match (changed, held, last) {
        (true, ..) if duet.loss > 0.0 => (Verdict::Regressed, None),
        (true, ..) => (Verdict::Improved, None),
        (false, true, _) => (Verdict::Held, None),
        (false, false, false) => (Verdict::Continue, None),
        (false, false, true) => (Verdict::Inconclusive, Some(undecided(pairs.count(), duet.band))),
    };
    duet
}

fn undecided(pairs: usize, slack: f64) -> String {
    let percent = 100.0 * slack;
    format!(
        "the limit of {pairs} pairs is reached, and a change of more than {percent:.1} % is neither shown nor ruled out; \
         allow more pairs, or a larger slack"
    )
}

fn measure(
    bounds: &Boundaries,
    guard: &Guard,
    pairs: &Pairs,
    known: &dyn Fn(usize) -> f64,
    known_df: f64,
    band: f64,
) -> Duet {
    let (loss, error, df) = pairs.estimate(known, known_df);
    let direction = guard.direction();
    let [low, high] = interval(direction, loss, error, df);
    Duet {
        verdict: Verdict::Continue,
        reason: None,
        change: direction.relative(loss),
        change_low: low,
        change_high: high,
        pairs: pairs.count(),
        loss,
        error,
        df,
        z: z_of_t(loss / error, df),
        z_change: bounds.change(pairs.count()),
        z_below: z_of_t((2.0 * band - loss) / error, df),
        z_held: bounds.held(pairs.count()),
        band: direction.relative_loss(band),
        detects: direction.relative_loss(2.0 * band),
        band_cost: band,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::direction::Direction;
    use crate::judge::Plan;
    use crate::prior::Prior;
    use crate::series::Series;

    fn guard() -> Guard {
        Guard::new(Direction::LowerIsBetter, 0.025, Prior::default()).unwrap()
    }

    fn pairs(base: &[f64], candidate: &[f64]) -> Pairs {
        let runs: Vec<_> =
            base.iter().zip(candidate).map(|(one, other)| (vec![*one], vec![*other])).collect();
        Pairs::new(Direction::LowerIsBetter, &runs).unwrap()
    }

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
        let plan = DuetPlan::new(4).unwrap();
        let again = |base: &[f64], candidate: &[f64]| {
            plan.confirm(&guard(), &regressed(), &pairs(base, candidate))
        };
        assert_eq!(again(&[100.0], &[107.0]).verdict, Verdict::Continue);
        assert_eq!(again(&[100.0, 100.5], &[107.0, 106.8]).verdict, Verdict::Regressed);
        let drift = again(&[107.0, 106.8], &[107.2, 106.9]);
        assert_eq!(drift.verdict, Verdict::Held);
        assert!(drift.reason.unwrap().contains("the machine drifted"));
    }

    #[test]
    fn the_last_pair_decides() {
        let plan = DuetPlan::new(4).unwrap();
        let duet = plan.confirm(
            &guard(),
            &regressed(),
            &pairs(&[100.0, 109.0, 95.0, 103.0], &[104.0, 101.0, 107.0, 99.0]),
        );
        assert!(matches!(duet.verdict, Verdict::Held | Verdict::Regressed));
    }

    #[test]
    fn two_images_are_compared_without_a_baseline() {
        let design = Design { guards: 1, max_starts: 12, ..Design::default() };
        let bounds = Boundaries::of_pairs(&design).unwrap();
        let said = |base: &[f64], candidate: &[f64]| {
            compare_pairs(&bounds, &guard(), &pairs(base, candidate)).verdict
        };
        let base = [100.0, 100.4, 99.8, 100.1];
        assert_eq!(said(&base, &[106.0, 106.3, 105.9, 106.1]), Verdict::Regressed);
        assert_eq!(said(&base, &[94.0, 94.2, 93.9, 94.1]), Verdict::Improved);
        assert_eq!(said(&base, &[100.1, 100.3, 99.9, 100.2]), Verdict::Held);
        assert_eq!(said(&base[..1], &[107.0]), Verdict::Continue);
    }

    proptest! {
        #[test]
        fn the_last_pair_always_decides_by_a_band_that_is_never_less_than_the_slack(
            values in prop::collection::vec((50.0..200.0_f64, 50.0..200.0_f64), 5),
        ) {
            let bounds = Boundaries::of_pairs(&Design { max_starts: 5, ..Design::default() }).unwrap();
            let (one, other): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let said = compare_pairs(&bounds, &guard(), &pairs(&one, &other));
            prop_assert!(!matches!(said.verdict, Verdict::Continue | Verdict::Inconclusive), "{:?}", said);
            prop_assert!(said.band >= 0.025 - 1e-12);
        }

        #[test]
        fn exchanging_the_sides_exchanges_the_verdicts(
            values in prop::collection::vec((90.0..110.0_f64, 90.0..110.0_f64), 1..12),
        ) {
            let design = Design { guards: 1, max_starts: 12, ..Design::default() };
            let bounds = Boundaries::of_pairs(&design).unwrap();
            let (one, other): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let there = compare_pairs(&bounds, &guard(), &pairs(&one, &other)).verdict;
            let back = compare_pairs(&bounds, &guard(), &pairs(&other, &one)).verdict;
            let mirrored = match there {
                Verdict::Regressed => Verdict::Improved,
                Verdict::Improved => Verdict::Regressed,
                same => same,
            };
            prop_assert_eq!(back, mirrored);
        }
    }
}
