//! A guard's figure adjusted for the mean SM clock of each start: [`Adjustment`].
//!
//! An analysis of covariance. Within the sessions of a baseline the slope of log speed over log clock
//! is found; every start of both sides is moved along it to the mean clock of the baseline. The error
//! of the slope counts in the error of the difference, (difference of the clocks)² · var(slope), and
//! what the slope takes from the scatter of the baseline is given back, as degrees of freedom and as
//! scatter. It lies here and not in the crate, because what it gains it pays for with losses that it
//! hides: `docs/gate/covariate.md`.

use perf_gate::{Judgement, Prior, Verdict};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// What is known of a slope beforehand: speed follows the clock between not at all and in full. The
/// mean and the variance of a uniform distribution from 0 to 1.
const KNOWN: f64 = 0.5;
const KNOWN_VARIANCE: f64 = 1.0 / 12.0;

/// Starts beyond the first of each session, over all sessions, below which no slope is estimated.
/// Four are five starts in one session; of three starts one comparison would be left for the scatter.
const LEAST: usize = 4;

/// One start of a baseline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// The natural logarithm of its mean clock.
    pub(crate) clock: f64,
    /// Its cost: natural logarithm, + = worse.
    pub(crate) cost: f64,
}

/// How a guard's speed follows the clock, as its baseline shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Adjustment {
    /// The slope of log speed over log clock: 1 of what computes, 0 of what waits for memory.
    pub(crate) slope: f64,
    /// The variance of that.
    pub(crate) variance: f64,
    /// The degrees of freedom that it took from the baseline's scatter: 0 where only the prior
    /// speaks, 1 where only the baseline does.
    pub(crate) used: f64,
    /// The mean of the baseline's log clocks, to which all starts are moved.
    pub(crate) clock: f64,
    /// What the baseline's residuals are multiplied by, because they were used for the slope.
    stretch: f64,
}

impl Adjustment {
    /// `None` where the baseline has too few starts in its sessions, or a clock that never moved.
    /// `prior` is what is known of the scatter of the guard.
    pub(crate) fn of(sessions: &[Vec<Point>], prior: Prior) -> Option<Self> {
        let within: usize = sessions.iter().map(|starts| starts.len().saturating_sub(1)).sum();
        if within < LEAST {
            return None;
        }
        let (mut clocks, mut both, mut costs) = (0.0, 0.0, 0.0);
        for starts in sessions {
            let at = mean_point(starts);
            for start in starts {
                let (clock, cost) = (start.clock - at.clock, start.cost - at.cost);
                clocks += clock * clock;
                both -= clock * cost;
                costs += cost * cost;
            }
        }
        if clocks <= 0.0 {
            return None;
        }
        let (own, free) = (both / clocks, within as f64);
        let left = (costs - own * both).max(0.0);
        // As in `estimate`: a variance is moderated by what is known beforehand.
        let scatter =
            (prior.start_df * prior.start_sd.powi(2) + left) / (prior.start_df + free - 1.0);
        let own_variance = scatter / clocks;
        let used = KNOWN_VARIANCE / (KNOWN_VARIANCE + own_variance);
        let all: Vec<Point> = sessions.iter().flatten().copied().collect();
        Some(Self {
            slope: KNOWN + used * (own - KNOWN),
            variance: used * own_variance,
            used,
            clock: mean_point(&all).clock,
            stretch: (free / (free - used)).sqrt(),
        })
    }

    /// What to add to a cost that was measured at this log clock.
    pub(crate) fn shift(&self, clock: f64) -> f64 {
        self.slope * (clock - self.clock)
    }

    /// The same for the starts of a session of the baseline, whose residuals are stretched.
    pub(crate) fn baseline_shifts(&self, session: &[Point]) -> Vec<f64> {
        let moved = |start: &Point| Point { cost: start.cost + self.shift(start.clock), ..*start };
        let at = mean_point(&session.iter().map(moved).collect::<Vec<_>>()).cost;
        let stretched = |start: &Point| {
            let there = moved(start).cost;
            at + self.stretch * (there - at) - start.cost
        };
        session.iter().map(stretched).collect()
    }

    /// The verdict with the error of the slope: what `judged` says of the moved starts stands where it
    /// is shown by this error as well.
    pub(crate) fn verdict(
        &self,
        judged: &Judgement,
        band_cost: f64,
        clocks: &[f64],
        is_last: bool,
    ) -> Verdict {
        let apart = clocks.iter().sum::<f64>() / clocks.len() as f64 - self.clock;
        let error = (judged.error.powi(2) + apart.powi(2) * self.variance).sqrt();
        let z = |difference: f64| z_of_t(difference / error, judged.noise.df - self.used);
        let is_change = |loss: f64| judged.z_change.is_some_and(|bound| z(loss) >= bound);
        let stands = match judged.verdict {
            Verdict::Regressed => is_change(judged.loss),
            Verdict::Improved => is_change(-judged.loss),
            Verdict::Held => z(2.0 * band_cost - judged.loss) >= judged.z_held,
            Verdict::Continue | Verdict::Inconclusive => true,
        };
        match (stands, is_last) {
            (true, _) => judged.verdict,
            (false, true) => Verdict::Inconclusive,
            (false, false) => Verdict::Continue,
        }
    }
}

fn mean_point(starts: &[Point]) -> Point {
    let count = starts.len() as f64;
    Point {
        clock: starts.iter().map(|start| start.clock).sum::<f64>() / count,
        cost: starts.iter().map(|start| start.cost).sum::<f64>() / count,
    }
}

/// The normal quantile that has the same tail probability as `t` in Student's t.
fn z_of_t(t: f64, df: f64) -> f64 {
    let tail = StudentsT::new(0.0, 1.0, df).map_or(0.5, |student| student.sf(t.abs()));
    let z = Normal::standard().inverse_cdf(1.0 - tail.max(1e-16));
    z.copysign(t)
}
