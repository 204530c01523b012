//! The noise of a metric, learned from all baselines of a suite: [`Prior::learned`].
//!
//! Ten starts in five sessions say little about one metric. The same sessions of the same machine,
//! seen through every metric of their kind, say much more: how noisy this machine is, and how far
//! its sessions drift (empirical Bayes).

use crate::estimate::{estimate, session_means};
use crate::prior::Prior;
use crate::series::Series;
use crate::session_variance;

/// What was known before counts as much as this many series.
const KNOWN: f64 = 4.0;

/// Metrics of the same sessions share their drift. However many there are, they count for at most
/// this many independent ones.
const INDEPENDENT: f64 = 8.0;

/// Sessions beyond the first in a good baseline, which narrow the spread as much as may be.
const USUAL_BEYOND: f64 = 4.0;

impl Prior {
    /// This prior, moved to what the baselines of metrics of its kind show: all that were measured
    /// in the same sessions on the same machine, the one to be judged among them. With fewer than
    /// two it stays as it is.
    #[must_use]
    pub fn learned(self, baselines: &[&Series]) -> Self {
        if baselines.len() < 2 {
            return self;
        }
        let count = baselines.len() as f64;
        // Here each series is estimated almost without the prior.
        let open = Self { start_df: 1.0, ..self };
        let mut logs = KNOWN * self.start_sd.ln();
        let mut means = Vec::with_capacity(baselines.len());
        for series in baselines {
            let noise = estimate(&open, &[series]);
            logs += noise.start_sd.ln();
            means.extend(session_means(&self, &[series], &noise));
        }
        let independent = INDEPENDENT.min(count);
        let session = session_variance::variance(&self, &means, independent / count);
        // Only sessions beyond the first say anything of how far sessions differ.
        let beyond: usize = baselines.iter().map(|series| series.sessions() - 1).sum();
        let informed = independent * (beyond as f64 / count / USUAL_BEYOND).min(1.0);
        let session_spread = self.session_spread / (1.0 + informed / 2.0).sqrt();
        Self {
            start_sd: (logs / (KNOWN + count)).exp(),
            start_df: self.start_df,
            // The median of a lognormal whose mean square is the one found.
            session_sd: session.sqrt() * (-session_spread.powi(2)).exp(),
            session_spread,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;

    fn series(start: f64, session: f64, turn: usize) -> Series {
        let pattern = [0.9, -1.1, 0.2, 1.2, -0.7];
        let values: Vec<Vec<Vec<f64>>> = (0..5)
            .map(|at| {
                let level = session * pattern[(at + 2) % 5];
                let costs = [
                    level + start * pattern[(at + turn) % 5],
                    level - start * pattern[(at + turn + 3) % 5],
                ];
                costs.map(|cost| vec![cost.exp()]).to_vec()
            })
            .collect();
        Series::new(Direction::LowerIsBetter, &values).unwrap()
    }

    fn learned(start: f64, session: f64) -> Prior {
        let all: Vec<Series> = (0..12).map(|turn| series(start, session, turn)).collect();
        Prior::central().learned(&all.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_noisy_machine_and_one_that_drifts_are_recognised() {
        let (calm, noisy, drifting) =
            (learned(0.006, 0.001), learned(0.04, 0.001), learned(0.006, 0.015));
        assert!(calm.start_sd < 0.009 && noisy.start_sd > 0.025, "{calm:?} {noisy:?}");
        assert!(calm.session_sd < 0.003 && drifting.session_sd > 0.006, "{calm:?} {drifting:?}");
    }

    #[test]
    fn the_drift_is_learned_from_at_most_eight_independent_baselines() {
        let spread = |count: usize| {
            let all: Vec<Series> = (0..count).map(|turn| series(0.006, 0.001, turn)).collect();
            Prior::central().learned(&all.iter().collect::<Vec<_>>()).session_spread
        };
        let prior = Prior::central().session_spread;
        assert!((spread(4) - prior / 3.0_f64.sqrt()).abs() < 1e-12);
        assert!((spread(12) - prior / 5.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_session_says_nothing_of_the_drift_however_many_metrics_it_has() {
        let one = |turn: usize| {
            let starts =
                series(0.006, 0.0, turn).costs().iter().map(|cost| cost.exp()).collect::<Vec<_>>();
            Series::of_one_session(Direction::LowerIsBetter, &starts).unwrap()
        };
        let all: Vec<Series> = (0..12).map(one).collect();
        let prior = Prior::central().of_sessions(1);
        let learned = prior.learned(&all.iter().collect::<Vec<_>>());
        assert!((learned.session_spread - prior.session_spread).abs() < 1e-12);
        assert!((learned.session_sd / prior.session_sd - 1.0).abs() < 0.1, "{learned:?}");
    }

    #[test]
    fn one_baseline_alone_teaches_nothing() {
        assert_eq!(Prior::central().learned(&[&series(0.05, 0.02, 0)]), Prior::central());
    }
}
