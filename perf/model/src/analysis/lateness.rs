//! How late the sends of an open loop were: [`Lateness`].

use crate::analysis::statistics::{quantile, sorted};
use crate::record::sample::Sample;
use crate::spec::load::Arrivals;

/// How late the sends of an open loop were: sent − intended start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lateness {
    /// The median, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
}

impl Lateness {
    /// The lateness of these samples; `None` for a closed loop.
    pub fn of(samples: &[Sample], arrivals: Arrivals) -> Option<Self> {
        if arrivals.is_closed_loop() {
            return None;
        }
        let late = samples
            .iter()
            .map(|sample| sample.sent_us.saturating_sub(sample.intended_us) as f64 / 1_000.0);
        let late = sorted(&late.collect::<Vec<_>>());
        Some(Self { p50_ms: quantile(&late, 0.5)?, p99_ms: quantile(&late, 0.99)? })
    }
}
