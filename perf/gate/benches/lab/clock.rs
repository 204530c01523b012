//! How the SM clock moves and drives speed: [`Clock`].
//!
//! At the power cap the driver lowers the clock until the card draws no more than it may. How far,
//! depends on the card, its temperature and on what it computes, so that the mean clock differs from
//! start to start and from day to day, and the speed of what computes differs with it.

use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardUniform};

/// Which metric is the TTFT mean: prefill, which computes.
const TTFT: usize = 2;

/// The clock of a world. All figures are of natural logarithms: 0.02 is 2 %.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Standard deviation of the mean clock between sessions.
    pub(crate) session_sd: f64,
    /// The same between the starts of a session; half is shared by the scenarios of a start.
    pub(crate) start_sd: f64,
    /// Standard deviation of what is read around the clock that drives the speed.
    pub(crate) read_sd: f64,
    /// Whether speed follows it at all.
    pub(crate) drives: bool,
    /// The first scenarios, this many, compute: their speed follows the clock in full.
    pub(crate) computing: usize,
}

/// The clock of one H200 at its power cap.
///
/// Three starts of the saturated load of `docs/GPU.md` gave 6529, 6262 and 6216 tok/s: a standard
/// deviation of 2.65 %, of which the least disturbed loads of the same starts (0.3 to 0.8 %) account
/// for little. 2.5 % is left for the clock, if the load computes. That is an upper limit by
/// intention, as it is in favour of the adjustment. The momentary clock went from 1,425 to 1,980
/// MHz, which is 9.5 % if all between is equally frequent; a mean of 14 such readings scatters by
/// 2.5 %. Days were not measured: they are taken to differ by less than half of that. A record has
/// ten readings a second in steps of 15 MHz, whose mean is exact to 0.03 %; that time and work weigh
/// the clock differently is taken for 0.3 %.
pub(crate) const AT_THE_CAP: Clock =
    Clock { session_sd: 0.01, start_sd: 0.025, read_sd: 0.003, drives: true, computing: 0 };

impl Clock {
    /// How much of a change of the clock the speed of each guard follows: of memory-bound decode
    /// nothing, of what computes all. A scenario lies anywhere between, its TTFT in the upper half.
    pub(crate) fn sensitivities(
        &self,
        [scenarios, metrics]: [usize; 2],
        draws: &mut ChaCha8Rng,
    ) -> Vec<f64> {
        let mut all = Vec::with_capacity(scenarios * metrics);
        for scenario in 0..scenarios {
            let share: f64 = StandardUniform.sample(draws);
            let computes = if scenario < self.computing { 1.0 } else { share };
            all.extend((0..metrics).map(|metric| match (self.drives, metric) {
                (false, _) => 0.0,
                (true, TTFT) => f64::midpoint(1.0, computes),
                (true, _) => computes,
            }));
        }
        all
    }
}
