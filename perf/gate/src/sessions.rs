//! How far sessions lie apart: [`variance`].
//!
//! Five sessions say little about the scatter of sessions, and one says nothing, so what is known beforehand stays in: a
//! lognormal prior on the standard deviation, weighed with the likelihood of the sessions' means and averaged on a grid. Its
//! long tail lets clear evidence prevail, where a fixed share of prior and data would not.

use crate::prior::Prior;

/// The grid reaches three standard deviations of the prior both ways.
const REACH: f64 = 3.0;
const STEPS: u32 = 48;

/// The mean of a session's starts, and how many they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(crate) value: f64,
    pub(crate) starts: usize,
}

/// The posterior mean of the variance between sessions, given the means of each side's sessions and the variance of one
/// start within a session.
pub(crate) fn variance(prior: &Prior, within: f64, sides: &[Vec<Mean>]) -> f64 {
    let points = (0..=STEPS).map(|step| {
        let u = REACH * (2.0 * f64::from(step) / f64::from(STEPS) - 1.0);
        let candidate = (prior.session_sd * (prior.session_spread * u).exp()).powi(2);
        let told: f64 = sides.iter().map(|means| log_likelihood(means, within, candidate)).sum();
        (candidate, told - 0.5 * u * u)
    });
    let points: Vec<(f64, f64)> = points.collect();
    let best = points.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
    let weighed = points.iter().map(|(candidate, weight)| (candidate, (weight - best).exp()));
    let (sum, weights) =
        weighed.fold((0.0, 0.0), |(sum, all), (candidate, weight)| (sum + candidate * weight, all + weight));
    sum / weights
}

/// Of a variance between sessions, with the common mean taken out (restricted likelihood).
fn log_likelihood(means: &[Mean], within: f64, between: f64) -> f64 {
    if means.len() < 2 {
        return 0.0;
    }
    let variance = |mean: &Mean| within / mean.starts as f64 + between;
    let precision: f64 = means.iter().map(|mean| 1.0 / variance(mean)).sum();
    let centre = means.iter().map(|mean| mean.value / variance(mean)).sum::<f64>() / precision;
    let spread =
        means.iter().map(|mean| variance(mean).ln() + (mean.value - centre).powi(2) / variance(mean)).sum::<f64>();
    -0.5 * (spread + precision.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(values: &[f64]) -> Vec<Mean> {
        values.iter().map(|value| Mean { value: *value, starts: 2 }).collect()
    }

    #[test]
    fn one_session_leaves_the_prior_as_it_is() {
        let prior = Prior::central();
        let found = variance(&prior, 1e-4, &[means(&[0.1])]).sqrt();
        // The mean square of a lognormal: median · e^(spread²).
        let wanted = prior.session_sd * prior.session_spread.powi(2).exp();
        assert!((found / wanted - 1.0).abs() < 0.06, "{found} {wanted}");
    }

    #[test]
    fn sessions_that_lie_far_apart_are_believed() {
        let prior = Prior::central();
        let apart = variance(&prior, 0.003_f64.powi(2), &[means(&[0.0, 0.02, -0.015, 0.01, -0.02])]).sqrt();
        assert!(apart > 0.01 && apart < 0.025, "{apart}");
        let together = variance(&prior, 0.003_f64.powi(2), &[means(&[0.0, 0.001, -0.001, 0.001, 0.0])]).sqrt();
        assert!(together < 0.003, "{together}");
    }
}
