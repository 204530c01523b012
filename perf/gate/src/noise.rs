//! How much runs, starts and sessions scatter, and the standard errors that follow: [`Noise`].

use serde::{Deserialize, Serialize};

use crate::huber::location;
use crate::series::{Series, Start};

/// Huber's location has 95 % of the mean's efficiency: its variance is 1/0.95 of the mean's.
const INEFFICIENCY: f64 = 1.05;

/// How much the log values of a metric scatter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Standard deviation of a start of one run, the drift of its session included.
    pub start_sd: f64,
    /// The part of it that is between the runs of one start; 0 if no start had several.
    pub run_sd: f64,
    /// The part of it that is between sessions.
    pub session_sd: f64,
    /// Degrees of freedom that `start_sd` rests on, the prior's included.
    pub df: f64,
}

/// What the variance of a start's value is relative to that of one run's: 1/R for a mean, and for
/// the median of a normal sample about π / (2·R + π − 2) (0.44 of three, where the exact value is
/// 0.449).
pub(crate) fn run_share(runs: usize) -> f64 {
    let (count, pi) = (runs as f64, std::f64::consts::PI);
    if runs <= 2 { 1.0 / count } else { pi / (2.0 * count + pi - 2.0) }
}

/// The sessions of one side, with the runs of each start.
#[derive(Clone, Debug)]
pub(crate) struct Layout(pub(crate) Vec<Vec<usize>>);

impl Layout {
    pub(crate) fn of(series: &Series) -> Self {
        Self(
            series
                .by_session()
                .iter()
                .map(|starts| starts.iter().map(Start::runs).collect())
                .collect(),
        )
    }

    /// At least `starts` starts in the same number of sessions; the added ones have the most runs
    /// of those that were there.
    pub(crate) fn grown(&self, starts: usize) -> Self {
        let mut sessions = self.0.clone();
        let most = sessions.iter().flatten().max().copied().unwrap_or(1);
        let there = sessions.iter().flatten().count();
        let count = sessions.len();
        (there..starts).for_each(|start| sessions[start % count].push(most));
        Self(sessions)
    }

    /// Starts in one session, each of `runs` runs.
    pub(crate) fn one_session(starts: usize, runs: usize) -> Self {
        Self(vec![vec![runs; starts]])
    }
}

impl Noise {
    /// The variance of one start of `runs` runs, the drift of its session included.
    pub(crate) fn start_variance(&self, runs: usize) -> f64 {
        let (start, share) = (self.start_sd.powi(2), run_share(runs));
        // Runs cannot scatter more than starts of one run do, even if the estimates disagree.
        (start - self.run_sd.powi(2) * (1.0 - share)).max(start * share)
    }

    /// The robust location of a series.
    pub(crate) fn locate(&self, series: &Series) -> f64 {
        let starts = series.by_session().iter().flatten();
        let variances: Vec<f64> = starts.map(|start| self.start_variance(start.runs())).collect();
        location(series.costs(), &variances)
    }

    /// The variance of one side's location: 1.05 / Σw + q²·(h − k) with w = 1 / variance of a
    /// start, h = Σ over sessions of (their share of the weights)², k the same over starts. One
    /// start already holds one session's drift, so that only what more starts of the same session
    /// do not average out is added.
    pub(crate) fn location_variance(&self, side: &Layout) -> f64 {
        let weights: Vec<Vec<f64>> = side
            .0
            .iter()
            .map(|starts| starts.iter().map(|runs| 1.0 / self.start_variance(*runs)).collect())
            .collect();
        let all: f64 = weights.iter().flatten().sum();
        let squared: f64 = weights.iter().flatten().map(|weight| (weight / all).powi(2)).sum();
        let concentration: f64 =
            weights.iter().map(|session| (session.iter().sum::<f64>() / all).powi(2)).sum();
        INEFFICIENCY / all + self.session_sd.powi(2) * (concentration - squared).max(0.0)
    }

    /// The standard error of the difference of two sides' locations.
    pub(crate) fn error(&self, one: &Layout, other: &Layout) -> f64 {
        (self.location_variance(one) + self.location_variance(other)).sqrt()
    }

    /// The variance of one start of `runs` runs around its session's level.
    pub(crate) fn within_session(&self, runs: usize) -> f64 {
        // The two are estimated apart; where the sessions seem to scatter more than single starts,
        // half is theirs.
        let start = self.start_variance(runs);
        (start - self.session_sd.powi(2)).max(start / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Noise = Noise { start_sd: 0.01, run_sd: 0.008, session_sd: 0.005, df: 10.0 };

    #[test]
    fn an_error_shrinks_with_starts_but_not_below_the_drift_of_one_session() {
        let base = Layout(vec![vec![1, 1]; 5]);
        let errors: Vec<f64> = [1, 2, 4, 8, 1_000]
            .map(|starts| NOISE.error(&Layout::one_session(starts, 1), &base))
            .to_vec();
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
        assert!(errors[4] > 0.005);
    }

    #[test]
    fn more_runs_average_out_what_is_between_runs_and_nothing_else() {
        let variances: Vec<f64> =
            [1, 2, 3, 5, 1_000].map(|runs| NOISE.start_variance(runs)).to_vec();
        assert!(variances.windows(2).all(|pair| pair[1] < pair[0]), "{variances:?}");
        assert!((variances[0] - 1e-4).abs() < 1e-15 && (variances[1] - 0.68e-4).abs() < 1e-15);
        assert!((variances[4] - 0.36e-4).abs() < 1e-6);
    }
}
