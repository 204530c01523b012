//! What the baselines of a suite say together of each one's noise: [`Knowledge`].
//!
//! A run, `judge`, `power` and `refresh` all learn here, so that the same values give the same band
//! and the same verdict everywhere.

use crate::pairs::Pairs;
use crate::position::{Offset, Positions};
use crate::prior::Prior;
use crate::series::Series;

/// Which noise a metric has: that of most, or that of high percentiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Throughputs, means, medians.
    Central,
    /// Percentiles from the 90th, maxima.
    Tail,
}

/// What is known of the noise of a suite's metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knowledge {
    central: Prior,
    tail: Prior,
    positions: Positions,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self { central: Prior::central(), tail: Prior::tail(), positions: Positions::default() }
    }
}

impl Kind {
    /// By a metric's name; see [`Prior::of_metric`].
    pub fn of_metric(name: &str) -> Self {
        if Prior::of_metric(name) == Prior::tail() { Self::Tail } else { Self::Central }
    }
}

impl Knowledge {
    /// Learns from the baselines of all guards of a suite, which were measured in the same sessions
    /// on the same machine.
    pub fn of(baselines: &[(Kind, &Series)]) -> Self {
        let of_kind = |wanted: Kind| -> Vec<&Series> {
            let those = baselines.iter().filter(|(kind, _)| *kind == wanted);
            those.map(|(_, series)| *series).collect()
        };
        let all: Vec<&Series> = baselines.iter().map(|(_, series)| *series).collect();
        let sessions = all.iter().map(|series| series.sessions()).max().unwrap_or(1);
        let learned = |prior: Prior, kind| prior.of_sessions(sessions).learned(&of_kind(kind));
        Self {
            central: learned(Prior::central(), Kind::Central),
            tail: learned(Prior::tail(), Kind::Tail),
            positions: Positions::of(&all),
        }
    }

    /// Learns from the pairs so far of all guards of a suite.
    pub fn of_pairs(all: &[(Kind, &Pairs)]) -> Self {
        let learned = |prior: Prior, wanted: Kind| {
            let those = all.iter().filter(|(kind, _)| *kind == wanted);
            prior.learned_of_pairs(&those.map(|(_, pairs)| *pairs).collect::<Vec<_>>())
        };
        Self {
            central: learned(Prior::central(), Kind::Central),
            tail: learned(Prior::tail(), Kind::Tail),
            positions: Positions::default(),
        }
    }

    /// What is known of the noise of a metric of this kind.
    pub fn prior(&self, kind: Kind) -> Prior {
        match kind {
            Kind::Central => self.central,
            Kind::Tail => self.tail,
        }
    }

    /// By how much the first run of a start differs from the value of all its runs, in this
    /// baseline.
    pub fn offset(&self, baseline: &Series) -> Offset {
        self.positions.offset(baseline)
    }
}
