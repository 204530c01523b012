//! The gate: a guard and the values of its metric on both sides → a verdict. Main type: [`Gate`].
//!
//! The statistics are those of `perf-gate`, which `docs/gate/method.md` explains. This module
//! applies them to guards.

use perf_gate::{
    Anchor, Boundaries, Design, DuetPlan, Pairs, Plan, Power, Prior, Resolution, Series,
    compare_pairs, creep, power,
};

use crate::judge::judgement::Judgement;
use crate::judge::verdict::Verdict;
use crate::spec::config;
use crate::spec::guard::Guard;

/// Repetitions of each load in a start of a duet.
pub const DUET_RUNS: u32 = perf_gate::DUET_RUNS;

/// How a run judges: the design of its suite, and what is known of the noise.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    design: Design,
    /// For throughputs, means and medians.
    central: Prior,
    /// For high percentiles.
    tail: Prior,
}

/// The repetitions of a start of the base, and of the candidate's start next to it.
pub type Pair = (Vec<f64>, Vec<f64>);

/// Why a run cannot judge.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the gate cannot be set up: {0}")]
pub struct GateError(#[from] perf_gate::DesignError);

/// What a duet made of a suspected regression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuetOutcome {
    /// Not decided yet: another pair can decide.
    Open,
    /// It is a regression.
    Confirmed,
    /// It is not a regression.
    Overturned,
    /// It was inconclusive before the duet, and still is.
    Undecided,
}

/// What a duet found for one guard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confirmation {
    /// The outcome.
    pub outcome: DuetOutcome,
    /// The relative change between the sides.
    pub change: f64,
    /// Its 95 % confidence interval.
    pub interval: (f64, f64),
}

impl Gate {
    /// A gate for a run.
    pub fn new(design: Design) -> Result<Self, GateError> {
        design.check()?;
        Ok(Self { design, central: Prior::central(), tail: Prior::tail() })
    }

    /// This gate with the noise learned from baselines: those of all guards of a suite, which were
    /// measured in the same sessions on the same machine.
    #[must_use]
    pub fn learned<'a>(
        self,
        baselines: impl Iterator<Item = (&'a Guard, &'a [Vec<Vec<f64>>])>,
    ) -> Self {
        let (mut central, mut tail) = (Vec::new(), Vec::new());
        for (guard, sessions) in baselines {
            if let Ok(series) = series(guard, sessions) {
                let kind = if guard.metric.is_tail() { &mut tail } else { &mut central };
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

    /// The gate of a run: as `perf.toml` says, for this number of guards, and for this number of
    /// engine starts if the budget gives one.
    pub fn of_run(
        config: &config::Gate,
        guards: usize,
        starts: Option<u32>,
    ) -> Result<Self, GateError> {
        let usual = Design::of(guards.max(1));
        // A small budget does not lower the fewest starts of a verdict: what is open when the
        // budget is used up stays open.
        let max_starts = starts
            .map_or(config.most_starts as usize, |starts| usual.min_starts.max(starts as usize));
        Self::new(Design {
            max_starts,
            false_alarms: config.false_alarms,
            misses: config.misses,
            ..usual
        })
    }

    /// The most engine starts of one measurement.
    pub fn most_starts(&self) -> usize {
        self.design.max_starts
    }

    /// The fewest engine starts, on either side, that can show a change.
    pub fn fewest_starts(&self) -> usize {
        self.design.min_starts
    }

    /// What to say of a baseline of this number of engine starts, if it is too small to report a
    /// change.
    pub fn too_few(&self, starts: usize) -> Option<String> {
        let fewest = self.fewest_starts();
        (starts < fewest).then(|| {
            format!(
                "{}; measure it again with `cargo xtask perf refresh --starts {fewest}`, or more starts",
                perf_gate::too_few_starts(starts, fewest)
            )
        })
    }

    /// Judges one guard on the values of its metric: the baseline's `[session][start][repetition]`,
    /// and those measured so far, `[start][repetition]`.
    pub fn judge(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
        measured: &[Vec<f64>],
    ) -> Judgement {
        let judged = self
            .plan(guard, baseline)
            .and_then(|plan| Ok(plan.judge(&candidate(guard, measured)?)));
        judged.map_or_else(Judgement::invalid, Judgement::from)
    }

    /// Judges one guard on pairs of starts, base and candidate in turn.
    pub fn pairs(&self, guard: &Guard, pairs: &[Pair]) -> Judgement {
        let judged = self.statistical(guard).and_then(|statistical| {
            let boundaries =
                Boundaries::of_pairs(&self.design).map_err(|error| error.to_string())?;
            Ok(compare_pairs(&boundaries, &statistical, &sides(guard, pairs)?))
        });
        judged.map_or_else(Judgement::invalid, Judgement::from)
    }

    /// Judges a guard again on pairs of starts of what its baseline was measured on and of the
    /// candidate: `most` pairs at most.
    ///
    /// `measured` are the starts that raised the suspicion. The last pair decides whether a
    /// regression is confirmed. What was inconclusive stays undecided if the pairs neither show nor
    /// rule out a loss.
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
        let duet = duet.confirm(plan.guard(), &judged, &sides(guard, pairs)?);
        let ruled_out = duet.z_below >= duet.z_held;
        let outcome = match duet.verdict {
            perf_gate::Verdict::Continue => DuetOutcome::Open,
            perf_gate::Verdict::Regressed => DuetOutcome::Confirmed,
            _ if judged.verdict == perf_gate::Verdict::Regressed || ruled_out => {
                DuetOutcome::Overturned
            }
            _ => DuetOutcome::Undecided,
        };
        Ok(Confirmation {
            outcome,
            change: duet.change,
            interval: (duet.change_low, duet.change_high),
        })
    }

    /// Compares a baseline with its anchor, and turns a verdict that would pass into *creep* if the
    /// losses that were accepted since the anchor add up to more than the slack.
    pub fn check_creep(
        &self,
        guard: &Guard,
        judged: Judgement,
        anchor: &[Vec<Vec<f64>>],
        baseline: &[Vec<Vec<f64>>],
    ) -> Judgement {
        let is_pass = judged.verdict.is_pass() || judged.verdict == Verdict::Inconclusive;
        let compared = self.statistical(guard).and_then(|statistical| {
            let anchor = Anchor::of(&statistical, &series(guard, anchor)?);
            Ok(creep(&self.design, &statistical, &anchor, &series(guard, baseline)?))
        });
        match compared {
            // What is open stays open: more starts can show that this candidate regressed.
            Ok(creep) if creep.crept && is_pass => Judgement {
                verdict: Verdict::Creep,
                reason: Some(format!(
                    "the changes accepted since the anchor add up to {:+.1} % ({:+.1} to {:+.1} %)",
                    creep.change * 100.0,
                    creep.change_low * 100.0,
                    creep.change_high * 100.0
                )),
                ..judged
            },
            _ => judged,
        }
    }

    /// What a baseline can tell apart for a guard.
    pub fn resolution(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
    ) -> Result<Resolution, String> {
        Ok(*self.plan(guard, baseline)?.resolution())
    }

    /// What the gate would say of a guard if its metric truly changed by `change`, relative to the
    /// baseline.
    pub fn power(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
        change: f64,
    ) -> Result<Power, String> {
        Ok(power(&self.plan(guard, baseline)?, change, TRIALS))
    }

    /// The guard as the statistics know it, with what is known of its noise.
    fn statistical(&self, guard: &Guard) -> Result<perf_gate::Guard, String> {
        let prior = if guard.metric.is_tail() { self.tail } else { self.central };
        perf_gate::Guard::new(guard.metric.direction(), guard.slack.fraction(), prior)
            .map_err(|error| error.to_string())
    }

    fn plan(&self, guard: &Guard, baseline: &[Vec<Vec<f64>>]) -> Result<Plan, String> {
        let statistical = self.statistical(guard)?;
        if baseline.iter().flatten().next().is_none() {
            let what = guard.metric.label();
            return Err(format!(
                "the baseline has no {what}; measure it again with `cargo xtask perf refresh`"
            ));
        }
        let baseline = series(guard, baseline).map_err(|error| format!("the baseline: {error}"))?;
        let boundaries =
            Boundaries::of(&self.design, baseline.starts()).map_err(|error| error.to_string())?;
        Ok(Plan::new(&boundaries, &statistical, &baseline))
    }
}

/// Trials of a power estimate: each probability has an error of at most 2 %.
const TRIALS: u32 = 2_000;

fn series(guard: &Guard, sessions: &[Vec<Vec<f64>>]) -> Result<Series, String> {
    Series::new(guard.metric.direction(), sessions).map_err(|error| error.to_string())
}

fn candidate(guard: &Guard, starts: &[Vec<f64>]) -> Result<Series, String> {
    if starts.is_empty() {
        let what = guard.metric.label();
        return Err(format!(
            "the load measured no {what}; guard a metric that it measures (TPOT needs at least two output tokens, TTFT a streamed response)"
        ));
    }
    series(guard, &[starts.to_vec()]).map_err(|error| format!("the measurement: {error}"))
}

fn sides(guard: &Guard, pairs: &[Pair]) -> Result<Pairs, String> {
    Pairs::new(guard.metric.direction(), pairs).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
