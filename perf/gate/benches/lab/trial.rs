//! One suite through the gate: [`run`], what it said and what it cost.

use perf_gate::{Boundaries, DUET_RUNS, DuetPlan, Judgement, Pairs, Verdict};

use crate::judging::{Arm, Judge, Measured, baseline, direction};
use crate::percentile::Pool;
use crate::world::{METRICS, P99, SCENARIOS, Suite, World};

/// Seconds of one start of a server, until it is loaded and warm.
const START_S: f64 = 150.0;

/// Seconds of one run.
const RUN_S: f64 = 35.0;

/// Starts of the design that the sequential one is held against.
pub(crate) const FIXED: usize = 6;

/// Runs of a start of the candidate.
const RUNS: usize = 1;

/// How a suite is measured and what truly happened to it.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) world: World,
    /// Sessions of the baseline, and starts in each.
    pub(crate) baseline: [usize; 2],
    /// Runs of each of its starts.
    pub(crate) baseline_runs: usize,
    /// This many scenarios changed …
    pub(crate) changed: usize,
    /// … by so much, relative: 0.05 is 5 % worse. In units of what each guard promises to detect if
    /// `of_promise`.
    pub(crate) change: f64,
    pub(crate) of_promise: bool,
    /// Whether verdicts are confirmed by pairs.
    pub(crate) duet: bool,
    /// The pairs after which the budget ends a duet; `None` if it never does.
    pub(crate) budget_pairs: Option<usize>,
    /// Whether [`FIXED`] starts are measured before anything is judged, as a gate without
    /// sequential analysis does.
    pub(crate) fixed: bool,
    /// By how much the clock is other because of the candidate, in the scenarios that changed:
    /// natural logarithm. What that does to speed is in `change`.
    pub(crate) clock_change: f64,
    /// What is done with the clock.
    pub(crate) arm: Arm,
}

/// What was said of one guard.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of a guard that do not depend on each other"
)]
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) verdict: Verdict,
    /// After the duet.
    pub(crate) confirmed: Verdict,
    pub(crate) changed: bool,
    pub(crate) p99: bool,
    /// Whether noise made the band wider than the slack, and the band.
    pub(crate) widened: bool,
    pub(crate) band: f64,
    /// Whether its band is wider than it may be: it cannot hold, which is known before the run.
    pub(crate) blind: bool,
    /// Starts of the candidate at the verdict.
    pub(crate) starts: usize,
}

/// What one suite gave.
pub(crate) struct Trial {
    pub(crate) guards: Vec<Said>,
    /// GPU seconds of the sequential measurement, and of the duet after it.
    pub(crate) cost_s: f64,
    pub(crate) duet_s: f64,
}

/// The bounds, computed once for all suites.
pub(crate) struct Rules {
    pub(crate) boundaries: Boundaries,
    /// By the number of guards that it is to confirm.
    pub(crate) duets: Vec<DuetPlan>,
}

/// The GPU seconds of a number of starts in which `live` scenarios are measured.
pub(crate) fn cost(world: &World, runs: usize, live: usize) -> f64 {
    let servers = if world.shared_server { usize::from(live > 0) } else { live };
    START_S * servers as f64 + RUN_S * (runs * live) as f64
}

pub(crate) fn run(setup: &Setup, rules: &Rules, pool: &Pool, seed: u64) -> Trial {
    let mut suite = Suite::draw(setup.world, pool, seed);
    let base = baseline(&mut suite, setup.baseline, setup.baseline_runs);
    let guards = Judge::all(&setup.world, &rules.boundaries, setup.arm, &base);
    let shifts: Vec<f64> = guards
        .iter()
        .enumerate()
        .map(|(guard, judge)| {
            let unit = if setup.of_promise { judge.plan().resolution().detects } else { 1.0 };
            let is_changed = guard / METRICS < setup.changed;
            if is_changed { direction(guard).loss(setup.change * unit) } else { 0.0 }
        })
        .collect();
    let Sequential { judged, starts, cost_s } = sequential(setup, &mut suite, &guards, &shifts);
    let mut duet_s = 0.0;
    let mut confirmed: Vec<Verdict> = judged.iter().map(|judgement| judgement.verdict).collect();
    if setup.duet {
        duet_s = confirm(
            setup,
            rules,
            &mut suite,
            (&guards, &shifts),
            (&judged, &starts),
            &mut confirmed,
        );
    }
    let said =
        judged.iter().zip(&confirmed).enumerate().map(|(guard, (judgement, confirmed))| Said {
            verdict: judgement.verdict,
            confirmed: *confirmed,
            changed: shifts[guard] != 0.0,
            p99: guard % METRICS == P99,
            widened: judgement.resolution.noise_limited,
            band: judgement.resolution.band,
            blind: judgement.resolution.is_blind,
            starts: judgement.starts,
        });
    Trial { guards: said.collect(), cost_s, duet_s }
}

/// Whether a scenario is worth another start: something of it is open, and nothing of it regressed.
fn is_live(scenario: &[Option<Judgement>]) -> bool {
    let said = |judgement: &Option<Judgement>| {
        judgement.as_ref().map_or(Verdict::Continue, |judgement| judgement.verdict)
    };
    let is = |wanted: Verdict| scenario.iter().any(|judgement| said(judgement) == wanted);
    is(Verdict::Continue) && !is(Verdict::Regressed)
}

/// What the comparison with the baseline gave.
struct Sequential {
    judged: Vec<Judgement>,
    /// The starts that each guard was judged by.
    starts: Vec<Vec<Measured>>,
    cost_s: f64,
}

/// The clock of a guard's scenario in a start of the candidate, with what the candidate does to it.
fn candidate_clock(setup: &Setup, clocks: &[f64], guard: usize) -> f64 {
    let scenario = guard / METRICS;
    let own = if scenario < setup.changed { setup.clock_change } else { 0.0 };
    clocks[scenario] + own
}

fn measured(runs: &[f64], shift: f64, clock: f64) -> Measured {
    Measured::new(runs.iter().map(|cost| cost + shift).collect(), clock)
}

/// Starts until everything is settled. All guards of a scenario are judged after each of its
/// starts, as a run does. When one of them regressed it is measured no more; its open guards are
/// judged to the end all the same and at no cost, so that each has a verdict to be counted.
fn sequential(setup: &Setup, suite: &mut Suite, guards: &[Judge], shifts: &[f64]) -> Sequential {
    let drift = suite.candidate_session();
    let mut starts: Vec<Vec<Measured>> = vec![vec![]; SCENARIOS * METRICS];
    let mut judged: Vec<Option<Judgement>> = vec![None; SCENARIOS * METRICS];
    let mut cost_s = 0.0;
    let is_open = |judgement: &Option<Judgement>| {
        judgement.as_ref().is_none_or(|said| !said.verdict.is_settled())
    };
    while judged.iter().any(is_open) {
        let live: Vec<bool> = judged.chunks(METRICS).map(is_live).collect();
        cost_s += cost(&setup.world, RUNS, live.iter().filter(|live| **live).count());
        let start = suite.start_of(&drift, RUNS, &live);
        for (guard, runs) in start.runs.iter().enumerate() {
            if !(live[guard / METRICS] || is_open(&judged[guard])) {
                continue;
            }
            let clock = candidate_clock(setup, &start.clocks, guard);
            starts[guard].push(measured(runs, shifts[guard], clock));
            if setup.fixed && starts[guard].len() < FIXED {
                continue;
            }
            let now = guards[guard].judge(&starts[guard]);
            let before = judged[guard].as_ref().map_or(Verdict::Continue, |said| said.verdict);
            if now.verdict.after(before) == now.verdict {
                judged[guard] = Some(now);
            }
        }
    }
    Sequential { judged: judged.into_iter().flatten().collect(), starts, cost_s }
}

/// Pairs in a new session, of the scenarios with anything to confirm, until each is decided or the
/// budget ends. What is still open when another guard of its scenario is confirmed costs nothing
/// more.
fn confirm(
    setup: &Setup,
    rules: &Rules,
    suite: &mut Suite,
    (guards, shifts): (&[Judge], &[f64]),
    (judged, starts): (&[Judgement], &[Vec<Measured>]),
    confirmed: &mut [Verdict],
) -> f64 {
    let mut open: Vec<usize> = (0..judged.len())
        .filter(|guard| {
            let Judgement { verdict, is_blind, .. } = &judged[*guard];
            !is_blind
                && matches!(verdict, Verdict::Regressed | Verdict::Inconclusive | Verdict::Improved)
        })
        .collect();
    let duet = &rules.duets[open.len()];
    // What each guard's verdict rests on, which may be fewer starts than its scenario had.
    let seen = |guard: usize| &starts[guard][..judged[guard].starts];
    let shown: Vec<Judgement> = (0..judged.len())
        .map(|guard| guards[guard].for_duet(&judged[guard], seen(guard)))
        .collect();
    let drift = suite.session();
    let mut pairs: Vec<Vec<(Vec<f64>, Vec<f64>)>> = vec![vec![]; judged.len()];
    let mut cost_s = 0.0;
    let mut failed = [false; SCENARIOS];
    let runs = DUET_RUNS as usize;
    let mut left = setup.budget_pairs.unwrap_or(usize::MAX);
    while !open.is_empty() {
        if left == 0 {
            for guard in open {
                confirmed[guard] = judged[guard].verdict.unfinished();
            }
            break;
        }
        left -= 1;
        let mut live: Vec<usize> =
            open.iter().map(|guard| guard / METRICS).filter(|at| !failed[*at]).collect();
        live.dedup();
        cost_s += 2.0 * cost(&setup.world, runs, live.len());
        let (old, new) = (suite.start(&drift, runs), suite.start(&drift, runs));
        open.retain(|guard| {
            let guard = *guard;
            let judge = &guards[guard];
            let base = measured(&old.runs[guard], 0.0, old.clocks[guard / METRICS]);
            let clock = candidate_clock(setup, &new.clocks, guard);
            let candidate = measured(&new.runs[guard], shifts[guard], clock);
            pairs[guard].push((
                judge.duet_values(seen(guard), &base),
                judge.duet_values(seen(guard), &candidate),
            ));
            let both = Pairs::new(direction(guard), &pairs[guard]).unwrap();
            confirmed[guard] = duet.confirm(judge.plan().guard(), &shown[guard], &both).verdict;
            failed[guard / METRICS] |= confirmed[guard] == Verdict::Regressed;
            !confirmed[guard].is_settled()
        });
    }
    cost_s
}
