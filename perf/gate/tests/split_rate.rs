//! The error rate of a run that is split over machines, by simulation: guards in which nothing changed,
//! judged part by part.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use perf_gate::{Boundaries, Design, Direction, Guard, Plan, Prior, Series, Verdict};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Parts, and guards of each.
const PARTS: usize = 5;
const GUARDS: usize = 8;

/// Runs that are simulated.
const RUNS: u64 = 300;

/// Standard deviation of a start: so large that chance, not the slack, decides what is a loss.
const NOISE: f64 = 0.02;

/// The share of runs in which any guard of any part regressed although nothing changed, where each part
/// spreads the error rate over `shared` guards.
fn false_alarms(shared: usize) -> f64 {
    let design = Design::of(shared);
    let boundaries = Boundaries::of(&design, 10).unwrap();
    let guard = Guard::new(Direction::LowerIsBetter, 0.005, Prior::central()).unwrap();
    let mut draws = ChaCha8Rng::seed_from_u64(17);
    let runs = (0..RUNS).filter(|_| {
        // Each part is measured to its end; none knows what the others find.
        let alarms: Vec<bool> = (0..PARTS * GUARDS)
            .map(|_| regresses(&boundaries, &guard, &design, &mut draws))
            .collect();
        alarms.contains(&true)
    });
    runs.count() as f64 / RUNS as f64
}

fn regresses(
    boundaries: &Boundaries,
    guard: &Guard,
    design: &Design,
    draws: &mut ChaCha8Rng,
) -> bool {
    let mut start = || {
        let noise: f64 = StandardNormal.sample(draws);
        100.0 * (NOISE * noise).exp()
    };
    let base: Vec<f64> = (0..10).map(|_| start()).collect();
    let of = |starts: &[f64]| Series::of_one_session(Direction::LowerIsBetter, starts).unwrap();
    let plan = Plan::new(boundaries, guard, &of(&base));
    let mut measured = Vec::new();
    for _ in 0..design.max_starts {
        measured.push(start());
        let verdict = plan.judge(&of(&measured)).verdict;
        if verdict.is_settled() {
            return verdict == Verdict::Regressed;
        }
    }
    false
}

#[test]
fn parts_that_share_the_error_rate_of_the_whole_raise_a_false_alarm_in_fewer_than_5_of_100_runs() {
    let (shared, alone) = (false_alarms(PARTS * GUARDS), false_alarms(GUARDS));
    assert!(shared <= 0.05, "{shared}");
    // What the parts would do that know only of themselves.
    assert!(alone > shared, "{alone} and {shared}");
}
