//! Many suites, added up: [`Tally`], on all cores and the same every time.

use perf_gate::Verdict;

use crate::percentile::Pool;
use crate::trial::{self, Rules, Said, Setup, Trial};

/// A mean with its standard error.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) mean: f64,
    pub(crate) error: f64,
}

/// Of numbers, one a suite or history.
pub(crate) fn measured(values: impl Iterator<Item = f64>) -> Measured {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Measured { mean, error: (variance / count).sqrt() }
}

/// Does `work` for every number below `count`, on all cores, and gives the results in order.
pub(crate) fn on_all_cores<T: Send>(count: usize, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let work = &work;
        let part = |core: usize| {
            (core..count).step_by(cores).map(|index| (index, work(index as u64))).collect()
        };
        let threads: Vec<_> =
            (0..cores).map(|core| scope.spawn(move || -> Vec<(usize, T)> { part(core) })).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// What many suites gave.
pub(crate) struct Tally {
    trials: Vec<Trial>,
}

impl Tally {
    pub(crate) fn of(setup: &Setup, rules: &Rules, pool: &Pool, suites: usize, seed: u64) -> Self {
        Self {
            trials: on_all_cores(suites, |suite| {
                trial::run(setup, rules, pool, seed.wrapping_add(suite))
            }),
        }
    }

    /// Suite by suite.
    pub(crate) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The share of suites in which a guard that did not change regressed.
    pub(crate) fn false_alarms(&self) -> Measured {
        self.any(|said| !said.changed && said.verdict == Verdict::Regressed)
    }

    /// The same, of the confirmed verdicts.
    pub(crate) fn confirmed_false_alarms(&self) -> Measured {
        self.any(|said| !said.changed && said.confirmed == Verdict::Regressed)
    }

    /// The share of suites that fail though nothing changed: a guard regressed or stayed undecided,
    /// of those that can hold at all.
    pub(crate) fn red(&self) -> Measured {
        self.any(|said| {
            !said.changed
                && !said.blind
                && matches!(said.confirmed, Verdict::Regressed | Verdict::Inconclusive)
        })
    }

    /// The share of guards whose band is wider than it may be, p99s excluded: inconclusive in every
    /// run, as `refresh` says.
    pub(crate) fn blind(&self) -> Measured {
        self.share(|said| !said.p99, |said| said.blind)
    }

    /// The share of suites in which any guard is.
    pub(crate) fn any(&self, is: impl Fn(&Said) -> bool) -> Measured {
        measured(self.trials.iter().map(|trial| f64::from(u8::from(trial.guards.iter().any(&is)))))
    }

    /// The mean share, over suites, of the guards that are `among` which are also `is`.
    pub(crate) fn share(
        &self,
        among: impl Fn(&Said) -> bool,
        is: impl Fn(&Said) -> bool,
    ) -> Measured {
        measured(self.trials.iter().map(|trial| {
            let (mut all, mut some) = (0_u32, 0_u32);
            for said in trial.guards.iter().filter(|said| among(said)) {
                all += 1;
                some += u32::from(is(said));
            }
            f64::from(some) / f64::from(all)
        }))
    }

    /// The mean of `of` over the guards that are `among`.
    pub(crate) fn mean(
        &self,
        among: impl Fn(&Said) -> bool,
        of: impl Fn(&Said) -> f64,
    ) -> Measured {
        measured(self.trials.iter().map(|trial| {
            let values: Vec<f64> =
                trial.guards.iter().filter(|said| among(said)).map(&of).collect();
            values.iter().sum::<f64>() / values.len() as f64
        }))
    }

    /// GPU time relative to `reference` seconds.
    pub(crate) fn cost(&self, reference: f64) -> Measured {
        measured(self.trials.iter().map(|trial| trial.cost_s / reference))
    }

    /// GPU time with the duets.
    pub(crate) fn whole_cost(&self, reference: f64) -> Measured {
        measured(self.trials.iter().map(|trial| (trial.cost_s + trial.duet_s) / reference))
    }
}
