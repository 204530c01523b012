//! Two images measured alternately, with no baseline: [`lines`].

use perf_gate::{Boundaries, Design, Direction, Guard, Pairs, Prior, Verdict, compare_pairs};

use crate::percentile::Pool;
use crate::table::Line;
use crate::tally::{measured, on_all_cores};
use crate::world::{METRICS, P99, SCENARIOS, Suite, World};

/// The most pairs.
const PAIRS: usize = 12;

pub(crate) fn lines(pool: &Pool, suites: usize, seed: u64) -> Vec<Line> {
    let design = Design { max_starts: PAIRS, ..Design::default() };
    let bounds = Boundaries::of_pairs(&design).unwrap();
    let of = |loss: f64| {
        on_all_cores(suites, |suite| compare(pool, &bounds, loss, seed.wrapping_add(suite)))
    };
    let (same, slower) = (of(0.0), of(0.05));
    let any = |suites: &[Vec<Verdict>], wanted| {
        measured(suites.iter().map(|verdicts| f64::from(u8::from(verdicts.contains(&wanted)))))
    };
    let share = |suites: &[Vec<Verdict>], wanted: Verdict| {
        measured(suites.iter().map(|verdicts| {
            let central = verdicts.iter().enumerate().filter(|(guard, _)| guard % METRICS != P99);
            let there = central.filter(|(_, verdict)| **verdict == wanted).count();
            there as f64 / (SCENARIOS * (METRICS - 1)) as f64
        }))
    };
    vec![
        Line::at_most(
            "the same image twice: any guard regressed",
            0.05,
            any(&same, Verdict::Regressed),
        ),
        Line::at_most(
            "the same image twice: any guard improved",
            0.05,
            any(&same, Verdict::Improved),
        ),
        Line::report(
            "the same image twice: held, of the guards that are not p99s",
            share(&same, Verdict::Held),
        ),
        Line::report(
            "5 % worse: regressed, of the guards that are not p99s",
            share(&slower, Verdict::Regressed),
        ),
    ]
}

/// Every guard of a suite, in pairs until all are settled, in a session that drifts as much as days
/// do.
fn compare(pool: &Pool, bounds: &Boundaries, loss: f64, seed: u64) -> Vec<Verdict> {
    let mut suite = Suite::draw(World { session_sd: 0.01, ..World::default() }, pool, seed);
    let session = suite.session();
    let mut pairs: Vec<Vec<(Vec<f64>, Vec<f64>)>> = vec![vec![]; SCENARIOS * METRICS];
    let mut said = vec![Verdict::Continue; SCENARIOS * METRICS];
    let value = |runs: &[f64], shift: f64| -> Vec<f64> {
        runs.iter().map(|cost| (cost + shift).exp()).collect()
    };
    while said.contains(&Verdict::Continue) {
        let (old, new) = (suite.start(&session, 1), suite.start(&session, 1));
        for guard in 0..said.len() {
            if said[guard].is_settled() {
                continue;
            }
            pairs[guard].push((value(&old[guard], 0.0), value(&new[guard], loss.ln_1p())));
            let prior = if guard % METRICS == P99 { Prior::tail() } else { Prior::central() };
            let guard_of = Guard::new(Direction::LowerIsBetter, 0.025, prior).unwrap();
            let both = Pairs::new(Direction::LowerIsBetter, &pairs[guard]).unwrap();
            said[guard] = compare_pairs(bounds, &guard_of, &both).verdict;
        }
    }
    said
}
