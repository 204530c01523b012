//! Start the engine, put each undecided load on it, stop it, judge; again until all is decided:
//! [`measure`].

use perf_engine::Engine;
use perf_model::judge::gate::Gate;
use perf_model::judge::report::LoadReport;
use perf_model::record::file::Part;
use perf_model::spec::settings::Purpose;

use crate::budget::{Budget, Measured};
use crate::duet;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::load_state::LoadState;
use crate::start::{Place, Start};

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
    let mut states: Vec<LoadState<'_>> =
        loads.iter().map(|load| LoadState::new(suite, session, load)).collect();
    let mut budget = Budget::new(place);
    let most = match session.settings.purpose {
        Purpose::Refresh => session.starts(),
        _ => session.most_starts(gate),
    };
    for number in 1..=most {
        let open: Vec<usize> = (0..states.len()).filter(|at| states[*at].is_open()).collect();
        if open.is_empty() {
            break;
        }
        if !budget.allows_another() {
            break;
        }
        session.tell(
            suite,
            &format!("start {number} of {most} at most, {} of {} loads", open.len(), loads.len()),
        );
        let start = Start { place, engine, part: Part::Judged, number, runs: session.runs() };
        let begun = place.clock.now();
        let asked: Vec<&Load> = open.iter().map(|at| &loads[*at]).collect();
        let mut evidence = start.measure(&asked, &mut interrupt).await?;
        budget.count(begun, place.clock.now(), &mut evidence);
        for (at, evidence) in open.iter().zip(evidence) {
            states[*at].push(evidence);
        }
        // Baselines that were measured together tell each other's noise.
        let gate = gate.learned(states.iter().flat_map(LoadState::guarded));
        for at in open {
            states[at].judge(&gate);
        }
    }
    if session.settings.purpose != Purpose::Refresh {
        states.iter_mut().filter_map(LoadState::report_mut).for_each(|report| close(report, gate));
    }
    let gate = gate.learned(states.iter().flat_map(LoadState::guarded));
    if session.settings.purpose == Purpose::Gate {
        duet::confirm(place, engine, &mut states, &gate, &mut budget, &mut interrupt).await?;
    }
    // Each before the first error is told: what one load cannot leave takes nothing from the
    // others.
    let finished: Vec<Result<Option<LoadReport>>> =
        states.into_iter().map(LoadState::finish).collect();
    let finished: Result<Vec<Option<LoadReport>>> = finished.into_iter().collect();
    Ok(Measured { loads: finished?.into_iter().flatten().collect(), gpu_s: budget.spent_s() })
}

/// Says of the guards that are open that there is no budget for more.
fn close(report: &mut LoadReport, gate: &Gate) {
    let (starts, fewest) = (report.starts, gate.fewest_starts());
    let too_few = if starts < fewest {
        format!("; nothing is called a change on fewer than {fewest}")
    } else {
        String::new()
    };
    let why = format!("the budget is used up after {starts} engine starts{too_few}");
    report.close(&why);
}
