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
use crate::judge::{Judgement, Verdict, agree, interval};
use crate::pairs::Pairs;

/// The most degrees of freedom that earlier knowledge of the noise counts for, so that the pairs
/// weigh enough.
const KNOWN: f64 = 20.0;

/// Runs of each load in a start of a duet, on which the error rates of [`DuetPlan`] were found: few
/// loads share such a start, and it is the start that costs.
pub const DUET_RUNS: u32 = 3;

/// How often chance alone may confirm any of the changes that the comparison with the baseline
/// showed: all that are confirmed in the same run share it. In a slow hour every guard is one.
const CONFIRM: f64 = 0.05;

/// How often chance alone may decide for a regression where nothing was shown yet; shared as well.
const DECIDE: f64 = 0.01;

/// How often a loss of twice the band may be overturned before the last pair.
const OVERTURN: f64 = 0.02;

/// Before the last pair nothing holds where a start is farther from the middle of its side than this
/// many usual standard deviations, and half the slack: few pairs may agree by luck.
const USUAL_REACH: f64 = 3.0;

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
    band_cost: f64,
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

/// Compares two sides by pairs alone, without any baseline. `boundaries` are
/// [`Boundaries::of_comparison`].
///
/// Both directions are treated alike: exchanging the sides exchanges regressed and improved and
/// nothing else.
///
/// How much the pairs scatter is not known beforehand, so the band can only be widened at the end:
/// the last pair is judged by what that many pairs can tell apart, as
/// [`Resolution`](crate::Resolution) has it, where the slack is less.
pub fn compare_pairs(boundaries: &Boundaries, guard: &Guard, pairs: &Pairs) -> Duet {
    let prior = guard.prior();
    let slack = guard.slack_cost();
    let estimate = pairs.guessed(prior.start_sd.powi(2), prior.start_df);
    let mut duet = measure(boundaries, guard, pairs.count(), estimate, slack);
    let last = pairs.count() >= boundaries.design().max_starts;
    if let Some(bound) = duet.z_change.filter(|_| last) {
        let resolved =
            f64::midpoint(t_of_z(bound, duet.df), t_of_z(duet.z_held, duet.df)) * duet.error;
        if resolved > slack {
            duet = measure(boundaries, guard, pairs.count(), estimate, resolved);
        }
    }
    let band = duet.band_cost;
    let above = z_of_t((2.0 * band + duet.loss) / duet.error, duet.df);
    let changed = duet.loss.abs() >= band
        && duet.z_change.is_some_and(|bound| duet.z.abs() >= bound)
        && agree(pairs.differences(), duet.loss.signum(), band);
    // One pair or two say nothing of how much pairs scatter.
    let held = duet.z_change.is_some()
        && duet.z_below.min(above) >= duet.z_held
        && duet.loss.abs() <= band
        && (last || pairs.farthest() <= (slack / 2.0).max(USUAL_REACH * prior.start_sd));
    let most = guard.direction().loss(guard.max_band());
    let scatter = pairs.most_scatter(prior.start_sd.powi(2), prior.start_df);
    duet.is_blind = duet.band > guard.max_band() * (1.0 + 1e-9) || scatter > most;
    (duet.verdict, duet.reason) = match (changed, held, last) {
        (true, ..) if duet.loss > 0.0 => (Verdict::Regressed, None),
        (true, ..) => (Verdict::Improved, None),
        (false, true, true) if duet.is_blind => (
            Verdict::Inconclusive,
            Some(cannot_see(pairs.count(), guard, duet.band.max(scatter.exp_m1()))),
        ),
        (false, true, _) if !duet.is_blind => (Verdict::Held, None),
        (false, _, false) => (Verdict::Continue, None),
        (false, _, true) => (Verdict::Inconclusive, Some(undecided(pairs.count(), duet.band))),
    };
    duet
}

fn cannot_see(pairs: usize, guard: &Guard, band: f64) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    format!(
        "with these {pairs} pairs a change under {} cannot be seen, and at most {} may stay unseen; allow more pairs, or \
         set a larger slack or max_band",
        percent(band),
        percent(guard.max_band())
    )
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
    fn two_images_are_compared_without_a_baseline() {
        let design = Design { guards: 1, max_starts: 12, ..Design::default() };
        let bounds = Boundaries::of_comparison(&design).unwrap();
        let said = |base: &[f64], candidate: &[f64]| {
            compare_pairs(&bounds, &guard(), &pairs(base, candidate)).verdict
        };
        let base = [100.0, 100.4, 99.8, 100.1];
        assert_eq!(said(&base, &[106.0, 106.3, 105.9, 106.1]), Verdict::Regressed);
        assert_eq!(said(&base, &[94.0, 94.2, 93.9, 94.1]), Verdict::Improved);
        assert_eq!(said(&base, &[100.1, 100.3, 99.9, 100.2]), Verdict::Held);
        assert_eq!(said(&base[..1], &[107.0]), Verdict::Continue);
        // One pair that is alike by chance does not hold.
        assert_eq!(said(&base[..1], &[100.1]), Verdict::Continue);
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

    #[test]
    fn pairs_that_scatter_by_a_factor_of_two_never_hold_a_slack_of_ten_percent() {
        use rand::{RngExt, SeedableRng};
        let mut draws = rand::rngs::ChaCha8Rng::seed_from_u64(7);
        let design = Design { guards: 3, ..Design::default() };
        let bounds = Boundaries::of_comparison(&design).unwrap();
        let guard = Guard::new(Direction::LowerIsBetter, 0.1, Prior::default()).unwrap();
        let mut held = 0;
        for _ in 0..1_000 {
            let (one, other): (Vec<f64>, Vec<f64>) = (0..8)
                .map(|_| (draws.random_range(1.0..2.0), draws.random_range(1.0..2.0)))
                .unzip();
            let said = (1..=8)
                .map(|count| compare_pairs(&bounds, &guard, &pairs(&one[..count], &other[..count])))
                .find(|said| said.verdict.is_settled())
                .unwrap();
            held += u32::from(said.verdict == Verdict::Held);
        }
        assert!(held <= 8, "{held} of 1,000");
    }

    proptest! {
        #[test]
        fn the_last_pair_always_decides_by_a_band_that_is_never_less_than_the_slack(
            values in prop::collection::vec((50.0..200.0_f64, 50.0..200.0_f64), 5),
        ) {
            let bounds = Boundaries::of_comparison(&Design { max_starts: 5, ..Design::default() }).unwrap();
            let (one, other): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let said = compare_pairs(&bounds, &guard(), &pairs(&one, &other));
            let decides = said.verdict != Verdict::Continue && (said.is_blind || said.verdict != Verdict::Inconclusive);
            prop_assert!(decides, "{:?}", said);
            prop_assert!(said.band >= 0.025 - 1e-12);
        }

        #[test]
        fn exchanging_the_sides_exchanges_the_verdicts(
            values in prop::collection::vec((90.0..110.0_f64, 90.0..110.0_f64), 1..12),
        ) {
            let design = Design { guards: 1, max_starts: 12, ..Design::default() };
            let bounds = Boundaries::of_comparison(&design).unwrap();
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
