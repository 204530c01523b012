//! Where the level of a history changed: [`change_points`].
//!
//! E-divisive of Matteson and James (2014): the history is cut where the energy distance between what
//! lies before and behind is the largest, and each piece again. A cut counts if a t-test tells its two
//! sides apart, as in Hunter (Fleming and others, 2023; now Apache Otava), in place of permutations of the
//! values: a history is short, and the answer must be the same each time. As there, cuts are found with
//! a bound ten times as loose in windows that overlap by half, and then the weakest is removed and its
//! neighbours are tested again, until all that are left are significant. Other than there, a cut is found
//! by the values that its distance was taken of, not by all up to the next cut, so that a level that came
//! and went is found too.
//!
//! - D. Matteson, N. James: A nonparametric approach for multiple change point analysis of multivariate
//!   data. Journal of the American Statistical Association 109, 2014 (arXiv 1306.4933).
//! - M. Fleming and others: Hunter: using change point detection to hunt for performance regressions.
//!   ICPE 2023 (doi 10.1145/3578244.3583719).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The largest p-value of a change point, as Hunter has it.
pub const MOST_P: f64 = 0.001;

/// How much looser the bound is where cuts are looked for.
const LOOSER: f64 = 10.0;

/// Values that are looked at together.
const WINDOW: usize = 50;

/// A place where the level of a history changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The first value of the new level, by its place in the history.
    pub index: usize,
    /// The mean from the change point before to this one.
    pub before: f64,
    /// The mean from this one to the next.
    pub after: f64,
    /// How likely means so far apart are where nothing changed: of a two-sided t-test.
    pub p: f64,
}

/// The change points of a history, in its order. Values may be of any unit; for relative changes give
/// their logarithms. A value that is not finite makes none.
pub fn change_points(values: &[f64]) -> Vec<ChangePoint> {
    if values.iter().any(|value| !value.is_finite()) {
        return Vec::new();
    }
    let mut cuts: Vec<usize> = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let end = (start + WINDOW).min(values.len());
        let found = divided(&values[start..end]);
        let last = found.last().map_or(0, |cut| start + cut);
        cuts.extend(found.into_iter().map(|cut| start + cut));
        start = last.max(start + WINDOW / 2);
    }
    cuts.sort_unstable();
    cuts.dedup();
    merged(values, cuts)
}

/// The places at which a window is cut, loosely: always at the largest distance of all pieces so far.
fn divided(values: &[f64]) -> Vec<usize> {
    let mut cuts: Vec<usize> = Vec::new();
    loop {
        let ends = ends(&cuts, values.len());
        let pieces = ends.windows(2).filter_map(|piece| {
            let cut = best_cut(&values[piece[0]..piece[1]])?;
            Some((piece[0], cut))
        });
        let best = pieces.max_by(|one, other| one.1.energy.total_cmp(&other.1.energy));
        let Some((from, Cut { at, end, .. })) = best else { return cuts };
        let (left, right) = (&values[from..from + at], &values[from + at..from + end]);
        if p_of(left, right) > LOOSER * MOST_P {
            return cuts;
        }
        cuts.push(from + at);
        cuts.sort_unstable();
    }
}

/// Removes the weakest cut until all are significant.
fn merged(values: &[f64], mut cuts: Vec<usize>) -> Vec<ChangePoint> {
    loop {
        let points: Vec<ChangePoint> =
            (0..cuts.len()).map(|at| tested(values, &cuts, at)).collect();
        let weakest = points.iter().enumerate().max_by(|one, other| one.1.p.total_cmp(&other.1.p));
        match weakest {
            Some((at, point)) if point.p > MOST_P => cuts.remove(at),
            _ => return points,
        };
    }
}

/// The ends of the pieces between cuts, with those of the whole.
fn ends(cuts: &[usize], length: usize) -> Vec<usize> {
    std::iter::once(0).chain(cuts.iter().copied()).chain([length]).collect()
}

/// One of the cuts, with what lies between it and those beside it.
fn tested(values: &[f64], cuts: &[usize], at: usize) -> ChangePoint {
    let ends = ends(cuts, values.len());
    let (from, index, to) = (ends[at], ends[at + 1], ends[at + 2]);
    let (left, right) = (&values[from..index], &values[index..to]);
    ChangePoint { index, before: mean(left), after: mean(right), p: p_of(left, right) }
}

/// A cut of a piece.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cut {
    /// The first value behind it.
    at: usize,
    /// Where the values behind it end that it was judged by.
    end: usize,
    /// The energy distance between both sides.
    energy: f64,
}

/// The cut of a piece with the largest energy distance; none of a piece of one value.
///
/// For the first τ values X and those from τ to κ, Y, of n and m values, it is
/// n·m/(n + m) · (2/(n·m) ΣΣ|x − y| − 2/(n·(n − 1)) Σ|x − x′| − 2/(m·(m − 1)) Σ|y − y′|), sums over pairs.
/// That κ may lie before the end keeps a later change from hiding an earlier one.
fn best_cut(values: &[f64]) -> Option<Cut> {
    let mut best: Option<Cut> = None;
    let mut within_left = 0.0;
    for cut in 1..values.len() {
        let (left, rest) = values.split_at(cut);
        within_left += distance(left[cut - 1], &left[..cut - 1]);
        let (mut between, mut within_right) = (0.0, 0.0);
        for (at, value) in rest.iter().enumerate() {
            between += distance(*value, left);
            within_right += distance(*value, &rest[..at]);
            let (n, m) = (cut as f64, at as f64 + 1.0);
            let mean_of_pairs = |sum: f64, count: f64| {
                if count > 1.0 { 2.0 * sum / (count * (count - 1.0)) } else { 0.0 }
            };
            let apart = 2.0 * between / (n * m)
                - mean_of_pairs(within_left, n)
                - mean_of_pairs(within_right, m);
            let energy = n * m / (n + m) * apart;
            if best.is_none_or(|best| energy > best.energy) {
                best = Some(Cut { at: cut, end: cut + at + 1, energy });
            }
        }
    }
    best
}

/// The sum of the distances from a value to others.
fn distance(value: f64, others: &[f64]) -> f64 {
    others.iter().map(|other| (value - other).abs()).sum()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The p-value of Student's two-sided t-test with one variance for both sides. Two values alone say
/// nothing: 1.
fn p_of(left: &[f64], right: &[f64]) -> f64 {
    let df = (left.len() + right.len()) as f64 - 2.0;
    if df <= 0.0 {
        return 1.0;
    }
    let squares = |values: &[f64]| {
        let mean = mean(values);
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let variance = (squares(left) + squares(right)) / df;
    let error = (variance * (1.0 / left.len() as f64 + 1.0 / right.len() as f64)).sqrt();
    let apart = (mean(left) - mean(right)).abs();
    // What rounding leaves of equal values is no difference.
    if apart <= 1e-12 * mean(left).abs().max(mean(right).abs()) {
        return 1.0;
    }
    if error <= 0.0 {
        return 0.0;
    }
    StudentsT::new(0.0, 1.0, df).map_or(1.0, |t| 2.0 * t.sf(apart / error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn indices(values: &[f64]) -> Vec<usize> {
        change_points(values).iter().map(|point| point.index).collect()
    }

    /// Noise with a standard deviation of 1 around levels, so many values of each.
    fn noisy(seed: u64, levels: &[(f64, usize)]) -> Vec<f64> {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = || -> f64 { StandardNormal.sample(&mut draws) };
        levels
            .iter()
            .flat_map(|(level, count)| vec![*level; *count])
            .map(|level| level + noise())
            .collect()
    }

    #[test]
    fn the_energy_distance_of_a_step_is_that_of_the_formula() {
        // n = m = 2: 2·2/4 · (2/4 · 4 · 3 − 0 − 0) = 6, with every pair 3 apart.
        assert_eq!(best_cut(&[1.0, 1.0, 4.0, 4.0]), Some(Cut { at: 2, end: 4, energy: 6.0 }));
        // Within: |1 − 2| = 1 and |5 − 7| = 2; between: 4 + 6 + 3 + 5 = 18: 1 · (9 − 1 − 2) = 6.
        assert_eq!(best_cut(&[1.0, 2.0, 5.0, 7.0]), Some(Cut { at: 2, end: 4, energy: 6.0 }));
        assert_eq!(best_cut(&[1.0]), None);
    }

    #[test]
    fn a_t_test_gives_the_p_values_of_its_tables() {
        // t = 4.604 with 4 degrees of freedom: 0.01.
        let spread = (3.0_f64 / 2.0).sqrt() * 1.0;
        let left = [0.0 - spread, 0.0, spread];
        let shift = 4.604_094_9 * (spread.powi(2) * 2.0 / 3.0).sqrt();
        let right = left.map(|value| value + shift);
        assert!((p_of(&left, &right) - 0.01).abs() < 1e-6, "{}", p_of(&left, &right));
        assert!((p_of(&[1.0, 1.0], &[1.0]) - 1.0).abs() < 1e-12);
        assert!(p_of(&[1.0, 1.0], &[2.0]) < 1e-12);
        assert!((p_of(&[1.0], &[2.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn levels_are_found_where_they_begin_with_their_means() {
        let values = noisy(3, &[(100.0, 12), (106.0, 9), (99.0, 15)]);
        let points = change_points(&values);
        assert_eq!(indices(&values), [12, 21]);
        assert!((points[0].before - 100.0).abs() < 1.0 && (points[0].after - 106.0).abs() < 1.0);
        assert!(points.iter().all(|point| point.p < MOST_P));
    }

    #[test]
    fn a_change_late_in_a_history_of_many_windows_is_found() {
        let values = noisy(4, &[(100.0, 140), (106.0, 10)]);
        assert_eq!(indices(&values), [140]);
    }

    #[test]
    fn histories_in_which_nothing_changed_have_hardly_any_change_point() {
        let found: usize = (0..200).map(|seed| indices(&noisy(seed, &[(100.0, 30)])).len()).sum();
        // The best of 29 cuts is chosen, so that more than one in a thousand is expected.
        assert!(found <= 10, "{found} of 200 histories");
    }

    #[test]
    fn few_or_equal_values_have_none() {
        for values in [&[][..], &[1.0], &[1.0, 2.0], &[5.0; 40], &[1.0, f64::NAN, 3.0, 9.0]] {
            assert_eq!(indices(values), Vec::<usize>::new(), "{values:?}");
        }
        assert_eq!(indices(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]), [3]);
    }

    proptest! {
        #[test]
        fn unit_and_zero_of_the_values_decide_nothing(
            seed in 0_u64..500, step in 0.0_f64..12.0, factor in 0.5_f64..20.0, offset in -50.0_f64..50.0,
        ) {
            let values = noisy(seed, &[(100.0, 11), (100.0 + step, 14)]);
            let other: Vec<f64> = values.iter().map(|value| factor * value + offset).collect();
            prop_assert_eq!(indices(&values), indices(&other));
        }

        #[test]
        fn a_large_step_is_found_where_it_is(seed in 0_u64..500, before in 5_usize..20, after in 5_usize..20) {
            let values = noisy(seed, &[(100.0, before), (130.0, after)]);
            prop_assert!(indices(&values).contains(&before), "{:?}", indices(&values));
        }

        #[test]
        fn every_change_point_is_significant_and_within_the_history(values in prop::collection::vec(0.1_f64..10.0, 0..120)) {
            let points = change_points(&values);
            for point in &points {
                prop_assert!(point.p <= MOST_P && point.index > 0 && point.index < values.len());
            }
            prop_assert!(points.windows(2).all(|pair| pair[0].index < pair[1].index));
        }
    }
}
