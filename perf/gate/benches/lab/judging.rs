//! How a guard is judged: as the gate does it, or adjusted for the clock: [`Judge`].

use perf_gate::{Boundaries, Direction, Guard, Judgement, Kind, Knowledge, Plan, Series};

use crate::covariate::{Adjustment, Point};
use crate::world::{METRICS, P99, SCENARIOS, Session, Suite, World};

/// How far each guard may move the wrong way.
const SLACK: f64 = 0.025;

/// The widest band that is asked of a p99; of the others it is the usual two slacks.
pub(crate) const P99_BAND: f64 = 0.6;

/// The most by which the clocks of both sides may differ, where the adjustment is for clocks that
/// differ little.
const NEAR: f64 = 0.02;

/// What is done with the clock.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Arm {
    /// Nothing, as the gate is shipped.
    AsMeasured,
    /// Every figure is adjusted for it.
    Adjusted,
    /// The same while the mean clock of the candidate's starts is within [`NEAR`] of the baseline's.
    IfNear,
    /// The same, and duets are judged as measured: they need no baseline.
    IfNearButDuets,
}

/// Throughput is the first metric of a scenario.
pub(crate) fn direction(guard: usize) -> Direction {
    if guard.is_multiple_of(METRICS) { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
}

pub(crate) fn kind(guard: usize) -> Kind {
    if guard % METRICS == P99 { Kind::Tail } else { Kind::Central }
}

/// In the metric's own unit, as a user's values are.
pub(crate) fn values(guard: usize, runs: &[f64], shift: f64) -> Vec<f64> {
    runs.iter().map(|cost| direction(guard).value(cost + shift)).collect()
}

/// What was measured of one guard in one start.
#[derive(Clone)]
pub(crate) struct Measured {
    /// A cost a run, log scale.
    runs: Vec<f64>,
    /// The natural logarithm of the mean clock, as it is read.
    clock: f64,
}

impl Measured {
    pub(crate) fn new(runs: Vec<f64>, clock: f64) -> Self {
        Self { runs, clock }
    }

    fn series(guard: usize, sessions: &[Vec<Self>], shifts: &[Vec<f64>]) -> Series {
        let values: Vec<Vec<Vec<f64>>> = sessions
            .iter()
            .zip(shifts)
            .map(|(starts, shifts)| {
                let both = starts.iter().zip(shifts);
                both.map(|(start, shift)| values(guard, &start.runs, *shift)).collect()
            })
            .collect();
        Series::new(direction(guard), &values).unwrap()
    }
}

/// A baseline: `[guard][session][start]`.
pub(crate) fn baseline(
    suite: &mut Suite,
    [sessions, starts]: [usize; 2],
    runs: usize,
) -> Vec<Vec<Vec<Measured>>> {
    let mut all = vec![vec![]; SCENARIOS * METRICS];
    for _ in 0..sessions {
        let session: Session = suite.session();
        for guard in &mut all {
            guard.push(vec![]);
        }
        for _ in 0..starts {
            let start = suite.start(&session, runs);
            for (guard, runs) in start.runs.into_iter().enumerate() {
                let measured = Measured::new(runs, start.clocks[guard / METRICS]);
                all[guard].last_mut().unwrap().push(measured);
            }
        }
    }
    all
}

/// One guard, ready to be judged.
pub(crate) struct Judge {
    guard: usize,
    arm: Arm,
    plain: Plan,
    adjusted: Option<(Plan, Adjustment)>,
}

impl Judge {
    /// One for each guard of a baseline.
    pub(crate) fn all(
        world: &World,
        boundaries: &Boundaries,
        arm: Arm,
        baselines: &[Vec<Vec<Measured>>],
    ) -> Vec<Self> {
        let plain = Self::plans(world, boundaries, baselines, None);
        if arm == Arm::AsMeasured {
            let judge = |(guard, plain)| Self { guard, arm, plain, adjusted: None };
            return plain.into_iter().enumerate().map(judge).collect();
        }
        let adjustments: Vec<Option<Adjustment>> = plain
            .iter()
            .zip(baselines)
            .map(|(plan, sessions)| Adjustment::of(&points(plan, sessions), plan.guard().prior()))
            .collect();
        let adjusted = Self::plans(world, boundaries, baselines, Some((&plain, &adjustments)));
        plain
            .into_iter()
            .zip(adjusted.into_iter().zip(adjustments))
            .enumerate()
            .map(|(guard, (plain, (plan, adjustment)))| Self {
                guard,
                arm,
                plain,
                adjusted: adjustment.map(|adjustment| (plan, adjustment)),
            })
            .collect()
    }

    /// With noise that is learned from the baselines of the same server, as a run does.
    fn plans(
        world: &World,
        boundaries: &Boundaries,
        baselines: &[Vec<Vec<Measured>>],
        adjusted: Option<(&[Plan], &[Option<Adjustment>])>,
    ) -> Vec<Plan> {
        let shifts = |guard: usize| -> Vec<Vec<f64>> {
            let sessions = &baselines[guard];
            let none = || sessions.iter().map(|starts| vec![0.0; starts.len()]).collect();
            adjusted.map_or_else(none, |(plans, adjustments)| {
                adjustments[guard].map_or_else(none, |adjustment| {
                    let points = points(&plans[guard], sessions);
                    points.iter().map(|session| adjustment.baseline_shifts(session)).collect()
                })
            })
        };
        let series: Vec<Series> = baselines
            .iter()
            .enumerate()
            .map(|(guard, sessions)| Measured::series(guard, sessions, &shifts(guard)))
            .collect();
        let guards = guards(world, &series);
        let plan = |(guard, series)| Plan::new(boundaries, guard, series);
        guards.iter().zip(&series).map(plan).collect()
    }

    /// The plan in which it is judged, unless its clock forbids that.
    pub(crate) fn plan(&self) -> &Plan {
        self.adjusted.as_ref().map_or(&self.plain, |(plan, _)| plan)
    }

    /// Judges the starts so far, all of one session.
    pub(crate) fn judge(&self, starts: &[Measured]) -> Judgement {
        let Some((plan, adjustment)) = self.adjustment(starts) else {
            return self.plain.judge(&self.series(starts, |_| 0.0));
        };
        let mut judged = plan.judge(&self.series(starts, |clock| adjustment.shift(clock)));
        let band = direction(self.guard).loss(judged.resolution.band);
        let is_last = starts.len() >= plan.design().max_starts;
        judged.verdict = adjustment.verdict(&judged, band, &clocks(starts), is_last);
        judged
    }

    /// What a duet confirms: the verdict, beside the noise that its pairs have.
    pub(crate) fn for_duet(&self, judged: &Judgement, starts: &[Measured]) -> Judgement {
        if self.arm != Arm::IfNearButDuets {
            return judged.clone();
        }
        let plain = self.plain.judge(&self.series(starts, |_| 0.0));
        Judgement { verdict: judged.verdict, ..plain }
    }

    /// The values of a start of a duet that confirms what the starts `shown` showed.
    pub(crate) fn duet_values(&self, shown: &[Measured], start: &Measured) -> Vec<f64> {
        let adjustment = self.adjustment(shown).filter(|_| self.arm != Arm::IfNearButDuets);
        let shift = adjustment.map_or(0.0, |(_, adjustment)| adjustment.shift(start.clock));
        values(self.guard, &start.runs, shift)
    }

    /// How these starts are adjusted, if they are.
    fn adjustment(&self, starts: &[Measured]) -> Option<(&Plan, &Adjustment)> {
        let (plan, adjustment) = self.adjusted.as_ref()?;
        let clocks = clocks(starts);
        let apart = clocks.iter().sum::<f64>() / clocks.len() as f64 - adjustment.clock;
        (self.arm == Arm::Adjusted || apart.abs() <= NEAR).then_some((plan, adjustment))
    }

    fn series(&self, starts: &[Measured], shift: impl Fn(f64) -> f64) -> Series {
        let shifts = starts.iter().map(|start| shift(start.clock)).collect();
        Measured::series(self.guard, &[starts.to_vec()], &[shifts])
    }
}

fn clocks(starts: &[Measured]) -> Vec<f64> {
    starts.iter().map(|start| start.clock).collect()
}

/// The starts of a baseline with the costs that its plan sees.
fn points(plan: &Plan, sessions: &[Vec<Measured>]) -> Vec<Vec<Point>> {
    let mut costs = plan.baseline().costs().iter();
    sessions
        .iter()
        .map(|starts| {
            let both = starts.iter().zip(&mut costs);
            both.map(|(start, cost)| Point { clock: start.clock, cost: *cost }).collect()
        })
        .collect()
}

fn guards(world: &World, baselines: &[Series]) -> Vec<Guard> {
    let together = if world.shared_server { baselines.len() } else { METRICS };
    baselines.chunks(together).flat_map(guards_of_one_server).collect()
}

fn guards_of_one_server(baselines: &[Series]) -> Vec<Guard> {
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
