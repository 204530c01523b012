//! A location that a few extreme starts cannot move far: [`location`].

/// Residuals are clipped at this many scales. 1.345 keeps 95 % of the mean's efficiency when no
/// value is extreme (Huber, "Robust Estimation of a Location Parameter", 1964; Holland and Welsch,
/// 1977).
const K: f64 = 1.345;

/// Huber's location of `values`, each with a variance of its own, which weighs it. With two values
/// or fewer it is their weighted mean. `values` must not be empty, variances must be positive.
pub(crate) fn location(values: &[f64], variances: &[f64]) -> f64 {
    let precision: f64 = variances.iter().map(|variance| 1.0 / variance).sum();
    let few = values.len() <= 2;
    let pull = |at: f64| -> f64 {
        let terms = values.iter().zip(variances).map(|(value, variance)| {
            let reach = if few { f64::MAX } else { K * variance.sqrt() };
            (value - at).clamp(-reach, reach) / variance
        });
        terms.sum::<f64>() / precision
    };
    // Each step is an average of clipped residuals: a contraction, and the median is close.
    let mut at = median(values);
    for _ in 0..50 {
        let step = pull(at);
        at += step;
        if step * step * precision < 1e-14 {
            break;
        }
    }
    at
}

/// The middle value, or the mean of the two in the middle. `values` must not be empty.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn even(values: &[f64], scale: f64) -> f64 {
        location(values, &vec![scale * scale; values.len()])
    }

    #[test]
    fn without_wild_values_it_is_the_mean() {
        assert!((even(&[0.3, -0.2, 0.1, 0.4, -0.5], 1.0) - 0.02).abs() < 1e-6);
    }

    #[test]
    fn a_value_of_half_the_variance_weighs_twice() {
        assert!((location(&[0.0, 0.3], &[1.0, 0.5]) - 0.2).abs() < 1e-9);
        assert!((location(&[0.0, 0.0, 0.3], &[1.0, 1.0, 0.5]) - 0.15).abs() < 1e-7);
    }

    #[test]
    fn a_wild_value_moves_it_by_little() {
        let (calm, wild) = ([0.0, 0.1, -0.1, 0.05, -0.05], [0.0, 0.1, -0.1, 0.05, 100.0]);
        assert!((even(&wild, 0.1) - even(&calm, 0.1)).abs() < 0.06);
    }

    proptest! {
        #[test]
        fn it_moves_with_the_values_and_lies_among_them(
            values in prop::collection::vec(-1.0..1.0_f64, 1..12), shift in -5.0..5.0_f64, scale in 0.01..1.0_f64,
        ) {
            let at = even(&values, scale);
            let shifted: Vec<f64> = values.iter().map(|value| value + shift).collect();
            prop_assert!((even(&shifted, scale) - at - shift).abs() < 1e-5);
            let (low, high) = values.iter().fold((9.0_f64, -9.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
            prop_assert!(low - 1e-6 <= at && at <= high + 1e-6);
        }
    }
}
