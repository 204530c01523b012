//! What becomes of a verdict whose duet the budget ended: [`leave_undecided`].
//!
//! A regression is confirmed or overturned side by side, because a slow hour looks the same in one
//! measurement. Where only more GPU time is lacking for that, the loss is neither: the verdict is
//! inconclusive, and says what the pairs show so far and what would decide it.

use crate::judge::duet::Suspicion;
use crate::judge::gate::Gate;
use crate::judge::report::LoadReport;
use crate::judge::results::{RepetitionResult, pairs_of, runs_by_start};
use crate::judge::verdict::Verdict;
use crate::spec::gpu_time::GpuTime;
use crate::spec::guard::Guard;

/// How far a duet came that the budget ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ending {
    /// The pairs that were measured.
    pub pairs: u32,
    /// The GPU seconds that it lacked for all the pairs that it may take.
    pub short_s: f64,
}

/// Leaves undecided the guards that a duet was held for and the budget ended before it decided.
/// `sides` are the base's starts and the candidate's, pair by pair. An improvement is no part of
/// this: see [`leave_unconfirmed`](crate::judge::duet::leave_unconfirmed).
pub fn leave_undecided(
    report: &mut LoadReport,
    open: &[Guard],
    gate: &Gate,
    raised_by: &Suspicion<'_>,
    ended: &Ending,
    [base, candidate]: [&[RepetitionResult]; 2],
) {
    for guard in open {
        let found = report.rows.iter().find(|row| row.metric == guard.metric);
        let Some(judgement) = found.and_then(|row| row.guard.as_ref()).map(|row| &row.judgement)
        else {
            continue;
        };
        let judged = match judgement.verdict {
            Verdict::Regressed => perf_gate::Verdict::Regressed,
            Verdict::Inconclusive => perf_gate::Verdict::Inconclusive,
            // An improvement passes either way.
            _ => continue,
        };
        let how = match (ended.pairs, judgement.verdict) {
            // Why the starts did not decide is said already.
            (0, Verdict::Inconclusive) => continue,
            (0, _) => "before the first pair of the duet".to_owned(),
            (pairs, _) => format!("after {pairs} of {} pairs of the duet", raised_by.most_pairs),
        };
        let so_far = so_far(guard, gate, raised_by, base, candidate).unwrap_or_default();
        let was = if judged == perf_gate::Verdict::Regressed {
            "worse than the baseline, and not confirmed"
        } else {
            "not decided"
        };
        let reason = format!(
            "{was}: the budget ended {how}{so_far}; up to {} more GPU time decides it (`--budget`)",
            GpuTime::at_least(ended.short_s)
        );
        report.settle(guard.metric, Verdict::from(judged.unfinished()), &reason);
    }
}

/// What the pairs so far show of a guard, and whether that is what the baseline shows.
fn so_far(
    guard: &Guard,
    gate: &Gate,
    raised_by: &Suspicion<'_>,
    base: &[RepetitionResult],
    candidate: &[RepetitionResult],
) -> Option<String> {
    let pairs = pairs_of(base, candidate, guard.metric);
    let before = raised_by.baseline.sessions(guard.metric);
    let measured = runs_by_start(raised_by.starts, guard.metric);
    let limits = (raised_by.most_pairs, raised_by.suspects);
    let duet = gate.confirm(guard, before, &measured, &pairs, limits).ok()?;
    let (low, high) = duet.interval;
    let agrees = if duet.agrees {
        "they agree with a loss beyond the band"
    } else {
        "they show no loss beyond the band"
    };
    Some(format!(
        ", which show {:+.1} % ({:+.1} to {:+.1} %) so far: {agrees}",
        100.0 * duet.change,
        100.0 * low,
        100.0 * high
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::judge::baseline::Baseline;
    use crate::judge::judgement::Judgement;
    use crate::judge::report::{GuardRow, Row};
    use crate::spec::units::percent;

    const METRIC: &str = "output_throughput_tok_per_s";

    fn side(values: &[f64]) -> Vec<RepetitionResult> {
        (1..)
            .zip(values)
            .map(|(start, value)| {
                let mut run = fixtures::repetition(start);
                run.summary.values = [(METRIC.parse().unwrap(), *value)].into();
                run
            })
            .collect()
    }

    /// What a load of this verdict says after pairs of these values.
    fn after(verdict: Verdict, pairs: &[(f64, f64)]) -> (LoadReport, String) {
        let guard = Guard::new(METRIC.parse().unwrap(), percent(2.5));
        let row = Row {
            guard: Some(GuardRow {
                slack: guard.slack,
                limit: None,
                judgement: Judgement::plain(verdict),
            }),
            ..fixtures::row(guard.metric)
        };
        let mut report = LoadReport { verdict, rows: vec![row], ..fixtures::load_report() };
        let baseline = Baseline {
            suite: "s".into(),
            load: "l".into(),
            workload: String::new(),
            arrivals: String::new(),
            fingerprint: fixtures::fingerprint(),
            measured_on: None,
            gpu_s_per_start: 0.0,
            slacks: [].into(),
            estimated: [].into(),
            metrics: [(
                guard.metric,
                vec![vec![vec![100.0], vec![100.2], vec![99.8], vec![100.1], vec![99.9]]],
            )]
            .into(),
        };
        let lost = side(&[90.0, 90.1, 89.9]);
        let raised_by =
            Suspicion { baseline: &baseline, starts: &lost, most_pairs: 4, suspects: 1 };
        let gate = Gate::new(perf_gate::Design::of(1)).unwrap();
        let (base, candidate): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let ended = Ending { pairs: u32::try_from(pairs.len()).unwrap(), short_s: 700.0 };
        let sides = [side(&base), side(&candidate)];
        leave_undecided(&mut report, &[guard], &gate, &raised_by, &ended, [&sides[0], &sides[1]]);
        let reason = report.guards().next().unwrap().judgement.reason.clone();
        (report, reason.unwrap_or_default())
    }

    #[test]
    fn a_loss_whose_duet_the_budget_ended_is_inconclusive_with_what_the_pairs_show_and_lack() {
        let (report, reason) = after(Verdict::Regressed, &[(90.2, 90.0)]);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert!(
            reason.starts_with(
                "worse than the baseline, and not confirmed: the budget ended after 1 of 4 pairs of the duet, which show -0.2 % ("
            ),
            "{reason}"
        );
        assert!(
            reason.contains("they show no loss beyond the band; up to 12m more GPU time"),
            "{reason}"
        );
    }

    #[test]
    fn pairs_that_agree_with_a_large_loss_say_so() {
        let (report, reason) = after(Verdict::Regressed, &[(100.0, 78.0)]);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert!(
            reason.contains("show -22.0 % (") && reason.contains("they agree with a loss"),
            "{reason}"
        );
    }

    #[test]
    fn without_a_pair_nothing_is_said_of_a_difference() {
        let (report, reason) = after(Verdict::Regressed, &[]);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert!(
            reason.contains("the budget ended before the first pair of the duet; up to 12m"),
            "{reason}"
        );
    }

    #[test]
    fn an_improvement_is_left_as_it_was() {
        assert_eq!(after(Verdict::Improved, &[(90.2, 90.0)]).0.verdict, Verdict::Improved);
    }
}
