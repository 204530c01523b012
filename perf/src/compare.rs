//! Two variants against each other, with no baseline: [`compare`].

use perf_engine::Engine;
use perf_model::judge::anchor::AnchorLookup;
use perf_model::judge::compare::{BaselineLookup, Places, Reference, compare as judge};
use perf_model::judge::duet;
use perf_model::judge::gate::Gate;
use perf_model::judge::report::LoadReport;
use perf_model::judge::results::{LoadResults, RepetitionResult, pairs_of};

use crate::budget::{Budget, Measured};
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::rounds::{Engines, Round, Subject, rounds};
use crate::start::Place;

/// A load, and the starts of both sides so far, pair by pair.
struct Pairs<'a> {
    load: &'a Load,
    base: Vec<RepetitionResult>,
    candidate: Vec<RepetitionResult>,
    report: Option<LoadReport>,
}

/// The loads of a suite, compared.
struct Comparison<'a> {
    place: Place<'a>,
    gate: &'a Gate,
    loads: Vec<Pairs<'a>>,
}

impl Comparison<'_> {
    /// The gate with the noise of all pairs, which are of the same machine and time.
    fn learned(&self) -> Gate {
        self.gate.learned_of_pairs(self.loads.iter().flat_map(|pairs| {
            let of = |guard| pairs_of(&pairs.base, &pairs.candidate, guard);
            pairs.load.guards.iter().map(move |guard| (guard, of(guard.metric)))
        }))
    }
}

impl Subject for Comparison<'_> {
    fn open(&self) -> Vec<usize> {
        let is_open = |at: &usize| self.loads[*at].report.as_ref().is_none_or(LoadReport::is_open);
        (0..self.loads.len()).filter(is_open).collect()
    }

    fn load(&self, at: usize) -> &Load {
        self.loads[at].load
    }

    fn announce(&self, round: u32, open: usize) -> String {
        format!("pair {round}, {open} of {} loads", self.loads.len())
    }

    fn take(&mut self, measured: Vec<(usize, Round)>) {
        let open: Vec<usize> = measured.iter().map(|(at, _)| *at).collect();
        for (at, round) in measured {
            let pairs = &mut self.loads[at];
            pairs.base.extend(round.base);
            pairs.candidate.extend(round.candidate);
        }
        let gate = self.learned();
        for at in open {
            let pairs = &mut self.loads[at];
            let mut report = report(self.place, pairs, &gate);
            if let Some(before) = &pairs.report {
                report.keep_settled(before);
            }
            pairs.report = Some(report);
        }
    }
}

/// Compares two variants, pair by pair, until every guard is decided or the budget is used up.
pub(crate) async fn compare(
    place: Place<'_>,
    engine: &Engine,
    loads: &[Load],
    gate: &Gate,
    mut interrupt: Interrupt,
) -> Result<Measured> {
    let session = place.session;
    let variant = session.settings.base.clone().unwrap_or_default();
    let base = Engine::of(&variant, &session.settings, &session.config)?;
    let engines = Engines::Pair { base: &base, candidate: engine };
    let pairs = |load| Pairs { load, base: Vec::new(), candidate: Vec::new(), report: None };
    let mut subject = Comparison { place, gate, loads: loads.iter().map(pairs).collect() };
    let (mut budget, limits) = (Budget::new(place), (session.most_starts(gate), session.runs()));
    rounds(place, engines, limits, &mut subject, &mut budget, &mut interrupt).await?;
    let mut loads: Vec<LoadReport> =
        subject.loads.into_iter().filter_map(|pairs| pairs.report).collect();
    for report in &mut loads {
        report.close(&format!("the budget is used up after {} pairs", report.starts));
    }
    Ok(Measured { loads, gpu_s: budget.spent_s(), short_s: 0.0 })
}

/// The report of a load after the pairs so far.
fn report(place: Place<'_>, pairs: &Pairs<'_>, gate: &Gate) -> LoadReport {
    let Place { suite, session, .. } = place;
    let load = pairs.load;
    let results = |starts| LoadResults {
        suite,
        load: &load.declared,
        guards: &load.guards,
        published: &[],
        starts,
    };
    let base = match results(&pairs.base).as_baseline() {
        Some(base) => BaselineLookup::Baseline(Box::new(base)),
        None => BaselineLookup::Unusable(duet::faults(&pairs.base).unwrap_or_default()),
    };
    let places = Places {
        baseline_file: "of the other side".to_owned(),
        records: session.shown(&session.run_folder.join(suite)),
    };
    let reference = Reference::Pairs(gate, &pairs.base);
    judge(&results(&pairs.candidate), &base, &AnchorLookup::Nowhere, reference, places)
}
