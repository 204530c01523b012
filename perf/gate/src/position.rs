//! By how much the first run of a start differs from the value of all its runs: [`Positions`].
//!
//! A start of a baseline has several runs, and one of a candidate has one. Where first runs differ
//! from later ones (caches fill, clocks settle), the two sides would differ by that, always. The
//! difference shows in the baseline alone. It is estimated for all metrics of a suite together,
//! `e_g` ~ N(μ, τ²), and each metric's own estimate is drawn to the common one as far as its noise
//! demands (empirical Bayes; R. `DerSimonian` and N. Laird, "Meta-analysis in clinical trials", 1986).
//! Where there is no such effect, almost nothing is corrected and almost no power is lost.

use crate::huber::location;
use crate::noise::run_share;
use crate::prior::Prior;
use crate::series::{Series, Start};

/// The standard deviation of what is thought possible for the common effect.
const POSSIBLE: f64 = 0.01;

/// Metrics of the same runs share a part of their noise: however many, they count for at most this
/// many independent ones.
const INDEPENDENT: f64 = 8.0;

/// The common effect, and how much that of a metric differs from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Positions {
    mean: f64,
    mean_variance: f64,
    between: f64,
}

/// What to add to a baseline's level so that it stands for first runs, and the variance of that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offset {
    pub(crate) value: f64,
    pub(crate) variance: f64,
}

/// One metric's own estimate, and its variance; `None` if its starts have one run.
fn own(series: &Series) -> Option<(f64, f64)> {
    let starts: Vec<&Start> =
        series.by_session().iter().flatten().filter(|start| start.runs() > 1).collect();
    let df: f64 = starts.iter().map(|start| start.runs() as f64 - 1.0).sum();
    if starts.is_empty() {
        return None;
    }
    let squares: f64 =
        starts.iter().flat_map(|start| &start.residuals).map(|residual| residual.powi(2)).sum();
    // What is known of runs beforehand keeps two starts of equal runs from being certain.
    let run = (Prior::central().start_sd.powi(2) + squares) / (2.0 + df);
    let differences: Vec<f64> = starts.iter().map(|start| start.first - start.cost).collect();
    let variances: Vec<f64> = starts
        .iter()
        .map(|start| {
            let runs = start.runs();
            // One run, and the middle of all: their covariance is σ²/R.
            run * (1.0 + run_share(runs) - 2.0 / runs as f64)
        })
        .collect();
    let precision: f64 = variances.iter().map(|variance| 1.0 / variance).sum();
    Some((location(&differences, &variances), 1.05 / precision))
}

impl Positions {
    pub(crate) fn of(baselines: &[&Series]) -> Self {
        let found: Vec<(f64, f64)> = baselines.iter().filter_map(|series| own(series)).collect();
        if found.is_empty() {
            return Self::default();
        }
        let pooled = |between: f64| {
            let weights: Vec<f64> =
                found.iter().map(|(_, variance)| 1.0 / (variance + between)).collect();
            let all: f64 = weights.iter().sum();
            let sum: f64 = found.iter().zip(&weights).map(|((at, _), weight)| at * weight).sum();
            (sum / all, all, weights)
        };
        let (mean, all, weights) = pooled(0.0);
        let excess: f64 =
            found.iter().zip(&weights).map(|((at, _), w)| w * (at - mean).powi(2)).sum::<f64>()
                - (found.len() as f64 - 1.0);
        let squares: f64 = weights.iter().map(|weight| weight.powi(2)).sum();
        let scale = all - squares / all;
        let between = if scale > 0.0 { (excess / scale).max(0.0) } else { 0.0 };
        let (mean, all, _) = pooled(between);
        let dependent = (found.len() as f64 / INDEPENDENT).max(1.0);
        let variance = dependent / all;
        let share = POSSIBLE.powi(2) / (POSSIBLE.powi(2) + variance);
        Self { mean: share * mean, mean_variance: share * variance, between }
    }

    pub(crate) fn offset(&self, baseline: &Series) -> Offset {
        let Some((at, variance)) = own(baseline) else { return Offset::default() };
        let share = self.between / (self.between + variance);
        Offset {
            value: self.mean + share * (at - self.mean),
            variance: share * variance + (1.0 - share).powi(2) * self.mean_variance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;

    /// Ten starts of three runs, whose first one is worse by `first`.
    fn series(first: f64, turn: usize) -> Series {
        let pattern = [0.006, -0.004, 0.001, -0.007, 0.003, 0.002, -0.001];
        let values: Vec<Vec<Vec<f64>>> = (0..5)
            .map(|session| {
                let start = |number: usize| -> Vec<f64> {
                    (0..3)
                        .map(|run| {
                            let at = turn + 6 * session + 3 * number + run;
                            let first = if run == 0 { first } else { 0.0 };
                            (pattern[at % 7] + pattern[(at / 2) % 7] + first).exp()
                        })
                        .collect()
                };
                vec![start(0), start(1)]
            })
            .collect();
        Series::new(Direction::LowerIsBetter, &values).unwrap()
    }

    #[test]
    fn first_runs_that_are_worse_everywhere_are_corrected_and_no_others() {
        let offset = |first: f64| {
            let all: Vec<Series> = (0..12).map(|turn| series(first, turn)).collect();
            let all: Vec<&Series> = all.iter().collect();
            Positions::of(&all).offset(all[0])
        };
        let (none, two) = (offset(0.0), offset(0.02));
        assert!(none.value.abs() < 0.003, "{none:?}");
        assert!((two.value - 0.02).abs() < 0.004, "{two:?}");
        assert!(two.variance.sqrt() < 0.003, "{two:?}");
    }

    #[test]
    fn starts_of_one_run_have_no_other_position() {
        let one = Series::of_one_session(Direction::LowerIsBetter, &[1.0, 1.1, 0.9]).unwrap();
        assert_eq!(Positions::of(&[&one]).offset(&one), Offset::default());
    }
}
