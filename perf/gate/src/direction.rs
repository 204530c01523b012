//! Which way a metric is better, and the log scale on which both ways look alike: [`Direction`].

use serde::{Deserialize, Serialize};

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Latencies.
    LowerIsBetter,
    /// Throughputs.
    HigherIsBetter,
}

impl Direction {
    /// The name in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LowerIsBetter => "lower_is_better",
            Self::HigherIsBetter => "higher_is_better",
        }
    }

    /// The value on the scale of the gate: natural logarithm, + = worse. The value must be
    /// positive.
    pub fn cost(self, value: f64) -> f64 {
        match self {
            Self::LowerIsBetter => value.ln(),
            Self::HigherIsBetter => -value.ln(),
        }
    }

    /// The inverse of [`Direction::cost`].
    pub fn value(self, cost: f64) -> f64 {
        match self {
            Self::LowerIsBetter => cost.exp(),
            Self::HigherIsBetter => (-cost).exp(),
        }
    }

    /// A difference of two costs as a relative change of the metric itself: +0.05 of a latency is 5
    /// % slower, −0.05 of a throughput 5 % less.
    pub fn relative(self, difference: f64) -> f64 {
        match self {
            Self::LowerIsBetter => difference.exp_m1(),
            Self::HigherIsBetter => (-difference).exp_m1(),
        }
    }

    /// A relative loss (0.025 = 2.5 % slower, or 2.5 % less) as a difference of costs.
    pub fn loss(self, relative: f64) -> f64 {
        match self {
            Self::LowerIsBetter => relative.ln_1p(),
            Self::HigherIsBetter => -(-relative).ln_1p(),
        }
    }

    /// A relative loss as the change of the metric that it is: a loss of 5 % is −0.05 for a
    /// throughput and +0.05 for a latency.
    pub fn worse(self, loss: f64) -> f64 {
        match self {
            Self::LowerIsBetter => loss,
            Self::HigherIsBetter => -loss,
        }
    }

    /// The inverse of [`Direction::loss`].
    pub fn relative_loss(self, difference: f64) -> f64 {
        match self {
            Self::LowerIsBetter => difference.exp_m1(),
            Self::HigherIsBetter => -(-difference).exp_m1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_positive_in_either_direction() {
        for direction in [Direction::LowerIsBetter, Direction::HigherIsBetter] {
            assert!(direction.loss(0.025) > 0.0);
            assert!((direction.value(direction.cost(123.0)) - 123.0).abs() < 1e-9);
            assert!((direction.relative_loss(direction.loss(0.025)) - 0.025).abs() < 1e-12);
        }
        let slower = Direction::LowerIsBetter.cost(105.0) - Direction::LowerIsBetter.cost(100.0);
        assert!((Direction::LowerIsBetter.relative(slower) - 0.05).abs() < 1e-12);
        let less = Direction::HigherIsBetter.cost(95.0) - Direction::HigherIsBetter.cost(100.0);
        assert!(less > 0.0);
        assert!((Direction::HigherIsBetter.relative(less) + 0.05).abs() < 1e-12);
        assert!((Direction::HigherIsBetter.loss(0.05) - less).abs() < 1e-12);
    }
}
