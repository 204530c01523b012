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
}

impl Guard {
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
        let throughput =
            Guard { metric: "output_throughput_tok_per_s".parse().unwrap(), slack: percent(2.5) };
        let latency = Guard { metric: "e2e_p50_ms".parse().unwrap(), slack: percent(2.5) };
        assert!((throughput.limit(1_000.0) - 975.0).abs() < 1e-9);
        assert!((latency.limit(1_000.0) - 1_025.0).abs() < 1e-9);
    }
}
