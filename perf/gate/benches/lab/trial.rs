//! One suite through the gate as it is shipped: [`run`], what it said and what it cost.

use perf_gate::{Boundaries, Check, Direction, DuetPlan, Judgement, Pairs, Plan, Prior, Series, Verdict};

use crate::percentile::Pool;
use crate::world::{METRICS, P99, SCENARIOS, Suite, World};

/// Seconds of one start of a server, until it is loaded and warm.
const START_S: f64 = 150.0;

/// Seconds of one run.
const RUN_S: f64 = 35.0;

/// Starts of the design that the sequential one is held against.
pub(crate) const FIXED: usize = 6;

/// Runs of a start of the candidate, and of one of a duet: there few scenarios share it, and it is the start that costs.
const RUNS: usize = 1;
const DUET_RUNS: usize = 3;

/// How a suite is measured and what truly happened to it.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) world: World,
    /// Sessions of the baseline, and starts in each.
    pub(crate) baseline: [usize; 2],
    /// Runs of each of its starts.
    pub(crate) baseline_runs: usize,
    /// So many scenarios changed …
    pub(crate) changed: usize,
    /// … by so much, relative: 0.05 is 5 % worse. In units of what each check promises to detect if `of_promise`.
    pub(crate) change: f64,
    pub(crate) of_promise: bool,
    /// Whether verdicts are confirmed by pairs.
    pub(crate) duet: bool,
    /// Whether [`FIXED`] starts are measured before anything is judged, as a gate without sequential analysis does.
    pub(crate) fixed: bool,
}

/// What was said of one check.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) verdict: Verdict,
    /// After the duet.
    pub(crate) confirmed: Verdict,
    pub(crate) changed: bool,
    pub(crate) p99: bool,
    /// Whether noise made the band wider than the tolerance, and the band.
    pub(crate) widened: bool,
    pub(crate) band: f64,
}

/// What one suite gave.
pub(crate) struct Trial {
    pub(crate) checks: Vec<Said>,
    /// GPU seconds of the sequential measurement, and of the duet after it.
    pub(crate) cost_s: f64,
    pub(crate) duet_s: f64,
}

/// The bounds, computed once for all suites.
pub(crate) struct Rules {
    pub(crate) boundaries: Boundaries,
    pub(crate) duet: DuetPlan,
}

/// The GPU seconds of a number of starts in which `live` scenarios are measured.
pub(crate) fn cost(world: &World, runs: usize, live: usize) -> f64 {
    let servers = if world.shared_server { usize::from(live > 0) } else { live };
    START_S * servers as f64 + RUN_S * (runs * live) as f64
}

/// Throughput is the first metric of a scenario.
fn direction(check: usize) -> Direction {
    if check.is_multiple_of(METRICS) { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
}

/// With priors that are learned from the suite's baselines, those of the p99s and the others apart.
fn checks(baselines: &[Series]) -> Vec<Check> {
    let of_kind = |p99: bool| -> Vec<&Series> {
        (0..).zip(baselines).filter(|(check, _)| (check % METRICS == P99) == p99).map(|(_, series)| series).collect()
    };
    let (central, tail) = (Prior::central().learned(&of_kind(false)), Prior::tail().learned(&of_kind(true)));
    (0..baselines.len())
        .map(|check| {
            let prior = if check % METRICS == P99 { tail } else { central };
            Check::new(direction(check), 0.025, prior).unwrap()
        })
        .collect()
}

/// In the metric's own unit, as a user's values are.
fn values(check: usize, runs: &[f64], shift: f64) -> Vec<f64> {
    runs.iter().map(|cost| direction(check).value(cost + shift)).collect()
}

/// A baseline: `[check][session][start][run]`.
fn measure(suite: &mut Suite, [sessions, starts]: [usize; 2], runs: usize) -> Vec<Vec<Vec<Vec<f64>>>> {
    let mut all = vec![vec![]; SCENARIOS * METRICS];
    for _ in 0..sessions {
        let drift = suite.session();
        for check in &mut all {
            check.push(vec![]);
        }
        for _ in 0..starts {
            for (check, runs) in suite.start(&drift, runs).iter().enumerate() {
                all[check].last_mut().unwrap().push(values(check, runs, 0.0));
            }
        }
    }
    all
}

pub(crate) fn run(setup: &Setup, rules: &Rules, pool: &Pool, seed: u64) -> Trial {
    let mut suite = Suite::draw(setup.world, pool, seed);
    let base = measure(&mut suite, setup.baseline, setup.baseline_runs);
    let base: Vec<Series> =
        (0..).zip(&base).map(|(check, values)| Series::new(direction(check), values).unwrap()).collect();
    let plans: Vec<Plan> =
        checks(&base).iter().zip(&base).map(|(check, series)| Plan::new(&rules.boundaries, check, series)).collect();
    let shifts: Vec<f64> = plans
        .iter()
        .enumerate()
        .map(|(check, plan)| {
            let unit = if setup.of_promise { plan.resolution().detects } else { 1.0 };
            let is_changed = check / METRICS < setup.changed;
            if is_changed { direction(check).loss(setup.change * unit) } else { 0.0 }
        })
        .collect();
    let (judged, cost_s) = sequential(setup, &mut suite, &plans, &shifts);
    let mut duet_s = 0.0;
    let mut confirmed: Vec<Verdict> = judged.iter().map(|judgement| judgement.verdict).collect();
    if setup.duet {
        duet_s = confirm(setup, rules, &mut suite, (&plans, &shifts), &judged, &mut confirmed);
    }
    let said = judged.iter().zip(&confirmed).enumerate().map(|(check, (judgement, confirmed))| Said {
        verdict: judgement.verdict,
        confirmed: *confirmed,
        changed: shifts[check] != 0.0,
        p99: check % METRICS == P99,
        widened: judgement.resolution.noise_limited,
        band: judgement.resolution.effective_tolerance,
    });
    Trial { checks: said.collect(), cost_s, duet_s }
}

/// Starts until everything is settled. A scenario is paid for until nothing of it is open or something of it regressed; its
/// other checks are judged to the end all the same, so that each has a verdict to be counted.
fn sequential(setup: &Setup, suite: &mut Suite, plans: &[Plan], shifts: &[f64]) -> (Vec<Judgement>, f64) {
    let drift = suite.session();
    let mut values = vec![vec![vec![]]; SCENARIOS * METRICS];
    let mut judged: Vec<Option<Judgement>> = vec![None; SCENARIOS * METRICS];
    let mut cost_s = 0.0;
    while judged.iter().any(|judgement| judgement.as_ref().is_none_or(|said| !said.verdict.is_settled())) {
        let live = judged.chunks(METRICS).filter(|scenario| {
            let is = |wanted: Verdict| {
                scenario.iter().any(|judgement| judgement.as_ref().map_or(Verdict::GoOn, |said| said.verdict) == wanted)
            };
            is(Verdict::GoOn) && !is(Verdict::Regressed)
        });
        cost_s += cost(&setup.world, RUNS, live.count());
        for (check, runs) in suite.start(&drift, RUNS).iter().enumerate() {
            if judged[check].as_ref().is_some_and(|said| said.verdict.is_settled()) {
                continue;
            }
            values[check][0].push(self::values(check, runs, shifts[check]));
            if setup.fixed && values[check][0].len() < FIXED {
                continue;
            }
            judged[check] = Some(plans[check].judge(&Series::new(direction(check), &values[check]).unwrap()));
        }
    }
    (judged.into_iter().flatten().collect(), cost_s)
}

/// Pairs in a new session, of the scenarios with anything to confirm, until each is decided.
fn confirm(
    setup: &Setup,
    rules: &Rules,
    suite: &mut Suite,
    (plans, shifts): (&[Plan], &[f64]),
    judged: &[Judgement],
    confirmed: &mut [Verdict],
) -> f64 {
    let mut open: Vec<usize> = (0..judged.len())
        .filter(|check| matches!(judged[*check].verdict, Verdict::Regressed | Verdict::Inconclusive))
        .collect();
    let drift = suite.session();
    let mut pairs: Vec<Vec<(Vec<f64>, Vec<f64>)>> = vec![vec![]; judged.len()];
    let mut cost_s = 0.0;
    while !open.is_empty() {
        let mut live: Vec<usize> = open.iter().map(|check| check / METRICS).collect();
        live.dedup();
        cost_s += 2.0 * cost(&setup.world, DUET_RUNS, live.len());
        let (old, new) = (suite.start(&drift, DUET_RUNS), suite.start(&drift, DUET_RUNS));
        open.retain(|check| {
            let check = *check;
            pairs[check].push((values(check, &old[check], 0.0), values(check, &new[check], shifts[check])));
            let both = Pairs::new(direction(check), &pairs[check]).unwrap();
            confirmed[check] = rules.duet.confirm(plans[check].check(), &judged[check], &both).verdict;
            !confirmed[check].is_settled()
        });
    }
    cost_s
}
