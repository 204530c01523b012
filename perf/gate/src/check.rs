//! What is checked and how strictly: [`Check`].

use crate::direction::Direction;
use crate::prior::Prior;

/// One metric of one load, and how far it may move the wrong way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    direction: Direction,
    tolerance: f64,
    prior: Prior,
}

/// Why a check makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CheckError {
    /// Nothing could ever, or everything would, regress.
    #[error("a tolerance of {0} cannot be judged; give one above 0 and below 0.5, 0.025 for 2.5 %")]
    Tolerance(f64),
    /// A standard deviation or weight that is not positive.
    #[error("the prior has a figure that is not above 0; correct it, or leave the prior out")]
    Prior,
}

impl Check {
    /// `tolerance` is relative: 0.025 lets a latency rise or a throughput fall by 2.5 %.
    pub fn new(direction: Direction, tolerance: f64, prior: Prior) -> Result<Self, CheckError> {
        if !(tolerance > 0.0 && tolerance < 0.5) {
            return Err(CheckError::Tolerance(tolerance));
        }
        if !prior.is_sound() {
            return Err(CheckError::Prior);
        }
        Ok(Self { direction, tolerance, prior })
    }

    /// Which way is better.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The tolerance asked for, relative.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The same as a difference of costs.
    pub(crate) fn tolerance_cost(&self) -> f64 {
        self.direction.loss(self.tolerance)
    }

    /// What is known of the noise.
    pub fn prior(&self) -> Prior {
        self.prior
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_or_prior_that_cannot_be_judged_is_refused() {
        for tolerance in [0.0, -0.1, 0.5, 2.5, f64::NAN] {
            assert!(
                Check::new(Direction::LowerIsBetter, tolerance, Prior::default()).is_err(),
                "{tolerance}"
            );
        }
        let prior = Prior { start_sd: 0.0, ..Prior::default() };
        assert_eq!(Check::new(Direction::LowerIsBetter, 0.025, prior), Err(CheckError::Prior));
    }
}
