//! Old and new in turn on the same hardware, within the same hour: [`confirm`] a regression before
//! it fails a build, and [`compare`] two variants with no baseline at all. What drifts from day to
//! day is the same for both and cancels.

use perf_engine::Engine;
use perf_model::judge::anchor::AnchorLookup;
use perf_model::judge::compare::{BaselineLookup, Places, Reference, compare as hold_against};
use perf_model::judge::duet;
use perf_model::judge::gate::{DUET_RUNS, Gate};
use perf_model::judge::report::LoadReport;
use perf_model::judge::results::{LoadResults, RepetitionResult};
use perf_model::record::file::Part;
use perf_model::spec::guard::Guard;

use crate::budget::{Budget, Measured};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::load_state::LoadState;
use crate::start::{Place, Start};

/// The two sides of a duet.
struct Sides<'a> {
    base: &'a Engine,
    candidate: &'a Engine,
    /// How often each load is put on a start.
    runs: u32,
}

/// What a duet gave for one load: the starts of both sides, pair by pair.
#[derive(Default)]
struct Pairs {
    base: Vec<RepetitionResult>,
    candidate: Vec<RepetitionResult>,
}

impl Sides<'_> {
    /// Measures one pair. The order turns with every pair (A B, B A, …), so that what drifts
    /// steadily cancels too.
    async fn pair(
        &self,
        place: Place<'_>,
        number: u32,
        loads: &[&Load],
        budget: &mut Budget,
        interrupt: &mut Interrupt,
    ) -> Result<(Vec<Vec<RepetitionResult>>, Vec<Vec<RepetitionResult>>)> {
        let mut measured = (Vec::new(), Vec::new());
        let order = if number % 2 == 1 {
            [Part::Base, Part::Candidate]
        } else {
            [Part::Candidate, Part::Base]
        };
        for part in order {
            let (engine, into) = match part {
                Part::Base => (self.base, &mut measured.0),
                Part::Judged | Part::Candidate => (self.candidate, &mut measured.1),
            };
            let begun = place.clock.now();
            *into = Start { place, engine, part, number, runs: self.runs }
                .measure(loads, interrupt)
                .await?;
            budget.count(begun, place.clock.now(), into);
        }
        Ok(measured)
    }
}

/// Puts what looks like a regression, or could not be told, to a duet with what the baseline was
/// measured on.
///
/// Where a duet is not possible the verdict stands, and the report says why there was none.
pub(crate) async fn confirm(
    place: Place<'_>,
    engine: &Engine,
    states: &mut [LoadState<'_>],
    gate: &Gate,
    budget: &mut Budget,
    interrupt: &mut Interrupt,
) -> Result {
    let Place { suite, session, .. } = place;
    let wanted = session.config.gate.duet_pairs;
    let mut suspects: Vec<&mut LoadState<'_>> =
        states.iter_mut().filter(|state| !state.suspects().is_empty()).collect();
    let Some(first) = suspects.first() else { return Ok(()) };
    let (Some(baseline), Some(start)) = (first.baseline(), first.starts().first()) else {
        return Ok(());
    };
    let in_budget =
        if budget.allows_another_pair() { Ok(()) } else { Err("the budget is used up".to_owned()) };
    let base = in_budget.and_then(|()| {
        duet::base(&baseline.fingerprint, &start.fingerprint, &session.settings, wanted)
    });
    let base = match base {
        Ok(base) => base,
        Err(why) => {
            let reports = suspects.into_iter().filter_map(LoadState::report_mut);
            reports.for_each(|report| report.notes.push(format!("not confirmed by a duet: {why}")));
            return Ok(());
        }
    };
    let base = Engine::of(&base, &session.settings, &session.config)?;
    let sides = Sides { base: &base, candidate: engine, runs: DUET_RUNS };
    let loads: Vec<&Load> = suspects.iter().map(|state| state.load).collect();
    let mut pairs: Vec<Pairs> = loads.iter().map(|_| Pairs::default()).collect();
    let mut open: Vec<Vec<Guard>> = suspects.iter().map(|state| state.suspects()).collect();
    for number in 1..=wanted {
        let asked: Vec<usize> = (0..loads.len()).filter(|at| !open[*at].is_empty()).collect();
        if asked.is_empty() {
            break;
        }
        if number > 1 && !budget.allows_another_pair() {
            let note = format!(
                "the budget was used up after {} of {wanted} pairs of the duet",
                number - 1
            );
            for at in asked {
                suspects[at]
                    .report_mut()
                    .into_iter()
                    .for_each(|report| report.notes.push(note.clone()));
            }
            break;
        }
        let measured: Vec<&Load> = asked.iter().map(|at| loads[*at]).collect();
        session.tell(
            suite,
            &format!("duet, pair {number} of {wanted}: the baseline's vLLM and the one under test"),
        );
        let (base, candidate) = match sides.pair(place, number, &measured, budget, interrupt).await
        {
            Ok(pair) => pair,
            Err(error @ (Error::Interrupted(_) | Error::Write { .. })) => return Err(error),
            Err(error) => {
                // The verdict was reached without it; what hinders the duet takes nothing from
                // that.
                let reports = suspects.into_iter().filter_map(LoadState::report_mut);
                reports.for_each(|report| {
                    report.notes.push(format!("not confirmed by a duet, which failed: {error}"));
                });
                return Ok(());
            }
        };
        for (at, (base, candidate)) in asked.into_iter().zip(base.into_iter().zip(candidate)) {
            pairs[at].base.extend(base);
            pairs[at].candidate.extend(candidate);
            suspects[at].settle(&mut open[at], gate, wanted, &pairs[at].base, &pairs[at].candidate);
        }
    }
    Ok(())
}

/// Holds two variants against each other, pair by pair, until every guard is decided or the budget
/// is used up.
pub(crate) async fn compare(
    place: Place<'_>,
    engine: &Engine,
    loads: &[Load],
    gate: &Gate,
    mut interrupt: Interrupt,
) -> Result<Measured> {
    let Place { suite, session, .. } = place;
    let variant = session.settings.base.clone().unwrap_or_default();
    let base = Engine::of(&variant, &session.settings, &session.config)?;
    let sides = Sides { base: &base, candidate: engine, runs: session.runs() };
    let mut budget = Budget::new(place);
    let mut pairs: Vec<Pairs> = loads.iter().map(|_| Pairs::default()).collect();
    let mut reports: Vec<Option<LoadReport>> = vec![None; loads.len()];
    for number in 1..=session.most_starts(gate) {
        let open: Vec<usize> = (0..loads.len())
            .filter(|at| reports[*at].as_ref().is_none_or(LoadReport::is_open))
            .collect();
        if open.is_empty() {
            break;
        }
        if !budget.allows_another_pair() {
            break;
        }
        session.tell(suite, &format!("pair {number}, {} of {} loads", open.len(), loads.len()));
        let asked: Vec<&Load> = open.iter().map(|at| &loads[*at]).collect();
        let (base, candidate) =
            sides.pair(place, number, &asked, &mut budget, &mut interrupt).await?;
        for ((at, base), candidate) in open.into_iter().zip(base).zip(candidate) {
            pairs[at].base.extend(base);
            pairs[at].candidate.extend(candidate);
            let mut report = report(place, &loads[at], &pairs[at], gate);
            if let Some(before) = &reports[at] {
                report.keep_settled(before);
            }
            reports[at] = Some(report);
        }
    }
    let mut loads: Vec<LoadReport> = reports.into_iter().flatten().collect();
    for report in &mut loads {
        report.close(&format!("the budget is used up after {} pairs", report.starts));
    }
    Ok(Measured { loads, gpu_s: budget.spent_s() })
}

/// What the pairs so far say of a load.
fn report(place: Place<'_>, load: &Load, pairs: &Pairs, gate: &Gate) -> LoadReport {
    let Place { suite, session, .. } = place;
    let evidence = |starts| LoadResults {
        suite,
        load: &load.declared,
        guards: &load.guards,
        published: &[],
        starts,
    };
    let found = match evidence(&pairs.base).as_baseline() {
        Some(base) => BaselineLookup::Baseline(Box::new(base)),
        None => BaselineLookup::Unusable(duet::faults(&pairs.base).unwrap_or_default()),
    };
    let places = Places {
        baseline_file: "of the other side".to_owned(),
        records: session.shown(&session.run_folder.join(suite)),
    };
    hold_against(
        &evidence(&pairs.candidate),
        &found,
        &AnchorLookup::Nowhere,
        Reference::Pairs(gate),
        places,
    )
}
