//! One suite through the gate as it is shipped: [`run`], what it said and what it cost.

use perf_gate::{
    Boundaries, DUET_RUNS, Direction, DuetPlan, Guard, Judgement, Kind, Knowledge, Pairs, Plan,
    Series, Verdict,
};

use crate::percentile::Pool;
use crate::world::{METRICS, P99, SCENARIOS, Suite, World};

/// Seconds of one start of a server, until it is loaded and warm.
const START_S: f64 = 150.0;

/// Seconds of one run.
const RUN_S: f64 = 35.0;

/// Starts of the design that the sequential one is held against.
pub(crate) const FIXED: usize = 6;

/// How far each guard may move the wrong way.
const SLACK: f64 = 0.025;

/// The widest band that is asked of a p99; of the others it is the usual two slacks.
pub(crate) const P99_BAND: f64 = 0.6;

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

/// Throughput is the first metric of a scenario.
fn direction(guard: usize) -> Direction {
    if guard.is_multiple_of(METRICS) { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
}

/// With noise that is learned from the baselines of the same server, as a run does.
fn guards(world: &World, baselines: &[Series]) -> Vec<Guard> {
    let together = if world.shared_server { baselines.len() } else { METRICS };
    baselines.chunks(together).flat_map(guards_of_one_server).collect()
}

fn guards_of_one_server(baselines: &[Series]) -> Vec<Guard> {
    let kind = |guard: usize| if guard % METRICS == P99 { Kind::Tail } else { Kind::Central };
    let all: Vec<(Kind, &Series)> =
        baselines.iter().enumerate().map(|(guard, series)| (kind(guard), series)).collect();
    let knowledge = Knowledge::of(&all);
    all.iter()
        .enumerate()
        .map(|(guard, (kind, series))| {
            let found = Guard::new(direction(guard), SLACK, knowledge.prior(*kind)).unwrap();
            // Who guards a p99 that scatters by 8 % must say that a wide band will do.
            let max_band = if *kind == Kind::Tail { P99_BAND } else { found.max_band() };
            found.with_offset(knowledge.offset(series)).with_max_band(max_band).unwrap()
        })
        .collect()
}

/// In the metric's own unit, as a user's values are.
fn values(guard: usize, runs: &[f64], shift: f64) -> Vec<f64> {
    runs.iter().map(|cost| direction(guard).value(cost + shift)).collect()
}

/// A baseline: `[guard][session][start][run]`.
fn measure(
    suite: &mut Suite,
    [sessions, starts]: [usize; 2],
    runs: usize,
) -> Vec<Vec<Vec<Vec<f64>>>> {
    let mut all = vec![vec![]; SCENARIOS * METRICS];
    for _ in 0..sessions {
        let drift = suite.session();
        for guard in &mut all {
            guard.push(vec![]);
        }
        for _ in 0..starts {
            for (guard, runs) in suite.start(&drift, runs).iter().enumerate() {
                all[guard].last_mut().unwrap().push(values(guard, runs, 0.0));
            }
        }
    }
    all
}

pub(crate) fn run(setup: &Setup, rules: &Rules, pool: &Pool, seed: u64) -> Trial {
    let mut suite = Suite::draw(setup.world, pool, seed);
    let base = measure(&mut suite, setup.baseline, setup.baseline_runs);
    let base: Vec<Series> = (0..)
        .zip(&base)
        .map(|(guard, values)| Series::new(direction(guard), values).unwrap())
        .collect();
    let plans: Vec<Plan> = guards(&setup.world, &base)
        .iter()
        .zip(&base)
        .map(|(guard, series)| Plan::new(&rules.boundaries, guard, series))
        .collect();
    let shifts: Vec<f64> = plans
        .iter()
        .enumerate()
        .map(|(guard, plan)| {
            let unit = if setup.of_promise { plan.resolution().detects } else { 1.0 };
            let is_changed = guard / METRICS < setup.changed;
            if is_changed { direction(guard).loss(setup.change * unit) } else { 0.0 }
        })
        .collect();
    let (judged, cost_s) = sequential(setup, &mut suite, &plans, &shifts);
    let mut duet_s = 0.0;
    let mut confirmed: Vec<Verdict> = judged.iter().map(|judgement| judgement.verdict).collect();
    if setup.duet {
        duet_s = confirm(setup, rules, &mut suite, (&plans, &shifts), &judged, &mut confirmed);
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

/// Starts until everything is settled. All guards of a scenario are judged after each of its
/// starts, as a run does. When one of them regressed it is measured no more; its open guards are
/// judged to the end all the same and at no cost, so that each has a verdict to be counted.
fn sequential(
    setup: &Setup,
    suite: &mut Suite,
    plans: &[Plan],
    shifts: &[f64],
) -> (Vec<Judgement>, f64) {
    let drift = suite.candidate_session();
    let mut values = vec![vec![vec![]]; SCENARIOS * METRICS];
    let mut judged: Vec<Option<Judgement>> = vec![None; SCENARIOS * METRICS];
    let mut cost_s = 0.0;
    let is_open = |judgement: &Option<Judgement>| {
        judgement.as_ref().is_none_or(|said| !said.verdict.is_settled())
    };
    while judged.iter().any(is_open) {
        let live: Vec<bool> = judged.chunks(METRICS).map(is_live).collect();
        cost_s += cost(&setup.world, RUNS, live.iter().filter(|live| **live).count());
        for (guard, runs) in suite.start_of(&drift, RUNS, &live).iter().enumerate() {
            if !(live[guard / METRICS] || is_open(&judged[guard])) {
                continue;
            }
            values[guard][0].push(self::values(guard, runs, shifts[guard]));
            if setup.fixed && values[guard][0].len() < FIXED {
                continue;
            }
            let now = plans[guard].judge(&Series::new(direction(guard), &values[guard]).unwrap());
            let before = judged[guard].as_ref().map_or(Verdict::Continue, |said| said.verdict);
            if now.verdict.after(before) == now.verdict {
                judged[guard] = Some(now);
            }
        }
    }
    (judged.into_iter().flatten().collect(), cost_s)
}

/// Pairs in a new session, of the scenarios with anything to confirm, until each is decided or the
/// budget ends. What is still open when another guard of its scenario is confirmed costs nothing
/// more.
fn confirm(
    setup: &Setup,
    rules: &Rules,
    suite: &mut Suite,
    (plans, shifts): (&[Plan], &[f64]),
    judged: &[Judgement],
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
            pairs[guard]
                .push((values(guard, &old[guard], 0.0), values(guard, &new[guard], shifts[guard])));
            let both = Pairs::new(direction(guard), &pairs[guard]).unwrap();
            confirmed[guard] = duet.confirm(plans[guard].guard(), &judged[guard], &both).verdict;
            failed[guard / METRICS] |= confirmed[guard] == Verdict::Regressed;
            !confirmed[guard].is_settled()
        });
    }
    cost_s
}
