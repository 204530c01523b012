//! Turns the verdict of a load that is better than a baseline of long ago into [`Verdict::Stale`]:
//! [`mark`].
//!
//! The baseline's own date decides, so that a runner that remembers nothing says the same as one
//! that does.

use crate::judge::report::LoadReport;
use crate::judge::verdict::Verdict;
use crate::record::day::Day;
use crate::record::finding::{Finding, FindingCode};

/// Marks a load as stale if one of its guards improved and the baseline is older than `limit_days`.
pub fn mark(load: &mut LoadReport, measured_on: Day, today: Day, limit_days: u64) {
    let improved = load.guards().any(|guard| guard.judgement.verdict == Verdict::Improved);
    let age = today.since(measured_on);
    if !improved || !load.verdict.is_pass() || age <= limit_days {
        return;
    }
    load.verdict = Verdict::Stale;
    load.notes.push(Finding::new(FindingCode::ImprovementOld, format!(
        "better than a baseline of {measured_on}, {age} days ago; refresh it, or losing the gain goes unnoticed"
    )));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::judge::judgement::Judgement;
    use crate::judge::report::{GuardRow, Row};
    use crate::spec::units::percent;

    #[test]
    fn an_improvement_on_a_baseline_of_long_ago_is_stale_on_every_runner() {
        use Verdict::{Held, Improved, Regressed, Stale};
        let verdict = |guard: Verdict, whole: Verdict, today: &str| {
            let judgement = Judgement::plain(guard);
            let guard = Some(GuardRow { slack: percent(2.5), limit: None, judgement });
            let row = Row { guard, ..fixtures::row("ttft_p50_ms".parse().unwrap()) };
            let mut load =
                LoadReport { verdict: whole, rows: vec![row], ..fixtures::load_report() };
            mark(&mut load, "2026-01-01".parse().unwrap(), today.parse().unwrap(), 14);
            load.verdict
        };
        assert_eq!(verdict(Improved, Improved, "2026-01-15"), Improved);
        assert_eq!(verdict(Improved, Improved, "2026-01-16"), Stale);
        // Another guard of the load held.
        assert_eq!(verdict(Improved, Held, "2026-01-16"), Stale);
        assert_eq!(verdict(Held, Held, "2026-02-01"), Held);
        assert_eq!(verdict(Improved, Regressed, "2026-02-01"), Regressed);
    }
}
