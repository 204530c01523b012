//! Old and new in turn on the same hardware, within the same hour, before a regression fails a
//! build: [`confirm`]. What drifts from day to day is the same for both and cancels.

use perf_engine::Engine;
use perf_model::judge::duet;
use perf_model::judge::gate::{DUET_RUNS, Gate};
use perf_model::judge::results::RepetitionResult;
use perf_model::judge::unfinished_duet::Ending;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::guard::Guard;

use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::load_state::LoadState;
use crate::rounds::{Ended, Engines, Round, Subject, rounds};
use crate::start::Place;

/// A load with guards that a duet may confirm or overturn.
struct Suspect<'s, 'a> {
    state: &'s mut LoadState<'a>,
    open: Vec<Guard>,
    base: Vec<RepetitionResult>,
    candidate: Vec<RepetitionResult>,
}

/// The suspects of a suite.
struct Suspects<'s, 'a> {
    all: Vec<Suspect<'s, 'a>>,
    gate: &'s Gate,
    /// Pairs of starts, at most, and the guards that share the error rate.
    limits: (u32, usize),
}

impl Suspects<'_, '_> {
    /// Says of loads that the duet did not decide why it did not.
    fn note(&mut self, at: impl IntoIterator<Item = usize>, note: &str, why: &str) {
        for at in at {
            let state = &mut *self.all[at].state;
            state.leave_unconfirmed(why);
            if let Some(report) = state.report_mut() {
                report.notes.push(Finding::new(FindingCode::NotConfirmed, note));
            }
        }
    }

    /// Says of the loads that the budget left undecided how far their pairs came, and what would
    /// decide them.
    fn cut_short(&mut self, pairs: u32, short_s: f64) {
        let (most_pairs, suspects) = self.limits;
        let open = self.open();
        let why = format!("the budget was used up after {pairs} of {most_pairs} pairs of the duet");
        self.note(open.iter().copied(), &why, &why);
        for at in open {
            let Suspect { state, open, base, candidate } = &mut self.all[at];
            let ended = Ending { pairs, short_s };
            state.cut_short(open, self.gate, (most_pairs, suspects), &ended, [base, candidate]);
        }
    }

    fn note_all(&mut self, why: &str) {
        self.note(0..self.all.len(), &format!("not confirmed by a duet: {why}"), why);
    }
}

impl Subject for Suspects<'_, '_> {
    fn open(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|at| !self.all[*at].open.is_empty()).collect()
    }

    fn load(&self, at: usize) -> &Load {
        self.all[at].state.load
    }

    fn announce(&self, round: u32, _: usize) -> String {
        let (most, _) = self.limits;
        format!("duet, pair {round} of {most}: the baseline's vLLM and the one under test")
    }

    fn take(&mut self, measured: Vec<(usize, Round)>) {
        for (at, round) in measured {
            let Suspect { state, open, base, candidate } = &mut self.all[at];
            base.extend(round.base);
            candidate.extend(round.candidate);
            state.settle(open, self.gate, self.limits, base, candidate);
        }
    }
}

/// Measures what looks like a change, or is inconclusive, beside what the baseline was measured
/// on.
///
/// Where a duet is not possible the verdict stands, and the report says why there was none. Where the
/// budget ended it, a loss is inconclusive. Gives the GPU seconds that it lacked then.
pub(crate) async fn confirm(
    place: Place<'_>,
    engine: &Engine,
    states: &mut [LoadState<'_>],
    gate: &Gate,
    budget: &mut Budget,
    interrupt: &mut Interrupt,
) -> Result<f64> {
    let session = place.session;
    let most = session.config.gate.duet_pairs;
    let guards: usize = states.iter().map(|state| state.load.guards.len()).sum();
    let all = states.iter_mut().filter_map(|state| {
        let open = state.suspects();
        let suspect = Suspect { state, open, base: Vec::new(), candidate: Vec::new() };
        (!suspect.open.is_empty()).then_some(suspect)
    });
    let all: Vec<Suspect<'_, '_>> = all.collect();
    let open: usize = all.iter().map(|suspect| suspect.open.len()).sum();
    // Other suites of the run have duets of their own; this one has no more than its share.
    let sharing = (open * gate.guards()).div_ceil(guards.max(1));
    let mut suspects = Suspects { all, gate, limits: (most, sharing) };
    let Some(first) = suspects.all.first() else { return Ok(0.0) };
    let (Some(baseline), Some(start)) = (first.state.baseline(), first.state.starts().first())
    else {
        return Ok(0.0);
    };
    let base = duet::base(&baseline.fingerprint, &start.fingerprint, &session.settings, most);
    let base = match base {
        Ok(base) => Engine::of(&base, &session.settings, &session.config)?,
        Err(why) => {
            suspects.note_all(&why);
            return Ok(0.0);
        }
    };
    let engines = Engines::Pair { base: &base, candidate: engine };
    let ended = rounds(place, engines, (most, DUET_RUNS), &mut suspects, budget, interrupt).await;
    match ended {
        Ok(Ended::Done) => {}
        Ok(Ended::OutOfBudget(pairs)) => {
            let short_s = budget.short_s(2 * (most - pairs) as usize);
            suspects.cut_short(pairs, short_s);
            return Ok(short_s);
        }
        Err(error @ (Error::Interrupted(_) | Error::Write { .. })) => return Err(error),
        // The verdict was reached without the duet; what hinders the duet does not change it.
        Err(error) => suspects.note_all(&format!("it failed: {error}")),
    }
    Ok(0.0)
}
