//! What is searched for, how, and what a probe says of its load: [`SearchPlan`].

use serde::{Deserialize, Serialize};

use super::{BLOCKS, LEAST_LENGTH, Probe, ProbeVerdict};
use crate::share::{Share, fewest};

/// What is searched for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchPlan {
    /// The lowest load: requests per second, or requests at once.
    pub from: f64,
    /// The highest load.
    pub to: f64,
    /// Whether a load is a whole number.
    pub is_whole: bool,
    /// The share of requests that must meet every objective, between 0 and 1.
    pub share: f64,
    /// How far the truth may be from the answer, relative to it.
    pub resolution: f64,
    /// The most probes.
    pub probes: u32,
    /// The probability with which a probe at a load that is not sustained is called sustained, or
    /// the other way round.
    pub error: f64,
}

/// Why a search cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// The range is none.
    #[error("a search needs a range of positive loads, the lower end first, not {0} to {1}")]
    Range(f64, f64),
    /// The share cannot be reached or missed.
    #[error(
        "the share of requests that must meet the objectives is {0} %; it must be above 0 % and below 100 %"
    )]
    Share(f64),
    /// The resolution is too fine or too coarse.
    #[error("the resolution of a search is {0} %; it must be from 0.5 % to 50 %")]
    Resolution(f64),
    /// Two probes at least make an answer.
    #[error("a search of {0} probes finds nothing; allow at least 3")]
    Probes(u32),
}

impl SearchPlan {
    /// Refuses a plan that cannot be followed.
    pub fn check(&self) -> Result<(), SearchError> {
        let Self { from, to, share, resolution, probes, .. } = *self;
        let is_range = from.is_finite() && to.is_finite() && from > 0.0 && from < to;
        if !is_range || (self.is_whole && from < 1.0) {
            return Err(SearchError::Range(from, to));
        }
        if !(share > 0.0 && share < 1.0) {
            return Err(SearchError::Share(share * 100.0));
        }
        if !(0.005..=0.5).contains(&resolution) {
            return Err(SearchError::Resolution(resolution * 100.0));
        }
        if probes < 3 {
            return Err(SearchError::Probes(probes));
        }
        Ok(())
    }

    /// The fewest requests of a probe, without those of its ramp, that can show the share.
    pub fn fewest_requests(&self) -> f64 {
        fewest(self.share, BLOCKS, self.error)
    }

    /// The share of a probe, with the limits that decide it.
    pub fn share_of(&self, probe: &Probe) -> Option<Share> {
        Share::of(&probe.blocks, self.error)
    }

    /// What a probe says of its load.
    pub fn verdict(&self, probe: &Probe) -> ProbeVerdict {
        match self.share_of(probe) {
            Some(share) if share.high < self.share => ProbeVerdict::NotSustained,
            Some(share)
                if share.low >= self.share && !probe.grew && probe.length >= LEAST_LENGTH =>
            {
                ProbeVerdict::Sustained
            }
            _ => ProbeVerdict::Undecided,
        }
    }

    /// By how much the two probes of an answer may be apart.
    fn widest(&self) -> f64 {
        (1.0 + self.resolution).powi(2)
    }

    /// Whether these two loads are close enough together to be an answer.
    pub(super) fn is_close(&self, low: f64, high: f64) -> bool {
        high / low <= self.widest() * (1.0 + 1e-9) || (self.is_whole && high - low < 1.5)
    }
}
