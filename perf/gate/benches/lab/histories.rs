//! Forty upgrades in a row, each a little slower or none: whether [`perf_gate::creep`] notices.

use perf_gate::{
    Anchor, Boundaries, Design, Direction, Guard, Plan, Prior, Series, Verdict, creep,
};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::table::Line;
use crate::tally::{measured, on_all_cores};

/// Standard deviation of a start, and of a session.
const START_SD: f64 = 0.01;
const SESSION_SD: f64 = 0.003;

/// Loss of each upgrade.
const LOSS: f64 = 0.004;

/// Upgrades within which the losses are to be noticed, and over which none is to be imagined.
const SOON: usize = 8;
const ALL: usize = 40;

pub(crate) fn lines(histories: usize, seed: u64) -> Vec<Line> {
    let caught =
        on_all_cores(histories, |history| noticed(LOSS, SOON, seed.wrapping_add(2 * history)));
    let imagined =
        on_all_cores(histories, |history| noticed(0.0, ALL, seed.wrapping_add(2 * history + 1)));
    let share = |values: &[bool]| measured(values.iter().map(|is| f64::from(u8::from(*is))));
    vec![
        Line::at_least("+0.4 % an upgrade noticed within 8 upgrades", 0.95, share(&caught)),
        Line::at_most("false alarms of a guard over 40 upgrades", 0.05, share(&imagined)),
    ]
}

/// Each candidate is judged against the baseline and held against the anchor; what passes gets a
/// fresh baseline, which is held against the anchor as well. Whether anything of that failed.
fn noticed(loss: f64, upgrades: usize, seed: u64) -> bool {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    let design = Design::default();
    let boundaries = Boundaries::of(&design, 10).unwrap();
    let guard = Guard::new(Direction::LowerIsBetter, 0.025, Prior::central()).unwrap();
    let mut baseline = fresh(&mut draws, 0.0);
    let anchor = Anchor::of(&guard, &baseline);
    let mut level = 0.0;
    for _ in 0..upgrades {
        level += loss;
        let plan = Plan::new(&boundaries, &guard, &baseline);
        let session = level + SESSION_SD * normal(&mut draws);
        let mut starts = vec![];
        let verdict = loop {
            starts.push((session + START_SD * normal(&mut draws)).exp());
            let candidate = Series::of_one_session(Direction::LowerIsBetter, &starts).unwrap();
            let verdict = plan.judge(&candidate).verdict;
            if verdict.is_settled() {
                break verdict;
            }
        };
        baseline = fresh(&mut draws, level);
        let crept = |series: &Series| creep(&design, &guard, &anchor, series).crept;
        if verdict == Verdict::Regressed || crept(&baseline) {
            return true;
        }
    }
    false
}

/// Ten starts in five sessions.
fn fresh(draws: &mut ChaCha8Rng, level: f64) -> Series {
    let sessions: Vec<Vec<Vec<f64>>> = (0..5)
        .map(|_| {
            let session = level + SESSION_SD * normal(draws);
            (0..2).map(|_| vec![(session + START_SD * normal(draws)).exp()]).collect()
        })
        .collect();
    Series::new(Direction::LowerIsBetter, &sessions).unwrap()
}

fn normal(draws: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(draws)
}
