//! The gate: a guard and the values of its metric on both sides → what may be said. Main type:
//! [`Gate`].
//!
//! The statistics are those of `perf-gate`, which `docs/GATE.md` explains; this is what they mean
//! for guards.

use perf_gate::{
    Anchor, Boundaries, Check, Design, Duet, DuetPlan, Pairs, Plan, Power, Prior, Resolution,
    Series, compare_pairs, creep, power,
};

use crate::judge::verdict::Verdict;
use crate::spec::config;
use crate::spec::guard::Guard;
use crate::spec::metric::{self, Metric};

/// Runs of each load in a start of a duet.
pub const DUET_RUNS: u32 = perf_gate::DUET_RUNS;

/// How a run judges.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    design: Design,
    /// What is known of the noise of means and medians, and of high percentiles.
    central: Prior,
    tail: Prior,
}

/// The runs of a base's start, and of a candidate's that was measured next to it.
pub type Pair = (Vec<f64>, Vec<f64>);

/// Why a run cannot judge.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the gate cannot be set up: {0}")]
pub struct GateError(#[from] perf_gate::DesignError);

/// What the gate says of one guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict. While it is open: what it would be if nothing more were measured.
    pub verdict: Verdict,
    /// Whether another start may still settle it.
    pub is_open: bool,
    /// Why, where the verdict alone does not say it.
    pub reason: Option<String>,
    /// The 95 % confidence interval of the relative change; absent where the gate was not asked.
    pub interval: Option<(f64, f64)>,
    /// How far the metric may in truth be told to move the wrong way, relative; absent where the
    /// gate was not asked.
    pub band: Option<f64>,
}

/// What a duet says of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Another pair may tell.
    Open,
    /// It is a regression.
    Confirmed,
    /// It is none.
    Acquitted,
    /// It could not be told before, and not in a duet either.
    Unclear,
}

/// What a duet says of one guard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confirmation {
    /// What it says.
    pub said: Said,
    /// The relative change between the sides.
    pub change: f64,
    /// Its 95 % confidence interval.
    pub interval: (f64, f64),
}

impl Judgement {
    /// A verdict that needed no gate.
    pub fn plain(verdict: Verdict) -> Self {
        Self { verdict, is_open: false, reason: None, interval: None, band: None }
    }

    /// Nothing can be said, and why.
    fn invalid(why: String) -> Self {
        Self { reason: Some(why), ..Self::plain(Verdict::Invalid) }
    }
}

impl Gate {
    /// A gate for a run.
    pub fn new(design: Design) -> Result<Self, GateError> {
        design.check()?;
        Ok(Self { design, central: Prior::central(), tail: Prior::tail() })
    }

    /// This gate with what baselines tell of the noise: those of all guards of a suite, which were
    /// measured in the same sessions on the same machine.
    #[must_use]
    pub fn learned<'a>(
        self,
        baselines: impl Iterator<Item = (&'a Guard, &'a [Vec<Vec<f64>>])>,
    ) -> Self {
        let (mut central, mut tail) = (Vec::new(), Vec::new());
        for (guard, sessions) in baselines {
            if let Ok(series) = series(guard, sessions) {
                let kind = if is_tail(guard) { &mut tail } else { &mut central };
                kind.push(series);
            }
        }
        let learn = |prior: Prior, from: &[Series]| prior.learned(&from.iter().collect::<Vec<_>>());
        Self {
            central: learn(Prior::central(), &central),
            tail: learn(Prior::tail(), &tail),
            ..self
        }
    }

    /// The gate of a run: as `perf.toml` says, for so many guards, and so many engine starts where
    /// the budget says how many.
    pub fn of_run(
        config: &config::Gate,
        checks: usize,
        starts: Option<u32>,
    ) -> Result<Self, GateError> {
        let usual = Design::of(checks.max(1));
        // However small the budget, nothing is called a change on fewer starts: what is open when
        // it is used up stays so.
        let max_starts = starts
            .map_or(config.most_starts as usize, |starts| usual.min_starts.max(starts as usize));
        Self::new(Design {
            max_starts,
            false_alarms: config.false_alarms,
            misses: config.misses,
            ..usual
        })
    }

    /// The most engine starts of one measurement that decide anything.
    pub fn most_starts(&self) -> usize {
        self.design.max_starts
    }

    /// The fewest engine starts on which something is called a change.
    pub fn fewest_starts(&self) -> usize {
        self.design.min_starts
    }

    /// What to say of a baseline on so many engine starts, if nothing can be called a change
    /// against it.
    pub fn too_few(&self, starts: usize) -> Option<String> {
        let fewest = self.fewest_starts();
        (starts < fewest).then(|| {
            format!(
                "nothing is called a change against a baseline on {starts} engine start{}: {fewest} a side are needed at \
                 least; measure it again with `cargo xtask perf refresh --starts {fewest}`, or more",
                if starts == 1 { "" } else { "s" }
            )
        })
    }

    /// Judges one guard on the values of its metric: the baseline's `[session][start][run]`, and
    /// those measured so far, `[start][run]`.
    pub fn judge(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
        measured: &[Vec<f64>],
    ) -> Judgement {
        let judged = self
            .plan(guard, baseline)
            .and_then(|plan| Ok(plan.judge(&candidate(guard, measured)?)));
        let judged = match judged {
            Ok(judged) => judged,
            Err(why) => return Judgement::invalid(why),
        };
        let (verdict, is_open) = said(judged.verdict);
        let (change, band) =
            (judged.change.abs() * 100.0, judged.resolution.effective_tolerance * 100.0);
        let worse = || {
            let ruled_out = judged.resolution.detects * 100.0;
            let told = if change > band {
                format!(
                    "more than the band of {band:.1} %; to be told of that much, halve the slack"
                )
            } else {
                format!("within the band of {band:.1} %")
            };
            format!(
                "worse by {change:.1} %, {told}; held, because a loss of {ruled_out:.1} % is ruled out"
            )
        };
        Judgement {
            verdict,
            is_open,
            reason: judged.reason.or_else(|| judged.held_but_worse.then(worse)),
            interval: Some((judged.change_low, judged.change_high)),
            band: Some(judged.resolution.effective_tolerance),
        }
    }

    /// Judges one guard on pairs of starts, base and candidate in turn.
    pub fn pairs(&self, guard: &Guard, pairs: &[Pair]) -> Judgement {
        let judged = self.check(guard).and_then(|check| {
            let boundaries =
                Boundaries::of_pairs(&self.design).map_err(|error| error.to_string())?;
            Ok(compare_pairs(&boundaries, &check, &sides(guard, pairs)?))
        });
        match judged {
            Err(why) => Judgement::invalid(why),
            Ok(Duet { verdict, reason, change_low, change_high, effective_tolerance, .. }) => {
                let (verdict, is_open) = said(verdict);
                let band = Some(effective_tolerance);
                Judgement {
                    verdict,
                    is_open,
                    reason,
                    interval: Some((change_low, change_high)),
                    band,
                }
            }
        }
    }

    /// Judges a guard again, on pairs of starts with what its baseline was measured on: `most`
    /// pairs at most.
    ///
    /// `measured` are the starts that raised the suspicion. The last pair decides, but for what was
    /// never shown: where neither side of it is ruled out it stays unclear.
    pub fn confirm(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
        measured: &[Vec<f64>],
        pairs: &[Pair],
        most: u32,
    ) -> Result<Confirmation, String> {
        let plan = self.plan(guard, baseline)?;
        let judged = plan.judge(&candidate(guard, measured)?);
        let duet = DuetPlan::new(most as usize).map_err(|error| error.to_string())?;
        let duet = duet.confirm(plan.check(), &judged, &sides(guard, pairs)?);
        let ruled_out = duet.z_below >= duet.z_held;
        let said = match duet.verdict {
            perf_gate::Verdict::GoOn => Said::Open,
            perf_gate::Verdict::Regressed => Said::Confirmed,
            _ if judged.verdict == perf_gate::Verdict::Regressed || ruled_out => Said::Acquitted,
            _ => Said::Unclear,
        };
        Ok(Confirmation {
            said,
            change: duet.change,
            interval: (duet.change_low, duet.change_high),
        })
    }

    /// Holds a baseline against its anchor, and turns a verdict that would let it pass into creep
    /// if the losses that were accepted since add up to more than the slack.
    pub fn or_creep(
        &self,
        guard: &Guard,
        judged: Judgement,
        anchor: &[Vec<Vec<f64>>],
        baseline: &[Vec<Vec<f64>>],
    ) -> Judgement {
        let is_pass = judged.verdict.is_pass() || judged.verdict == Verdict::Inconclusive;
        let held = self.check(guard).and_then(|check| {
            let anchor = Anchor::of(&check, &series(guard, anchor)?);
            Ok(creep(&self.design, &check, &anchor, &series(guard, baseline)?))
        });
        match held {
            // What is open stays so: more starts may show that this very candidate regressed.
            Ok(creep) if creep.crept && is_pass => Judgement {
                verdict: Verdict::Creep,
                reason: Some(format!(
                    "what was accepted since the anchor adds up to {:+.1} % ({:+.1} to {:+.1} %)",
                    creep.change * 100.0,
                    creep.change_low * 100.0,
                    creep.change_high * 100.0
                )),
                ..judged
            },
            _ => judged,
        }
    }

    /// What a baseline can tell of a guard.
    pub fn resolution(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
    ) -> Result<Resolution, String> {
        Ok(*self.plan(guard, baseline)?.resolution())
    }

    /// What would be said of a guard if its metric truly changed so much, relative to the baseline.
    pub fn power(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
        change: f64,
    ) -> Result<Power, String> {
        Ok(power(&self.plan(guard, baseline)?, change, TRIALS))
    }

    fn check(&self, guard: &Guard) -> Result<Check, String> {
        check(guard, if is_tail(guard) { self.tail } else { self.central })
    }

    fn plan(&self, guard: &Guard, baseline: &[Vec<Vec<f64>>]) -> Result<Plan, String> {
        let check = self.check(guard)?;
        if baseline.iter().flatten().next().is_none() {
            let what = guard.metric.label();
            return Err(format!(
                "the baseline holds no {what}; take it anew with `cargo xtask perf refresh`"
            ));
        }
        let baseline = series(guard, baseline).map_err(|error| format!("the baseline: {error}"))?;
        let boundaries =
            Boundaries::of(&self.design, baseline.starts()).map_err(|error| error.to_string())?;
        Ok(Plan::new(&boundaries, &check, &baseline))
    }
}

/// Trials of a power estimate: each probability is right to within 2 %.
const TRIALS: u32 = 2_000;

/// A verdict of the statistics; what is still open is inconclusive.
pub fn verdict_of(verdict: perf_gate::Verdict) -> Verdict {
    said(verdict).0
}

/// A verdict of the statistics, and whether it is open.
fn said(verdict: perf_gate::Verdict) -> (Verdict, bool) {
    match verdict {
        perf_gate::Verdict::Regressed => (Verdict::Regressed, false),
        perf_gate::Verdict::Held => (Verdict::Held, false),
        perf_gate::Verdict::Improved => (Verdict::Improved, false),
        perf_gate::Verdict::Inconclusive => (Verdict::Inconclusive, false),
        perf_gate::Verdict::GoOn => (Verdict::Inconclusive, true),
    }
}

/// Whether a guard is on a high percentile.
fn is_tail(guard: &Guard) -> bool {
    Prior::of_metric(&guard.metric.to_string()) == Prior::tail()
}

fn check(guard: &Guard, prior: Prior) -> Result<Check, String> {
    Check::new(direction(guard.metric), guard.slack.fraction(), prior)
        .map_err(|error| error.to_string())
}

fn series(guard: &Guard, sessions: &[Vec<Vec<f64>>]) -> Result<Series, String> {
    Series::new(direction(guard.metric), sessions).map_err(|error| error.to_string())
}

fn candidate(guard: &Guard, starts: &[Vec<f64>]) -> Result<Series, String> {
    if starts.is_empty() {
        let what = guard.metric.label();
        return Err(format!(
            "the load gave no {what}; guard what it measures (a TPOT needs two tokens, a TTFT a stream)"
        ));
    }
    series(guard, &[starts.to_vec()]).map_err(|error| format!("the measurement: {error}"))
}

fn sides(guard: &Guard, pairs: &[Pair]) -> Result<Pairs, String> {
    Pairs::new(direction(guard.metric), pairs).map_err(|error| error.to_string())
}

/// The same direction, in the words of the statistics.
fn direction(metric: Metric) -> perf_gate::Direction {
    match metric.direction() {
        metric::Direction::HigherIsBetter => perf_gate::Direction::HigherIsBetter,
        metric::Direction::LowerIsBetter => perf_gate::Direction::LowerIsBetter,
    }
}

#[cfg(test)]
mod tests;
