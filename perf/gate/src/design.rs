//! The budget and the error rates of a whole suite: [`Design`].

/// The budget and the error rates of a whole suite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// The guards (guards) of the whole suite. Each gets its share of the false alarms.
    pub guards: usize,
    /// The most engine starts of one measurement; the gate judges after each.
    pub max_starts: usize,
    /// The fewest starts, on either side, on which something may be called regressed or improved.
    pub min_starts: usize,
    /// Runs of each start of the candidate. What is planned decides the band; what
    /// was measured decides the verdict, so that other numbers than this are judged rightly too.
    pub runs: usize,
    /// The probability that a suite in which nothing changed shows any regression.
    pub false_alarms: f64,
    /// The probability that a guard misses a loss of twice its band.
    pub misses: f64,
}

impl Default for Design {
    fn default() -> Self {
        Self { guards: 40, max_starts: 8, min_starts: 3, runs: 1, false_alarms: 0.05, misses: 0.05 }
    }
}

/// Why a design cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DesignError {
    /// No guards.
    #[error("the design has no guards; give the number of guards of the suite, at least 1")]
    NoGuards,
    /// A start without runs.
    #[error("the design has starts without runs; give each start at least 1 run")]
    NoRuns,
    /// More starts needed than there may be, or too many to compute.
    #[error(
        "the design needs at least {min} starts for a verdict and allows at most {max}; give 1 ≤ min ≤ max ≤ 64"
    )]
    Starts {
        /// [`Design::min_starts`].
        min: usize,
        /// [`Design::max_starts`].
        max: usize,
    },
    /// An error rate outside the useful range.
    #[error(
        "the rate of {what} is {rate}; give one above 0 and below 0.5, for example 0.05 for 5 %"
    )]
    Rate {
        /// Which.
        what: &'static str,
        /// What was given.
        rate: f64,
    },
}

impl Design {
    /// For a suite of `guards` guards, with the usual budget and rates.
    pub fn of(guards: usize) -> Self {
        Self { guards, ..Self::default() }
    }

    /// Refuses a design that cannot be used.
    pub fn check(&self) -> Result<(), DesignError> {
        if self.guards == 0 {
            return Err(DesignError::NoGuards);
        }
        if self.runs == 0 {
            return Err(DesignError::NoRuns);
        }
        if self.min_starts == 0 || self.min_starts > self.max_starts || self.max_starts > 64 {
            return Err(DesignError::Starts { min: self.min_starts, max: self.max_starts });
        }
        for (what, rate) in [("false alarms", self.false_alarms), ("misses", self.misses)] {
            if !(rate > 0.0 && rate < 0.5) {
                return Err(DesignError::Rate { what, rate });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn designs_that_cannot_be_used_are_refused() {
        let usual = Design::default();
        assert_eq!(usual.check(), Ok(()));
        assert_eq!(Design { guards: 0, ..usual }.check(), Err(DesignError::NoGuards));
        assert_eq!(Design { runs: 0, ..usual }.check(), Err(DesignError::NoRuns));
        for (min, max) in [(0, 8), (9, 8), (3, 65)] {
            assert!(
                Design { min_starts: min, max_starts: max, ..usual }.check().is_err(),
                "{min} {max}"
            );
        }
        for rate in [0.0, 0.5, 1.0, f64::NAN] {
            assert!(Design { false_alarms: rate, ..usual }.check().is_err(), "{rate}");
            assert!(Design { misses: rate, ..usual }.check().is_err(), "{rate}");
        }
    }
}
