//! Two sides by alternating pairs alone, without a baseline: [`compare_pairs`].

use crate::boundaries::Boundaries;
use crate::distributions::{t_of_z, z_of_t};
use crate::duet::{Duet, measure};
use crate::guard::Guard;
use crate::judge::{Verdict, agree};
use crate::pairs::Pairs;

/// The pairs of a comparison, at most, where nothing else is asked for.
pub const COMPARISON_PAIRS: usize = 12;

/// The most pairs that are looked at when it is worked out how many would do.
const MOST_PAIRS: usize = 64;

/// Before the last pair nothing holds where a start is farther from the middle of its side than this
/// many usual standard deviations, and half the slack: few pairs may agree by luck.
const USUAL_REACH: f64 = 3.0;

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
        (false, true, true) if duet.is_blind => {
            (Verdict::Inconclusive, Some(cannot_see(&duet, guard, pairs, scatter)))
        }
        (false, true, _) if !duet.is_blind => (Verdict::Held, None),
        (false, _, false) => (Verdict::Continue, None),
        (false, _, true) => (Verdict::Inconclusive, Some(undecided(pairs.count(), duet.band))),
    };
    duet
}

fn cannot_see(duet: &Duet, guard: &Guard, pairs: &Pairs, scatter: f64) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let way_on = match enough_pairs(duet, guard, pairs) {
        Some(needed) => format!("about {needed} pairs would do, or set a larger slack or max_band"),
        None => format!(
            "no number of pairs up to {MOST_PAIRS} would do; set a larger slack or max_band, or run on a quieter machine"
        ),
    };
    format!(
        "with these {} pairs a change under {} cannot be seen, and at most {} may stay unseen; {way_on}",
        pairs.count(),
        percent(duet.band.max(scatter.exp_m1())),
        percent(guard.max_band())
    )
}

/// How many pairs that scatter like these would see enough. The bounds of so many are taken to be
/// those of these: they differ little.
fn enough_pairs(duet: &Duet, guard: &Guard, pairs: &Pairs) -> Option<usize> {
    let most = guard.direction().loss(guard.max_band());
    let (bound, count) = (duet.z_change?, pairs.count());
    let prior = guard.prior();
    (count + 1..=MOST_PAIRS).find(|more| {
        let error = duet.error * (count as f64 / *more as f64).sqrt();
        let df = duet.df + (more - count) as f64;
        let band = f64::midpoint(t_of_z(bound, df), t_of_z(duet.z_held, df)) * error;
        let scatter = pairs.most_scatter_of(*more, prior.start_sd.powi(2), prior.start_df);
        band <= most && scatter <= most
    })
}

fn undecided(pairs: usize, slack: f64) -> String {
    let percent = 100.0 * slack;
    format!(
        "the limit of {pairs} pairs is reached, and a change of more than {percent:.1} % is neither shown nor ruled out; \
         allow more pairs, or a larger slack"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::design::Design;
    use crate::direction::Direction;
    use crate::fixtures::{guard, pairs};
    use crate::prior::Prior;

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
    fn pairs_that_are_too_few_for_their_scatter_say_how_many_would_do() {
        let scattered = |percent: f64, count: usize| {
            let at = |sign: f64| 100.0 * (1.0 + sign * percent / 100.0);
            let (base, candidate): (Vec<f64>, Vec<f64>) = [(1.0, -1.0), (-1.0, 1.0)]
                .iter()
                .cycle()
                .take(count)
                .map(|(one, other)| (at(*one), at(*other)))
                .unzip();
            let design = Design { guards: 40, max_starts: count, ..Design::default() };
            let bounds = Boundaries::of_comparison(&design).unwrap();
            compare_pairs(&bounds, &guard(), &pairs(&base, &candidate))
        };
        let few = scattered(2.0, 8);
        assert_eq!(few.verdict, Verdict::Inconclusive, "{few:?}");
        let reason = few.reason.unwrap();
        let needed: usize = reason
            .split_once("about ")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{reason}"));
        assert!((9..=24).contains(&needed), "{reason}");
        // With so many, it holds.
        assert_eq!(scattered(2.0, needed + needed % 2).verdict, Verdict::Held, "{reason}");
        // Where single starts scatter by more than may stay unseen, no pairs help.
        let wild = scattered(8.0, 8).reason.unwrap();
        assert!(wild.contains("no number of pairs up to 64 would do"), "{wild}");
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
        fn what_could_not_have_been_seen_never_holds(
            values in prop::collection::vec((97.5..102.5_f64, 97.5..102.5_f64), 8..12),
        ) {
            let design = Design { guards: 1, max_starts: 12, ..Design::default() };
            let bounds = Boundaries::of_comparison(&design).unwrap();
            let strict = guard().with_max_band(guard().slack()).unwrap();
            let (one, other): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let said = compare_pairs(&bounds, &strict, &pairs(&one, &other));
            prop_assert!(said.verdict != Verdict::Held || !said.is_blind, "{:?}", said);
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
