//! How the p99 of a run scatters: [`Pool`].
//!
//! Latencies of a run follow each other (AR(1)) and have heavy tails, so their p99 is noisier than
//! a count of them would say, and skewed. Runs are drawn once; a suite then picks among them.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StudentT};

/// Runs in the pool.
const RUNS: usize = 2_000;

/// Latencies of a run.
const LATENCIES: usize = 1_000;

/// How much of one latency's deviation is left in the next.
const PERSISTENCE: f64 = 0.9;

/// Degrees of freedom of the innovations.
const TAIL: f64 = 4.0;

/// Standard deviation of a run's log p99.
const SD: f64 = 0.08;

/// Log p99 of many runs, around zero.
pub(crate) struct Pool {
    values: Vec<f64>,
}

impl Pool {
    #[expect(clippy::unwrap_used, reason = "the degrees of freedom are positive")]
    pub(crate) fn draw(seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let innovations = StudentT::new(TAIL).unwrap();
        let mut values: Vec<f64> = (0..RUNS)
            .map(|_| {
                let mut deviation = 0.0;
                let mut run: Vec<f64> = (0..LATENCIES)
                    .map(|_| {
                        deviation = PERSISTENCE * deviation + innovations.sample(&mut draws);
                        deviation
                    })
                    .collect();
                run.sort_by(f64::total_cmp);
                run[LATENCIES * 99 / 100]
            })
            .collect();
        let mean = values.iter().sum::<f64>() / RUNS as f64;
        let sd =
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / RUNS as f64).sqrt();
        values = values.iter().map(|value| (value - mean) * SD / sd).collect();
        Self { values }
    }

    /// One of them; `at` from 0 to 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index below the pool's size"
    )]
    pub(crate) fn pick(&self, at: f64) -> f64 {
        self.values[((at * RUNS as f64) as usize).min(RUNS - 1)]
    }
}
