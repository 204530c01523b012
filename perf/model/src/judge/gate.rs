//! The gate: a guard and the values of its metric on both sides → a verdict. Main type: [`Gate`].
//!
//! The statistics are those of `perf-gate`, which `docs/gate/method.md` explains. This module
//! applies them to guards.

use perf_gate::{
    Anchor, Boundaries, CREEP_SESSIONS, Design, DuetPlan, Kind, Knowledge, Pairs, Plan, Power,
    Resolution, Series, compare_pairs, creep, power,
};

use crate::judge::judgement::Judgement;
use crate::judge::verdict::Verdict;
use crate::spec::config;
use crate::spec::guard::Guard;
use crate::spec::units::Percent;

/// Repetitions of each load in a start of a duet or of a comparison.
pub const DUET_RUNS: u32 = perf_gate::DUET_RUNS;

/// How a run judges: the design of its suite, and what is known of the noise.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    design: Design,
    /// The widest band of a guard that gives none, in slacks.
    max_band: f64,
    /// What is known of the noise.
    knowledge: Knowledge,
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
    /// It is a change, in the direction that was suspected.
    Confirmed,
    /// It does not show.
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
    /// Whether that change is as the verdict against the baseline says: in its direction, and by the
    /// band or more.
    pub agrees: bool,
}

impl Gate {
    /// A gate for a run.
    pub fn new(design: Design) -> Result<Self, GateError> {
        design.check()?;
        Ok(Self { design, max_band: perf_gate::MAX_BAND, knowledge: Knowledge::default() })
    }

    /// This gate with the noise learned from baselines: those of all guards of a suite, which were
    /// measured in the same sessions on the same machine.
    #[must_use]
    pub fn learned<'a>(
        self,
        baselines: impl Iterator<Item = (&'a Guard, &'a [Vec<Vec<f64>>])>,
    ) -> Self {
        let all: Vec<(Kind, Series)> = baselines
            .filter_map(|(guard, sessions)| Some((kind(guard), series(guard, sessions).ok()?)))
            .collect();
        let all: Vec<(Kind, &Series)> = all.iter().map(|(kind, series)| (*kind, series)).collect();
        Self { knowledge: Knowledge::of(&all), ..self }
    }

    /// This gate with the noise learned from the pairs so far of all guards of a suite.
    #[must_use]
    pub fn learned_of_pairs<'a>(self, all: impl Iterator<Item = (&'a Guard, Vec<Pair>)>) -> Self {
        let all: Vec<(Kind, Pairs)> = all
            .filter_map(|(guard, pairs)| Some((kind(guard), sides(guard, &pairs).ok()?)))
            .collect();
        let all: Vec<(Kind, &Pairs)> = all.iter().map(|(kind, pairs)| (*kind, pairs)).collect();
        Self { knowledge: Knowledge::of_pairs(&all), ..self }
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
        let design = Design {
            max_starts,
            false_alarms: config.false_alarms,
            misses: config.misses,
            ..usual
        };
        Ok(Self { max_band: config.max_band, ..Self::new(design)? })
    }

    /// The guards that share the error rate.
    pub fn guards(&self) -> usize {
        self.design.guards
    }

    /// The design of the run.
    pub fn design(&self) -> &Design {
        &self.design
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
        let judged = self.statistical(guard, None).and_then(|statistical| {
            let boundaries =
                Boundaries::of_comparison(&self.design).map_err(|error| error.to_string())?;
            Ok(compare_pairs(&boundaries, &statistical, &sides(guard, pairs)?))
        });
        judged.map_or_else(Judgement::invalid, Judgement::from)
    }

    /// Judges a guard again on pairs of starts of what its baseline was measured on and of the
    /// candidate: `most` pairs at most, for all `suspects` of the run, which share the error rate.
    ///
    /// `measured` are the starts that raised the suspicion. The last pair decides whether a
    /// change is confirmed. What was inconclusive stays undecided if the pairs neither show nor
    /// rule out a loss.
    pub fn confirm(
        &self,
        guard: &Guard,
        baseline: &[Vec<Vec<f64>>],
        measured: &[Vec<f64>],
        pairs: &[Pair],
        (most, suspects): (u32, usize),
    ) -> Result<Confirmation, String> {
        let plan = self.plan(guard, baseline)?;
        let judged = plan.judge(&candidate(guard, measured)?);
        let duet = DuetPlan::new(most as usize, suspects).map_err(|error| error.to_string())?;
        let duet = duet.confirm(plan.guard(), &judged, &sides(guard, pairs)?);
        let outcome = match duet.verdict {
            perf_gate::Verdict::Continue => DuetOutcome::Open,
            perf_gate::Verdict::Regressed | perf_gate::Verdict::Improved => DuetOutcome::Confirmed,
            perf_gate::Verdict::Held => DuetOutcome::Overturned,
            perf_gate::Verdict::Inconclusive => DuetOutcome::Undecided,
        };
        Ok(Confirmation {
            outcome,
            change: duet.change,
            interval: (duet.change_low, duet.change_high),
            agrees: duet.agrees_with(judged.verdict),
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
        let compared = self.statistical(guard, None).and_then(|statistical| {
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
            Ok(creep) if creep.is_unsure && is_pass && judged.reason.is_none() => Judgement {
                reason: Some(format!(
                    "the baseline is {:.1} % worse than its anchor; whether that is more than days differ, only \
                     {CREEP_SESSIONS} sessions of both can show (`cargo xtask perf refresh --add-session`)",
                    creep.change.abs() * 100.0
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

    /// The guard as the statistics know it, with what is known of its noise, and of the runs of its
    /// baseline.
    fn statistical(
        &self,
        guard: &Guard,
        baseline: Option<&Series>,
    ) -> Result<perf_gate::Guard, String> {
        let prior = self.knowledge.prior(kind(guard));
        let slack = guard.slack.fraction();
        let max_band = guard.max_band.map_or(self.max_band * slack, Percent::fraction);
        let found = perf_gate::Guard::new(guard.metric.direction(), slack, prior)
            .and_then(|guard| guard.with_max_band(max_band))
            .map_err(|error| error.to_string())?;
        let offset = baseline.map(|series| self.knowledge.offset(series)).unwrap_or_default();
        Ok(found.with_offset(offset))
    }

    fn plan(&self, guard: &Guard, baseline: &[Vec<Vec<f64>>]) -> Result<Plan, String> {
        if baseline.iter().flatten().next().is_none() {
            let what = guard.metric.label();
            return Err(format!(
                "the baseline has no {what}; measure it again with `cargo xtask perf refresh`"
            ));
        }
        let baseline = series(guard, baseline).map_err(|error| format!("the baseline: {error}"))?;
        let statistical = self.statistical(guard, Some(&baseline))?;
        let boundaries =
            Boundaries::of(&self.design, baseline.starts()).map_err(|error| error.to_string())?;
        Ok(Plan::new(&boundaries, &statistical, &baseline))
    }
}

/// Trials of a power estimate: each probability has an error of at most 2 %.
const TRIALS: u32 = 2_000;

fn kind(guard: &Guard) -> Kind {
    if guard.metric.is_tail() { Kind::Tail } else { Kind::Central }
}

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
