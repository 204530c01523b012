//! How far sessions lie apart: [`variance`].
//!
//! Five sessions show little about the scatter of sessions, and one shows nothing, so the prior
//! stays in: a lognormal prior on the standard deviation, weighed with the likelihood of
//! the sessions' means and averaged on a grid. Its long tail lets clear evidence prevail, where a
//! fixed share of prior and data would not.

use crate::prior::Prior;

/// The grid reaches three standard deviations of the prior both ways.
const REACH: f64 = 3.0;
const STEPS: u32 = 48;

/// The mean of a session's starts, and its variance around the session's level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(crate) value: f64,
    pub(crate) variance: f64,
}

/// The posterior mean of the variance between sessions, given the means of each side's sessions.
/// The likelihood is raised to `weight`: 1 if the sides are independent, less if they share their
/// drift.
pub(crate) fn variance(prior: &Prior, sides: &[Vec<Mean>], weight: f64) -> f64 {
    let points = (0..=STEPS).map(|step| {
        let u = REACH * (2.0 * f64::from(step) / f64::from(STEPS) - 1.0);
        let candidate = (prior.session_sd * (prior.session_spread * u).exp()).powi(2);
        let log_likelihood: f64 =
            sides.iter().map(|means| self::log_likelihood(means, candidate)).sum();
        (candidate, weight * log_likelihood - 0.5 * u * u)
    });
    let points: Vec<(f64, f64)> = points.collect();
    let best = points.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
    let weighed = points.iter().map(|(candidate, weight)| (candidate, (weight - best).exp()));
    let (sum, weights) = weighed.fold((0.0, 0.0), |(sum, all), (candidate, weight)| {
        (sum + candidate * weight, all + weight)
    });
    sum / weights
}

/// Of a variance between sessions, with the common mean taken out (restricted likelihood).
fn log_likelihood(means: &[Mean], between: f64) -> f64 {
    if means.len() < 2 {
        return 0.0;
    }
    let variance = |mean: &Mean| mean.variance + between;
    let precision: f64 = means.iter().map(|mean| 1.0 / variance(mean)).sum();
    let centre = means.iter().map(|mean| mean.value / variance(mean)).sum::<f64>() / precision;
    let spread = means
        .iter()
        .map(|mean| variance(mean).ln() + (mean.value - centre).powi(2) / variance(mean))
        .sum::<f64>();
    -0.5 * (spread + precision.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(sd: f64, values: &[f64]) -> Vec<Mean> {
        values.iter().map(|value| Mean { value: *value, variance: sd * sd / 2.0 }).collect()
    }

    #[test]
    fn one_session_leaves_the_prior_as_it_is() {
        let prior = Prior::central();
        let found = variance(&prior, &[means(0.01, &[0.1])], 1.0).sqrt();
        // The mean square of a lognormal: median · e^(spread²).
        let wanted = prior.session_sd * prior.session_spread.powi(2).exp();
        assert!((found / wanted - 1.0).abs() < 0.06, "{found} {wanted}");
    }

    #[test]
    fn sessions_that_lie_far_apart_are_believed() {
        let prior = Prior::central();
        let apart =
            variance(&prior, &[means(0.003, &[0.0, 0.02, -0.015, 0.01, -0.02])], 1.0).sqrt();
        assert!(apart > 0.01 && apart < 0.025, "{apart}");
        let together =
            variance(&prior, &[means(0.003, &[0.0, 0.001, -0.001, 0.001, 0.0])], 1.0).sqrt();
        assert!(together < 0.003, "{together}");
    }
}
