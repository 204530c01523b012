//! The noise that the gate is tried on: [`World`], and what a suite measures in it.
//!
//! On the log scale, + = worse: truth + session + start + run, each half shared with the suite's
//! other guards, because a slow machine is slow for all of them; plus what is wild.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use crate::clock::Clock;
use crate::percentile::Pool;

/// Scenarios of a suite.
pub(crate) const SCENARIOS: usize = 10;

/// Guards of a scenario: throughput, ITL p50, TTFT mean, ITL p99.
pub(crate) const METRICS: usize = 4;

/// Which of them is the p99.
pub(crate) const P99: usize = 3;

/// How much slower a slow GPU is.
const SLOW_GPU: f64 = 0.1;

/// How noisy it is.
#[derive(Clone, Copy)]
pub(crate) struct World {
    /// Share of runs that are 5 to 15 % worse, in all metrics.
    pub(crate) outliers: f64,
    /// Share of starts in which a scenario is 8 % slower.
    pub(crate) slow_starts: f64,
    /// Standard deviation between sessions.
    pub(crate) session_sd: f64,
    /// All scatter of runs and starts times this.
    pub(crate) scale: f64,
    /// One server for all scenarios, or one each.
    pub(crate) shared_server: bool,
    /// How much slower the hour is in which the candidate is measured.
    pub(crate) slow_hour: f64,
    /// Share of sessions that get a GPU which is 10 % slower.
    pub(crate) slow_gpus: f64,
    /// How much worse the first run of each start is than those after it.
    pub(crate) first_run: f64,
    /// How much worse the last of ten scenarios in a start is than the first, evenly in between: a
    /// start that leaves some out measures those after them earlier.
    pub(crate) order: f64,
    /// The scatter of starts of all guards, where it does not differ from guard to guard.
    pub(crate) start_sd: Option<f64>,
    /// How the SM clock moves and drives speed; `None` where it is not looked at.
    pub(crate) clock: Option<Clock>,
}

/// What the other rows differ from.
pub(crate) const USUAL: World = World {
    outliers: 0.02,
    slow_starts: 0.0,
    session_sd: 0.003,
    scale: 1.0,
    shared_server: true,
    slow_hour: 0.0,
    slow_gpus: 0.0,
    first_run: 0.0,
    order: 0.0,
    start_sd: None,
    clock: None,
};

/// One suite's truth: how much each guard scatters. The gate never sees it.
pub(crate) struct Suite<'a> {
    world: World,
    pool: &'a Pool,
    scatter: Vec<Scatter>,
    /// How much of a change of the clock each guard's speed follows; 0 without a clock.
    sensitivities: Vec<f64>,
    draws: ChaCha8Rng,
}

struct Scatter {
    run: f64,
    start: f64,
}

/// The drift of one session: what all share, and each guard's own.
#[derive(Clone)]
pub(crate) struct Session {
    drift: Vec<f64>,
    /// The natural logarithm of the machine's mean clock in it, around the usual.
    clock: f64,
}

/// What one start gave.
pub(crate) struct Start {
    /// `[guard][run]`, log scale.
    pub(crate) runs: Vec<Vec<f64>>,
    /// The natural logarithm of the mean clock of each scenario, around the usual, as it is read; 0
    /// without a clock.
    pub(crate) clocks: Vec<f64>,
}

impl<'a> Suite<'a> {
    pub(crate) fn draw(world: World, pool: &'a Pool, seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let mut log_uniform = |low: f64, high: f64| {
            let share: f64 = StandardUniform.sample(&mut draws);
            world.scale * low * (high / low).powf(share)
        };
        let scatter = (0..SCENARIOS * METRICS)
            .map(|_| Scatter { run: log_uniform(0.003, 0.03), start: log_uniform(0.003, 0.015) })
            .map(|scatter| Scatter { start: world.start_sd.unwrap_or(scatter.start), ..scatter });
        let scatter = scatter.collect();
        let sensitivities = world.clock.map_or_else(
            || vec![0.0; SCENARIOS * METRICS],
            |clock| clock.sensitivities([SCENARIOS, METRICS], &mut draws),
        );
        Self { world, pool, scatter, sensitivities, draws }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.draws)
    }

    fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.draws)
    }

    pub(crate) fn session(&mut self) -> Session {
        let all = self.normal();
        let gpu = if self.world.slow_gpus > 0.0 && self.uniform() < self.world.slow_gpus {
            SLOW_GPU
        } else {
            0.0
        };
        let drift = (0..SCENARIOS * METRICS)
            .map(|_| gpu + self.world.session_sd * half(all, self.normal()))
            .collect();
        let clock = self.world.clock.map_or(0.0, |clock| clock.session_sd * self.normal());
        Session { drift, clock }
    }

    /// The session in which the candidate is measured.
    pub(crate) fn candidate_session(&mut self) -> Session {
        let mut session = self.session();
        session.drift.iter_mut().for_each(|drift| *drift += self.world.slow_hour);
        session
    }

    /// One start of every scenario's server and `runs` runs of each.
    pub(crate) fn start(&mut self, session: &Session, runs: usize) -> Start {
        self.start_of(session, runs, &[true; SCENARIOS])
    }

    /// The same of a start that measures only the scenarios that are `live`.
    pub(crate) fn start_of(&mut self, session: &Session, runs: usize, live: &[bool]) -> Start {
        let machine = self.normal();
        let (clocks, read) = self.clocks(session);
        let mut values = Vec::with_capacity(SCENARIOS * METRICS);
        for scenario in 0..SCENARIOS {
            let server = if self.world.shared_server { machine } else { self.normal() };
            let slow = if self.uniform() < self.world.slow_starts { 0.08 } else { 0.0 };
            let of_run: Vec<(f64, f64)> =
                (0..runs).map(|_| (self.normal(), self.outlier())).collect();
            for metric in 0..METRICS {
                let guard = scenario * METRICS + metric;
                let before = live[..scenario].iter().filter(|live| **live).count();
                let level = session.drift[guard] - self.sensitivities[guard] * clocks[scenario]
                    + slow
                    + self.world.order * before as f64 / (SCENARIOS - 1) as f64
                    + self.scatter[guard].start * half(server, self.normal());
                let of_check = of_run.iter().enumerate().map(|(run, (shared, wild))| {
                    let scatter = if metric == P99 {
                        self.world.scale * self.pool.pick(self.uniform())
                    } else {
                        self.scatter[guard].run * half(*shared, self.normal())
                    };
                    let first = if run == 0 { self.world.first_run } else { 0.0 };
                    level + scatter + wild + first
                });
                values.push(of_check.collect());
            }
        }
        Start { runs: values, clocks: read }
    }

    /// The clock of each scenario in a start: as it is, and as it is read.
    fn clocks(&mut self, session: &Session) -> (Vec<f64>, Vec<f64>) {
        let Some(clock) = self.world.clock else {
            return (vec![0.0; SCENARIOS], vec![0.0; SCENARIOS]);
        };
        let machine = self.normal();
        (0..SCENARIOS)
            .map(|_| {
                let at = session.clock + clock.start_sd * half(machine, self.normal());
                (at, at + clock.read_sd * self.normal())
            })
            .unzip()
    }

    fn outlier(&mut self) -> f64 {
        if self.uniform() < self.world.outliers { 0.05 + 0.1 * self.uniform() } else { 0.0 }
    }
}

/// Two standard normals, half the variance from each.
fn half(shared: f64, own: f64) -> f64 {
    (shared + own) * std::f64::consts::FRAC_1_SQRT_2
}
