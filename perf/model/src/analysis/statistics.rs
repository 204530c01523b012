//! Percentiles, medians and means, defined once for the whole project.

/// The `q`-quantile (0 ≤ q ≤ 1) of values sorted in ascending order; `None` without values.
///
/// Linear interpolation between the two closest ranks: with h = (n − 1)·q, x\[⌊h⌋\] + (h −
/// ⌊h⌋)·(x\[⌊h⌋ + 1\] − x\[⌊h⌋\]). This is type 7 of Hyndman and Fan, *Sample Quantiles in
/// Statistical Packages* (1996), the default of `NumPy` and therefore of `vllm bench serve`.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = last as f64 * q.clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 ≤ rank ≤ last, an index"
    )]
    let below = rank.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (rank - rank.floor()) * (sorted[above] - sorted[below]))
}

/// The arithmetic mean; `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The median of values in any order; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The values in ascending order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quantile_interpolates_between_the_closest_ranks() {
        let values = [10.0, 20.0, 30.0, 40.0];
        assert_eq!(quantile(&values, 0.5), Some(25.0));
        assert_eq!(quantile(&values, 0.25), Some(17.5));
        assert_eq!(quantile(&values, 1.0), Some(40.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn quantiles_stay_within_the_values_and_never_fall(
            values in prop::collection::vec(-1e6..1e6, 1..200), low in 0.0..1.0, high in 0.0..1.0,
        ) {
            let sorted = sorted(&values);
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            let (at_low, at_high): (f64, f64) = (quantile(&sorted, low).unwrap(), quantile(&sorted, high).unwrap());
            prop_assert!(at_low <= at_high + 1e-9);
            prop_assert!(at_low >= sorted[0] - 1e-9 && at_high <= sorted[sorted.len() - 1] + 1e-9);
        }

        #[test]
        fn the_median_does_not_depend_on_the_order(mut values in prop::collection::vec(-1e6..1e6, 1..50)) {
            let before = median(&values);
            values.reverse();
            prop_assert_eq!(before, median(&values));
        }
    }
}
