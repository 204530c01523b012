//! The loads of a suite against their baselines: [`measure`].

use perf_engine::Engine;
use perf_model::judge::gate::Gate;
use perf_model::judge::report::LoadReport;
use perf_model::spec::settings::Purpose;

use crate::budget::{Budget, Measured};
use crate::duet;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::load_state::LoadState;
use crate::rounds::{Engines, Round, Subject, rounds};
use crate::start::Place;

/// The loads of a suite, each with its baseline.
struct Baselined<'a> {
    states: Vec<LoadState<'a>>,
    gate: &'a Gate,
    /// Engine starts of each load, at most.
    most: u32,
}

impl Baselined<'_> {
    /// The gate with the noise of all baselines: those that were measured together have the same
    /// machine and sessions.
    fn learned(&self) -> Gate {
        self.gate.learned(self.states.iter().flat_map(LoadState::guarded))
    }
}

impl Subject for Baselined<'_> {
    fn open(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|at| self.states[*at].is_open()).collect()
    }

    fn load(&self, at: usize) -> &Load {
        self.states[at].load
    }

    fn announce(&self, round: u32, open: usize) -> String {
        format!("start {round} of {} at most, {open} of {} loads", self.most, self.states.len())
    }

    fn take(&mut self, measured: Vec<(usize, Round)>) {
        let open: Vec<usize> = measured.iter().map(|(at, _)| *at).collect();
        for (at, round) in measured {
            self.states[at].push(round.candidate);
        }
        let gate = self.learned();
        for at in open {
            self.states[at].judge(&gate);
        }
    }
}

/// Measures the loads of a suite, start by start, until every guard is decided or the budget is
/// used up.
pub(crate) async fn measure(
    place: Place<'_>,
    engine: &Engine,
    loads: &[Load],
    gate: &Gate,
    mut interrupt: Interrupt,
) -> Result<Measured> {
    let Place { suite, session, .. } = place;
    let purpose = session.settings.purpose;
    let most = match purpose {
        Purpose::Refresh => session.starts(),
        _ => session.most_starts(gate),
    };
    let states = loads.iter().map(|load| LoadState::new(suite, session, load)).collect();
    let mut subject = Baselined { states, gate, most };
    let (mut budget, limits) = (Budget::new(place), (most, session.runs()));
    rounds(place, Engines::One(engine), limits, &mut subject, &mut budget, &mut interrupt).await?;
    if purpose != Purpose::Refresh {
        let reports = subject.states.iter_mut().filter_map(LoadState::report_mut);
        reports.for_each(|report| close(report, gate));
    }
    let mut short_s = 0.0;
    if purpose == Purpose::Gate {
        let gate = subject.learned();
        let (states, budget) = (&mut subject.states, &mut budget);
        // Boxed, as it is large.
        short_s =
            Box::pin(duet::confirm(place, engine, states, &gate, budget, &mut interrupt)).await?;
    }
    // Each before the first error is reported: what one load cannot leave takes nothing from the
    // others.
    let finished: Vec<Result<Option<LoadReport>>> =
        subject.states.into_iter().map(LoadState::finish).collect();
    let finished: Result<Vec<Option<LoadReport>>> = finished.into_iter().collect();
    let loads = finished?.into_iter().flatten().collect();
    Ok(Measured { loads, gpu_s: budget.spent_s(), short_s })
}

/// Says of the guards that are open that there is no budget for more.
fn close(report: &mut LoadReport, gate: &Gate) {
    let (starts, fewest) = (report.starts, gate.fewest_starts());
    let too_few =
        if starts < fewest { format!("; a change needs at least {fewest}") } else { String::new() };
    report.close(&format!("the budget is used up after {starts} engine starts{too_few}"));
}
