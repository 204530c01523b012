//! A metric and how far it may move the wrong way: [`Guard`].

use serde::{Deserialize, Serialize};

use crate::spec::metric::{Direction, Metric};
use crate::spec::units::Percent;

/// A metric and its slack.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// What is guarded.
    pub metric: Metric,
    /// How far it may move the wrong way, relative to the baseline.
    pub slack: Percent,
    /// The widest band that still says enough to pass; without it `gate.max_band` of `perf.toml`
    /// times the slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_band: Option<Percent>,
}

impl Guard {
    /// A guard with the usual limit to its band.
    pub const fn new(metric: Metric, slack: Percent) -> Self {
        Self { metric, slack, max_band: None }
    }

    /// Lets the noise make the band this wide. Where it is wider, a loss of that size would not be
    /// seen, and the guard is inconclusive instead of held.
    #[must_use]
    pub fn max_band(self, max_band: Percent) -> Self {
        Self { max_band: Some(max_band), ..self }
    }

    /// The value that may just be reached: baseline·(1 − slack) for a throughput, baseline·(1 +
    /// slack) for a latency.
    pub fn limit(&self, baseline: f64) -> f64 {
        match self.metric.direction() {
            Direction::HigherIsBetter => baseline * (1.0 - self.slack.fraction()),
            Direction::LowerIsBetter => baseline * (1.0 + self.slack.fraction()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::units::percent;

    #[test]
    fn the_limit_lies_on_the_worse_side() {
        let throughput = Guard::new("output_throughput_tok_per_s".parse().unwrap(), percent(2.5));
        let latency = Guard::new("e2e_p50_ms".parse().unwrap(), percent(2.5));
        assert!((throughput.limit(1_000.0) - 975.0).abs() < 1e-9);
        assert!((latency.limit(1_000.0) - 1_025.0).abs() < 1e-9);
    }
}
