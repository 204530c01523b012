//! Turns the verdict of a load that has been better than its baseline for too long into
//! [`Verdict::Stale`]: [`Staleness`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::report::LoadReport;
use crate::judge::verdict::Verdict;
use crate::record::finding::{Finding, FindingCode};
use crate::record::hash::fnv_1a;

/// A day, in seconds.
pub const DAY_S: u64 = 86_400;

/// Since when each load has been better than its baseline, in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Staleness(BTreeMap<String, u64>);

impl Staleness {
    /// Takes a load's verdict into account. `baseline` is the text of its baseline: a new baseline
    /// starts a new count. An improvement older than `limit_s` makes the verdict stale.
    pub fn apply(&mut self, load: &mut LoadReport, baseline: &str, now_s: u64, limit_s: u64) {
        let key = format!("{}/{}#{:016x}", load.suite, load.load, fnv_1a(baseline.as_bytes()));
        if load.verdict != Verdict::Improved {
            if load.verdict == Verdict::Held {
                self.0.remove(&key);
            }
            return;
        }
        let age_s = now_s.saturating_sub(*self.0.entry(key).or_insert(now_s));
        if age_s > limit_s {
            load.verdict = Verdict::Stale;
            let days = age_s / DAY_S;
            load.notes.push(Finding::new(FindingCode::ImprovementOld, format!(
                "better than its baseline for {days} days; refresh it, or losing the gain goes unnoticed"
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn an_improvement_that_lasts_too_long_is_stale_and_a_held_verdict_starts_a_new_count() {
        let mut staleness = Staleness::default();
        let mut verdict_after = |days: u64, verdict: Verdict| {
            let mut load = LoadReport { verdict, ..fixtures::load_report() };
            staleness.apply(&mut load, "a baseline", days * DAY_S, 14 * DAY_S);
            load.verdict
        };
        assert_eq!(verdict_after(0, Verdict::Improved), Verdict::Improved);
        assert_eq!(verdict_after(14, Verdict::Improved), Verdict::Improved);
        assert_eq!(verdict_after(15, Verdict::Improved), Verdict::Stale);
        assert_eq!(verdict_after(16, Verdict::Held), Verdict::Held);
        assert_eq!(verdict_after(17, Verdict::Improved), Verdict::Improved);
    }
}
