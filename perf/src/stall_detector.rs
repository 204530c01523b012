//! Requests that fall silent: when a run is to be given up for them. Main type: [`StallDetector`].

use std::time::Duration;

use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::Load;

/// The requests of one run that fell silent.
#[derive(Debug)]
pub(crate) struct StallDetector {
    /// So many may, with all that fail otherwise.
    allowed: f64,
    limit: Duration,
    /// Requests in flight at the same time, at least.
    width: u32,
    /// All of them.
    pub(crate) count: u32,
    in_a_row: u32,
    /// When the last answer was seen.
    answered_us: u64,
}

/// Why a run is to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// More of its requests fell silent than may fail, so it cannot become valid any more.
    TooMany,
    /// Nothing is answered any more, so the rest would fall silent as well.
    Hangs,
}

impl StallDetector {
    /// None so far, of a load.
    pub(crate) fn of(load: &Load) -> Self {
        Self {
            allowed: f64::from(load.requests) * load.failures_allowed.fraction(),
            limit: load.stall_limit,
            width: load.arrivals.width(),
            count: 0,
            in_a_row: 0,
            answered_us: 0,
        }
    }

    /// Takes in a request that ended, and says whether the run is to be given up.
    pub(crate) fn see(&mut self, sample: &Sample) -> Option<GiveUp> {
        if !matches!(sample.outcome, Outcome::Failed { kind: FailureKind::Stalled, .. }) {
            self.in_a_row = 0;
            self.answered_us = self.answered_us.max(sample.last_token_us());
            return None;
        }
        self.count += 1;
        self.in_a_row += 1;
        let silent_since =
            sample.end_us.saturating_sub(u64::try_from(self.limit.as_micros()).unwrap_or(u64::MAX));
        if f64::from(self.count) > self.allowed {
            Some(GiveUp::TooMany)
        } else if self.in_a_row > self.width && self.answered_us <= silent_since {
            // All that were in flight at the same time, and one that was sent after them.
            Some(GiveUp::Hangs)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use perf_model::spec::load::Arrivals;
    use perf_model::spec::units::percent;

    use super::*;
    use crate::load::Load as Declared;

    /// Of 20 requests, two at a time, of which a quarter may fail; after a second, one is silent.
    fn stalls(allowed: f64) -> StallDetector {
        let load = Declared::new("l")
            .requests(20)
            .arrivals(Arrivals::Concurrency(2))
            .failures_allowed(percent(allowed));
        StallDetector::of(&load.stall_limit(Duration::from_secs(1)).declared)
    }

    fn ended(end_s: u64, stalled: bool) -> Sample {
        let outcome = if stalled {
            Outcome::Failed { kind: FailureKind::Stalled, detail: String::new() }
        } else {
            Outcome::Succeeded
        };
        Sample {
            chunks: [].into_iter().collect(),
            end_us: end_s * 1_000_000,
            outcome,
            ..perf_model::fixtures::sample()
        }
    }

    #[test]
    fn where_none_may_fail_the_first_is_too_many() {
        assert_eq!(stalls(0.0).see(&ended(1, true)), Some(GiveUp::TooMany));
    }

    #[test]
    fn as_many_as_may_fail_are_waited_for() {
        let mut stalls = stalls(25.0);
        for second in 1..=5 {
            assert_eq!(stalls.see(&ended(2 * second, true)), None);
            assert_eq!(stalls.see(&ended(2 * second, false)), None);
        }
        assert_eq!(stalls.see(&ended(12, true)), Some(GiveUp::TooMany));
        assert_eq!(stalls.count, 6);
    }

    #[test]
    fn a_server_that_answers_nothing_any_more_hangs() {
        let mut stalls = stalls(25.0);
        assert_eq!(stalls.see(&ended(1, false)), None);
        assert_eq!(stalls.see(&ended(2, true)), None);
        assert_eq!(stalls.see(&ended(2, true)), None);
        assert_eq!(stalls.see(&ended(3, true)), Some(GiveUp::Hangs));
    }

    #[test]
    fn a_server_that_answered_others_meanwhile_does_not_hang() {
        let mut stalls = stalls(25.0);
        assert_eq!(stalls.see(&ended(3, false)), None);
        for _ in 0..4 {
            assert_eq!(stalls.see(&ended(3, true)), None);
        }
    }
}
