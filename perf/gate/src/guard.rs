//! What is guarded and how strictly: [`Guard`].

use crate::direction::Direction;
use crate::position::Offset;
use crate::prior::Prior;

/// One metric of one load, and how far it may move the wrong way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    direction: Direction,
    slack: f64,
    max_band: f64,
    prior: Prior,
    offset: Offset,
}

/// A guard whose band is more than this many slacks says too little to pass, unless it says
/// otherwise.
pub const MAX_BAND: f64 = 2.0;

/// Why a guard cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum GuardError {
    /// A slack outside the range that can be judged.
    #[error("a slack of {0} cannot be judged; give one above 0 and below 0.5, 0.025 for 2.5 %")]
    Slack(f64),
    /// A limit to the band that is below the slack.
    #[error("a max_band of {max_band} is below the slack of {slack}; give one that is not")]
    MaxBand {
        /// What was given.
        max_band: f64,
        /// The slack.
        slack: f64,
    },
    /// A standard deviation or weight that is not positive.
    #[error("the prior has a figure that is not above 0; correct it, or leave the prior out")]
    Prior,
}

impl Guard {
    /// `slack` is relative: 0.025 lets a latency rise or a throughput fall by 2.5 %.
    pub fn new(direction: Direction, slack: f64, prior: Prior) -> Result<Self, GuardError> {
        if !(slack > 0.0 && slack < 0.5) {
            return Err(GuardError::Slack(slack));
        }
        if !prior.is_sound() {
            return Err(GuardError::Prior);
        }
        Ok(Self { direction, slack, max_band: MAX_BAND * slack, prior, offset: Offset::default() })
    }

    /// With another limit to how wide the noise may make the band, relative like the slack.
    pub fn with_max_band(self, max_band: f64) -> Result<Self, GuardError> {
        if !(max_band >= self.slack && max_band.is_finite()) {
            return Err(GuardError::MaxBand { max_band, slack: self.slack });
        }
        Ok(Self { max_band, ..self })
    }

    /// With what is known of the difference between first runs and all runs of its baseline.
    #[must_use]
    pub fn with_offset(self, offset: Offset) -> Self {
        Self { offset, ..self }
    }

    /// Which way is better.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The slack asked for, relative.
    pub fn slack(&self) -> f64 {
        self.slack
    }

    /// The widest band that still says enough, relative.
    pub fn max_band(&self) -> f64 {
        self.max_band
    }

    /// What to add to its baseline's level to compare first runs with it.
    pub(crate) fn offset(&self) -> Offset {
        self.offset
    }

    /// The same as a difference of costs.
    pub(crate) fn slack_cost(&self) -> f64 {
        self.direction.loss(self.slack)
    }

    /// What is known of the noise before it is measured.
    pub fn prior(&self) -> Prior {
        self.prior
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slack_or_prior_that_cannot_be_judged_is_refused() {
        for slack in [0.0, -0.1, 0.5, 2.5, f64::NAN] {
            assert!(
                Guard::new(Direction::LowerIsBetter, slack, Prior::default()).is_err(),
                "{slack}"
            );
        }
        let guard = Guard::new(Direction::LowerIsBetter, 0.025, Prior::default()).unwrap();
        assert!(guard.with_max_band(0.02).is_err() && guard.with_max_band(0.1).is_ok());
        assert!((guard.slack() - 0.025).abs() < 1e-12, "{guard:?}");
        let prior = Prior { start_sd: 0.0, ..Prior::default() };
        assert_eq!(Guard::new(Direction::LowerIsBetter, 0.025, prior), Err(GuardError::Prior));
    }
}
