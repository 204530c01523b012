//! Two images measured alternately, with no baseline: [`lines`].

use perf_gate::{
    Boundaries, COMPARISON_PAIRS, DUET_RUNS, Design, Direction, Guard, Kind, Knowledge, Pairs,
    Verdict, compare_pairs,
};

use crate::judging::{P99_BAND, kind};
use crate::percentile::Pool;
use crate::table::Line;
use crate::tally::{measured, on_all_cores};
use crate::trial::{FIXED, cost};
use crate::world::{METRICS, P99, SCENARIOS, Suite, World};

pub(crate) fn lines(world: World, pool: &Pool, suites: usize, seed: u64) -> Vec<Line> {
    let design = Design { max_starts: COMPARISON_PAIRS, ..Design::default() };
    let bounds = Boundaries::of_comparison(&design).unwrap();
    let of = |loss: f64| {
        on_all_cores(suites, |suite| compare(world, pool, &bounds, loss, seed.wrapping_add(suite)))
    };
    let (same, slower) = (of(0.0), of(0.05));
    let fixed_s = FIXED as f64 * cost(&world, 1, SCENARIOS);
    let any = |suites: &[Compared], wanted| {
        let has = |suite: &Compared| f64::from(u8::from(suite.verdicts.contains(&wanted)));
        measured(suites.iter().map(has))
    };
    let share = |suites: &[Compared], wanted: Verdict| {
        measured(suites.iter().map(|Compared { verdicts, .. }| {
            let central = verdicts.iter().enumerate().filter(|(guard, _)| guard % METRICS != P99);
            let there = central.filter(|(_, verdict)| **verdict == wanted).count();
            there as f64 / (SCENARIOS * (METRICS - 1)) as f64
        }))
    };
    vec![
        Line::at_most(
            "the same image twice: any guard regressed",
            0.03,
            any(&same, Verdict::Regressed),
        ),
        Line::at_most(
            "the same image twice: any guard improved",
            0.03,
            any(&same, Verdict::Improved),
        ),
        Line::report(
            "the same image twice: red, of the suites",
            measured(same.iter().map(|Compared { verdicts, .. }| {
                let central =
                    verdicts.iter().enumerate().filter(|(guard, _)| guard % METRICS != P99);
                let is_red = |(_, verdict): (usize, &Verdict)| {
                    matches!(verdict, Verdict::Regressed | Verdict::Inconclusive)
                };
                f64::from(u8::from(central.into_iter().any(is_red)))
            })),
        ),
        Line::report(
            "the same image twice: held, of the guards that are not p99s",
            share(&same, Verdict::Held),
        ),
        Line::report(
            "5 % worse: regressed, of the guards that are not p99s",
            share(&slower, Verdict::Regressed),
        ),
        Line::report(
            "the same image twice: GPU time ÷ six starts of one run",
            measured(same.iter().map(|suite| suite.cost_s / fixed_s)),
        ),
    ]
}

/// What was said of the guards of one suite, and what it cost.
struct Compared {
    verdicts: Vec<Verdict>,
    cost_s: f64,
}

/// Every guard of a suite, in pairs until all are settled, in a session that drifts as much as days
/// do.
fn compare(world: World, pool: &Pool, bounds: &Boundaries, loss: f64, seed: u64) -> Compared {
    let mut suite = Suite::draw(world, pool, seed);
    let session = suite.session();
    let mut pairs: Vec<Vec<(Vec<f64>, Vec<f64>)>> = vec![vec![]; SCENARIOS * METRICS];
    let mut said = vec![Verdict::Continue; SCENARIOS * METRICS];
    let value = |runs: &[f64], shift: f64| -> Vec<f64> {
        runs.iter().map(|cost| (cost + shift).exp()).collect()
    };
    let (runs, mut cost_s) = (DUET_RUNS as usize, 0.0);
    while said.contains(&Verdict::Continue) {
        let (old, new) = (suite.start(&session, runs).runs, suite.start(&session, runs).runs);
        let live = said.chunks(METRICS).filter(|scenario| scenario.contains(&Verdict::Continue));
        cost_s += 2.0 * cost(&world, runs, live.count());
        for guard in 0..said.len() {
            if !said[guard].is_settled() {
                pairs[guard].push((value(&old[guard], 0.0), value(&new[guard], loss.ln_1p())));
            }
        }
        let all: Vec<Pairs> = pairs
            .iter()
            .map(|pairs| Pairs::new(Direction::LowerIsBetter, pairs).unwrap())
            .collect();
        let knowledge = Knowledge::of_pairs(
            &all.iter().enumerate().map(|(guard, pairs)| (kind(guard), pairs)).collect::<Vec<_>>(),
        );
        for guard in 0..said.len() {
            if said[guard].is_settled() {
                continue;
            }
            let prior = knowledge.prior(kind(guard));
            let found = Guard::new(Direction::LowerIsBetter, 0.025, prior).unwrap();
            let max_band = if kind(guard) == Kind::Tail { P99_BAND } else { found.max_band() };
            let found = found.with_max_band(max_band).unwrap();
            said[guard] = compare_pairs(bounds, &found, &all[guard]).verdict;
        }
    }
    Compared { verdicts: said, cost_s }
}
