//! The result of a run: a [`SuiteReport`] of [`LoadReport`]s of [`Row`]s. Plain data, written next to
//! the records, read by `cargo xtask perf`, and rendered by `perf-report`.

use serde::{Deserialize, Serialize};

use crate::judge::judgement::Judgement;
use crate::judge::verdict::Verdict;
use crate::record::difference::Difference;
use crate::record::finding::Finding;
use crate::spec::engine_kind::EngineKind;
use crate::spec::metric::Metric;
use crate::spec::units::Percent;

/// One suite, one server configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteReport {
    /// The suite's name.
    pub suite: String,
    /// The engine it ran on.
    pub engine: EngineKind,
    /// The verdict: the worst of its loads.
    pub verdict: Verdict,
    /// Its loads, in the order declared. Empty when it was skipped or could not be measured.
    pub loads: Vec<LoadReport>,
    /// Why it was skipped, what its server died of, or what start failure was expected and seen.
    pub remark: Option<String>,
    /// What it cost: seconds from each start to its stop, times the GPUs, or times 1 on a CPU.
    #[serde(default)]
    pub gpu_s: f64,
    /// How much more a duet that the budget ended would have needed at most, in the same unit; 0 where
    /// none was ended so.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub short_s: f64,
}

/// One load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// The suite's name.
    pub suite: String,
    /// The load's name.
    pub load: String,
    /// The engine it ran on.
    pub engine: EngineKind,
    /// The hardware it ran on.
    pub hardware: String,
    /// The model; empty in reports of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// What was asked.
    pub workload: String,
    /// When.
    pub arrivals: String,
    /// How many requests it keeps in flight; absent for an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// How many engine starts were measured.
    pub starts: usize,
    /// The verdict: the worst of its guards, or why there is none.
    pub verdict: Verdict,
    /// Guards first, then other figures worth seeing.
    pub rows: Vec<Row>,
    /// What is under test and differs from the baseline.
    pub under_test: Vec<Difference>,
    /// What makes it incomparable with the baseline.
    pub incomparable: Vec<Difference>,
    /// Why it must not be judged.
    pub faults: Vec<Finding>,
    /// What a reader should know beside the figures.
    pub notes: Vec<Finding>,
    /// The baseline's file, from the repository's root.
    pub baseline_file: String,
    /// The folder of the records.
    pub records: String,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which.
    pub metric: Metric,
    /// What somebody else published for it: one run, noise unknown.
    pub published: Option<f64>,
    /// The median of the baseline's starts.
    pub baseline: Option<f64>,
    /// The baseline's engine starts, in order: the median of the runs of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baseline_starts: Vec<f64>,
    /// The median of the measured starts.
    pub measured: Option<f64>,
    /// The measured starts, in order.
    pub starts: Vec<f64>,
    /// Measured over baseline, less one; the sign says which way it moved, not whether that is
    /// good.
    pub change: Option<f64>,
    /// Whether what was measured is an estimate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// Whether the baseline's value is one. The two are compared only where both are or none is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub baseline_estimated: bool,
    /// The guard on it, if there is one.
    pub guard: Option<GuardRow>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_nothing(seconds: &f64) -> bool {
    *seconds <= 0.0
}

/// What a guard says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardRow {
    /// How far it may move the wrong way.
    pub slack: Percent,
    /// The value that may just be reached within the band; absent without a baseline.
    pub limit: Option<f64>,
    /// What the gate says of it.
    #[serde(flatten)]
    pub judgement: Judgement,
}

impl GuardRow {
    /// Whether the noise allows no band as narrow as the slack.
    pub fn is_noise_limited(&self) -> bool {
        self.judgement.band.is_some_and(|band| band.value() > self.slack.value() + 1e-6)
    }
}

impl LoadReport {
    /// Whether another engine start is worth measuring: one may still settle a guard, and none has
    /// regressed. A load of which one guard regressed fails, also when the others hold.
    pub fn is_open(&self) -> bool {
        !self.has_regressed() && self.guards().any(|guard| guard.judgement.is_open)
    }

    /// Says why nothing more is measured, of every guard that is not settled.
    pub fn close(&mut self, why: &str) {
        let why = if self.has_regressed() {
            "not decided when another guard of the load regressed"
        } else {
            why
        };
        for guard in self
            .rows
            .iter_mut()
            .filter_map(|row| row.guard.as_mut())
            .filter(|guard| guard.judgement.is_open)
        {
            guard.judgement.is_open = false;
            if guard.judgement.verdict == Verdict::Inconclusive {
                guard.judgement.reason = Some(why.to_owned());
            }
        }
    }

    /// Leaves settled what was settled in the report before: more starts may show a change, but no
    /// guard is opened again, nor undecided after all.
    pub fn keep_settled(&mut self, before: &Self) {
        for row in &mut self.rows {
            let old = before
                .rows
                .iter()
                .find(|old| old.metric == row.metric)
                .and_then(|old| old.guard.as_ref());
            if let (Some(guard), Some(old)) = (&mut row.guard, old)
                && !old.judgement.is_open
                && guard.judgement.verdict == Verdict::Inconclusive
            {
                guard.judgement.is_open = false;
                guard.judgement.is_blind = old.judgement.is_blind;
                guard.judgement.verdict = old.judgement.verdict;
                guard.judgement.reason.clone_from(&old.judgement.reason);
            }
        }
        self.join();
    }

    /// Whether one of its guards regressed.
    pub fn has_regressed(&self) -> bool {
        self.guards().any(|guard| guard.judgement.verdict == Verdict::Regressed)
    }

    /// What its guards say.
    pub fn guards(&self) -> impl Iterator<Item = &GuardRow> {
        self.rows.iter().filter_map(|row| row.guard.as_ref())
    }

    /// Says something of a guard, whose verdict stays.
    pub fn remark(&mut self, metric: Metric, reason: &str) {
        let guards = self
            .rows
            .iter_mut()
            .filter(|row| row.metric == metric)
            .filter_map(|row| row.guard.as_mut());
        guards.for_each(|guard| guard.judgement.reason = Some(reason.to_owned()));
    }

    /// Gives a guard's verdict, and that of the whole anew.
    pub fn settle(&mut self, metric: Metric, verdict: Verdict, reason: &str) {
        let guards = self
            .rows
            .iter_mut()
            .filter(|row| row.metric == metric)
            .filter_map(|row| row.guard.as_mut());
        for guard in guards {
            (guard.judgement.verdict, guard.judgement.reason, guard.judgement.is_open) =
                (verdict, Some(reason.to_owned()), false);
        }
        self.join();
    }

    /// The verdict of the whole anew.
    fn join(&mut self) {
        let verdicts = self.guards().map(|guard| guard.judgement.verdict);
        self.verdict = Verdict::join(verdicts).unwrap_or(self.verdict);
    }
}

impl SuiteReport {
    /// A report of loads that were measured.
    pub fn measured(suite: String, engine: EngineKind, loads: Vec<LoadReport>, gpu_s: f64) -> Self {
        let verdict =
            Verdict::join(loads.iter().map(|load| load.verdict)).unwrap_or(Verdict::Invalid);
        Self { suite, engine, verdict, loads, remark: None, gpu_s, short_s: 0.0 }
    }

    /// Joins the verdicts of the loads again, after one of them changed.
    pub fn join(&mut self) {
        let verdicts = self.loads.iter().map(|load| load.verdict);
        self.verdict = Verdict::join(verdicts).unwrap_or(self.verdict);
    }

    /// A report of a suite whose loads were not measured, and why.
    pub fn unmeasured(suite: String, engine: EngineKind, verdict: Verdict, remark: String) -> Self {
        let (loads, remark, gpu_s, short_s) = (Vec::new(), Some(remark), 0.0, 0.0);
        Self { suite, engine, verdict, loads, remark, gpu_s, short_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::units::percent;

    fn report(guards: &[(&str, Verdict, bool)]) -> LoadReport {
        let row = |(metric, verdict, is_open): &(&str, Verdict, bool)| Row {
            guard: Some(GuardRow {
                slack: percent(2.5),
                limit: None,
                judgement: Judgement { is_open: *is_open, ..Judgement::plain(*verdict) },
            }),
            ..crate::fixtures::row(metric.parse().unwrap())
        };
        LoadReport {
            verdict: Verdict::join(guards.iter().map(|guard| guard.1)).unwrap(),
            rows: guards.iter().map(row).collect(),
            ..crate::fixtures::load_report()
        }
    }

    const OPEN: (&str, Verdict, bool) = ("ttft_p50_ms", Verdict::Inconclusive, true);

    #[test]
    fn a_load_is_measured_until_nothing_of_it_is_open_or_something_regressed() {
        assert!(report(&[OPEN, ("e2e_p50_ms", Verdict::Held, false)]).is_open());
        assert!(!report(&[("e2e_p50_ms", Verdict::Held, false)]).is_open());
        let mut failed = report(&[OPEN, ("e2e_p50_ms", Verdict::Regressed, false)]);
        assert!(!failed.is_open());
        failed.close("the budget is used up");
        let reason = failed.guards().next().unwrap().judgement.reason.as_deref();
        assert_eq!(reason, Some("not decided when another guard of the load regressed"));
    }

    #[test]
    fn what_is_settled_is_not_opened_again_but_may_still_show_a_change() {
        let held =
            report(&[("ttft_p50_ms", Verdict::Held, false), ("e2e_p50_ms", Verdict::Held, false)]);
        let mut now = report(&[OPEN, ("e2e_p50_ms", Verdict::Regressed, false)]);
        now.keep_settled(&held);
        let verdicts: Vec<Verdict> = now.guards().map(|guard| guard.judgement.verdict).collect();
        assert_eq!(verdicts, [Verdict::Held, Verdict::Regressed]);
        assert_eq!(now.verdict, Verdict::Regressed);
        assert!(!now.is_open());
    }

    #[test]
    fn a_held_guard_never_turns_inconclusive_at_the_last_look() {
        let held = report(&[("ttft_p50_ms", Verdict::Held, false)]);
        let mut last = report(&[("ttft_p50_ms", Verdict::Inconclusive, false)]);
        last.keep_settled(&held);
        assert_eq!(last.verdict, Verdict::Held);
    }

    #[test]
    fn a_load_that_crept_keeps_saying_so_when_the_budget_is_used_up() {
        let mut crept = report(&[("ttft_p50_ms", Verdict::Creep, true)]);
        crept.close("the budget is used up");
        assert_eq!((crept.verdict, crept.is_open()), (Verdict::Creep, false));
        assert_eq!(crept.guards().next().unwrap().judgement.reason, None);
    }
}
