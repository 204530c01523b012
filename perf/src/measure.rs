//! Start the engine, put each undecided load on it, stop it, judge; again until all is decided: [`measure`].

use perf_clock::Stamp;
use perf_engine::Engine;
use perf_model::evidence::StartEvidence;
use perf_model::gate::Gate;
use perf_model::record::Part;
use perf_model::report::LoadReport;
use perf_model::settings::Purpose;

use crate::duet;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::series::Series;
use crate::start::{Place, Start};

/// What was measured, and what it cost.
pub(crate) struct Measured {
    /// The loads, in the order declared.
    pub(crate) loads: Vec<LoadReport>,
    /// Seconds from each start to its stop, times the GPUs.
    pub(crate) gpu_s: f64,
}

/// Counts the time on GPUs.
pub(crate) struct Meter {
    gpus: f64,
    limit_s: f64,
    spent_s: f64,
    starts: u32,
}

impl Meter {
    /// For a server; one that needs no GPU has the whole machine, and counts as one.
    pub(crate) fn new(place: Place<'_>) -> Self {
        let limit_s = place.session.settings.budget.gpu_s.unwrap_or(f64::INFINITY);
        Self { gpus: f64::from(place.server.gpus.max(1)), limit_s, spent_s: 0.0, starts: 0 }
    }

    /// Counts a start that began and ended at these times, and notes in its evidence what it cost.
    pub(crate) fn count(&mut self, from: Stamp, to: Stamp, evidence: &mut [Vec<StartEvidence>]) {
        let cost = to.saturating_sub(from).as_secs_f64() * self.gpus;
        for evidence in evidence.iter_mut().flatten() {
            evidence.gpu_s = cost;
        }
        self.spent_s += cost;
        self.starts += 1;
    }

    /// Whether one more start, if it costs what those before did, stays within the budget. The first is always allowed.
    pub(crate) fn allows_another(&self) -> bool {
        self.starts == 0 || self.spent_s + self.spent_s / f64::from(self.starts) <= self.limit_s
    }

    /// The same for a pair of starts.
    pub(crate) fn allows_another_pair(&self) -> bool {
        self.starts == 0 || self.spent_s + 2.0 * self.spent_s / f64::from(self.starts) <= self.limit_s
    }

    pub(crate) fn spent_s(&self) -> f64 {
        self.spent_s
    }
}

/// Measures the loads of a suite, start by start, until every guard is decided or the budget is used up.
pub(crate) async fn measure(
    place: Place<'_>,
    engine: &Engine,
    loads: &[Load],
    gate: &Gate,
    mut interrupt: Interrupt,
) -> Result<Measured> {
    let Place { suite, session, .. } = place;
    let mut series: Vec<Series<'_>> = loads.iter().map(|load| Series::new(suite, session, load)).collect();
    let mut meter = Meter::new(place);
    let most = match session.settings.purpose {
        Purpose::Refresh => session.starts(),
        _ => u32::try_from(gate.most_starts()).unwrap_or(u32::MAX),
    };
    for number in 1..=most {
        let open: Vec<usize> = (0..series.len()).filter(|at| series[*at].is_open()).collect();
        if open.is_empty() {
            break;
        }
        if !meter.allows_another() {
            let why = format!("the budget is used up after {} starts", number - 1);
            series.iter_mut().filter_map(Series::report_mut).for_each(|report| report.close(&why));
            break;
        }
        session.tell(suite, &format!("start {number} of {most} at most, {} of {} loads", open.len(), loads.len()));
        let start = Start { place, engine, part: Part::Judged, number, runs: session.runs() };
        let begun = place.clock.now();
        let asked: Vec<&Load> = open.iter().map(|at| &loads[*at]).collect();
        let mut evidence = start.measure(&asked, &mut interrupt).await?;
        meter.count(begun, place.clock.now(), &mut evidence);
        for (at, evidence) in open.iter().zip(evidence) {
            series[*at].push(evidence);
        }
        // Baselines that were measured together tell each other's noise.
        let gate = gate.learned(series.iter().flat_map(Series::guarded));
        for at in open {
            series[at].judge(&gate);
        }
    }
    let gate = gate.learned(series.iter().flat_map(Series::guarded));
    if session.settings.purpose == Purpose::Gate {
        duet::confirm(place, engine, &mut series, &gate, &mut meter, &mut interrupt).await?;
    }
    let finished: Result<Vec<Option<LoadReport>>> = series.into_iter().map(Series::finish).collect();
    Ok(Measured { loads: finished?.into_iter().flatten().collect(), gpu_s: meter.spent_s() })
}
