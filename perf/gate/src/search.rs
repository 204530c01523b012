//! The search for the highest load at which a share of the requests meets its objectives:
//! [`Search`] says where to probe next, takes in what a probe found, and gives an [`Answer`].
//!
//! It bisects on the log scale between the ends of the range. A probe is *sustained* when the lower
//! confidence limit of its [`Share`] reaches the declared one, the number of requests under way did
//! not grow, and it lasted long enough; *not sustained* when the upper limit stays below; else
//! *undecided*. A probe that is undecided is near the answer: the next ones are put half a
//! resolution above and below it, with twice the requests.
//!
//! An answer is two probes, one sustained and one not, that lie at most twice the resolution apart,
//! and the estimate between them. Everything else is unresolved, with the reason.

mod plan;

use serde::{Deserialize, Serialize};

use crate::share::Block;

pub use plan::{SearchError, SearchPlan};

/// The blocks into which the requests of a probe are cut.
pub const BLOCKS: usize = 20;

/// How many times the mean E2E a probe must last before it can be called sustained: in a shorter
/// one the server was still filling up.
pub const LEAST_LENGTH: f64 = 10.0;

/// Above the throughput of an overloaded probe, by this factor, nothing is looked for first.
const ABOVE_CAPACITY: f64 = 1.05;

/// Below the throughput of an overloaded probe, by this factor or less, the answer usually is.
const BELOW_CAPACITY: f64 = 0.8;

/// The most by which the requests of later probes grow.
const MOST_SCALE: u32 = 4;

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The load: requests per second, or requests at once.
    pub at: f64,
    /// Its requests, without those of the ramp, in [`BLOCKS`] blocks.
    pub blocks: Vec<Block>,
    /// Whether the number of requests under way grew from beginning to end.
    pub grew: bool,
    /// How many times the mean E2E it lasted.
    pub length: f64,
    /// Requests that ended per second, if the number under way grew: no higher load is sustained
    /// for long.
    pub capacity: Option<f64>,
}

/// What a probe says of its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeVerdict {
    /// The share of requests that meet the objectives is reached.
    Sustained,
    /// It is not.
    NotSustained,
    /// The probe cannot tell.
    Undecided,
}

/// Where to probe next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NextProbe {
    /// The load.
    pub at: f64,
    /// How many times the declared number of requests.
    pub scale: u32,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The highest load.
    Found {
        /// The estimate.
        value: f64,
        /// The highest load that was sustained.
        low: f64,
        /// The lowest load that was not.
        high: f64,
    },
    /// None: not yet, or not with these probes.
    Unresolved {
        /// The highest load that was sustained, if any was.
        low: Option<f64>,
        /// The lowest load that was not, if any was not.
        high: Option<f64>,
        /// Why there is no answer.
        why: Unresolved,
    },
}

/// Why a search has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It has not ended.
    #[error("the search has not ended")]
    Unfinished,
    /// The lower end of the range is above the answer.
    #[error("even the lowest load misses the objectives; search from a lower one")]
    TooHigh,
    /// The upper end of the range is below the answer.
    #[error("even the highest load meets the objectives; search up to a higher one")]
    TooLow,
    /// Probes could not be decided.
    #[error(
        "the probes near the answer are too noisy or too short to decide; ask for more requests"
    )]
    Noisy,
    /// A higher load was sustained and a lower one was not.
    #[error("a higher load met the objectives and a lower one missed them")]
    Contradictory,
    /// All probes were used.
    #[error("all probes were used; allow more, or narrow the range")]
    UsedUp,
}

/// A search under way: all that was found so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    plan: SearchPlan,
    probes: Vec<(Probe, ProbeVerdict)>,
}

impl Search {
    /// A search that has not begun.
    pub fn new(plan: SearchPlan) -> Result<Self, SearchError> {
        plan.check()?;
        Ok(Self { plan, probes: Vec::new() })
    }

    /// The probes so far, in the order they were taken, with their verdicts.
    pub fn probes(&self) -> &[(Probe, ProbeVerdict)] {
        &self.probes
    }

    /// Takes in what a probe found.
    pub fn take(&mut self, probe: Probe) -> ProbeVerdict {
        let verdict = self.plan.verdict(&probe);
        self.probes.push((probe, verdict));
        verdict
    }

    /// Where to probe next; `None` when there is an answer, or none can be found.
    pub fn next_probe(&self) -> Option<NextProbe> {
        if self.probes.len() >= self.plan.probes as usize
            || !matches!(self.answer(), Answer::Unresolved { why: Unresolved::Unfinished, .. })
        {
            return None;
        }
        let undecided = self.count(ProbeVerdict::Undecided);
        let scale = 1 << undecided.min(MOST_SCALE as usize / 2);
        let mut at = self.place();
        if self.plan.is_whole {
            at = self.whole(at);
        }
        Some(NextProbe { at, scale })
    }

    /// What was found so far.
    pub fn answer(&self) -> Answer {
        let (low, high) = (self.low(), self.high());
        let unresolved = |why| Answer::Unresolved { low, high, why };
        let is_used_up = self.probes.len() >= self.plan.probes as usize;
        match (low, high) {
            (Some(low), Some(high)) if low >= high => unresolved(Unresolved::Contradictory),
            (Some(low), Some(high)) if self.plan.is_close(low, high) => {
                Answer::Found { value: self.value(low, high), low, high }
            }
            (_, Some(high)) if high <= self.plan.from => unresolved(Unresolved::TooHigh),
            (Some(low), _) if low >= self.plan.to => unresolved(Unresolved::TooLow),
            _ if !is_used_up => unresolved(Unresolved::Unfinished),
            _ if self.between(low, high).next().is_some() => unresolved(Unresolved::Noisy),
            _ => unresolved(Unresolved::UsedUp),
        }
    }

    /// The highest load that was sustained.
    fn low(&self) -> Option<f64> {
        self.loads(ProbeVerdict::Sustained).max_by(f64::total_cmp)
    }

    /// The lowest load that was not.
    fn high(&self) -> Option<f64> {
        self.loads(ProbeVerdict::NotSustained).min_by(f64::total_cmp)
    }

    fn loads(&self, verdict: ProbeVerdict) -> impl Iterator<Item = f64> {
        self.probes.iter().filter(move |(_, its)| *its == verdict).map(|(probe, _)| probe.at)
    }

    fn count(&self, verdict: ProbeVerdict) -> usize {
        self.loads(verdict).count()
    }

    /// The undecided loads between the highest that was sustained and the lowest that was not.
    fn between(&self, low: Option<f64>, high: Option<f64>) -> impl Iterator<Item = f64> {
        let (low, high) = (low.unwrap_or(0.0), high.unwrap_or(f64::INFINITY));
        self.loads(ProbeVerdict::Undecided).filter(move |at| (low..=high).contains(at))
    }

    /// The load of the next probe.
    fn place(&self) -> f64 {
        let SearchPlan { from, to, .. } = self.plan;
        let (low, high) = (self.low(), self.high());
        let capacity = self.probes.iter().filter_map(|(probe, _)| probe.capacity);
        let least = capacity.min_by(f64::total_cmp).map(|capacity| capacity * ABOVE_CAPACITY);
        let floor = low.unwrap_or(from);
        let top = high.unwrap_or(to);
        // What is above the capacity is looked at when nothing is left below it.
        let ceiling = least.filter(|least| *least > floor).map_or(top, |least| least.min(top));
        let mut near: Vec<f64> = self.between(low, high).collect();
        near.sort_by(f64::total_cmp);
        let step = 1.0 + self.plan.resolution * 0.9;
        let (Some(lowest), Some(highest)) = (near.first(), near.last()) else {
            return match () {
                () if !self.plan.is_close(floor, ceiling) => {
                    let usual = if ceiling < top { ceiling * BELOW_CAPACITY } else { 0.0 };
                    (floor * ceiling).sqrt().max(usual)
                }
                // The ends are close together: each that is not decided yet is looked at itself.
                () if low.is_none() => floor,
                () => ceiling,
            };
        };
        // Around the undecided loads: the side that is further off first.
        if top / highest >= lowest / floor && !is_at(*highest, top) {
            if highest * step < top { highest * step } else { (highest * top).sqrt() }
        } else if is_at(*lowest, floor) {
            *lowest
        } else if lowest / step > floor {
            lowest / step
        } else {
            (lowest * floor).sqrt()
        }
    }

    /// The nearest whole load inside the bracket that was not probed yet.
    fn whole(&self, at: f64) -> f64 {
        let (low, high) = (self.low(), self.high());
        let least = low.map_or(self.plan.from, |low| low + 1.0);
        let most = high.map_or(self.plan.to, |high| high - 1.0);
        at.round().clamp(least.min(most), most.max(least))
    }

    /// The answer between two probes: the estimate as far as the whole bracket is within the
    /// resolution of it. Of neighbouring whole loads it is the one that was sustained.
    fn value(&self, low: f64, high: f64) -> f64 {
        let step = 1.0 + self.plan.resolution;
        let (least, most) = (high / step, low * step);
        match () {
            () if self.plan.is_whole && high - low < 1.5 => low,
            () if least >= most => (low * high).sqrt(),
            () => self.estimate(low, high).clamp(least.max(low), most.min(high)),
        }
    }

    /// Where the share is reached between two probes: the crossing of a line through the shares of
    /// all probes between them, as normal quantiles over the log of the load, each with the weight
    /// of its error.
    fn estimate(&self, low: f64, high: f64) -> f64 {
        let points = self.probes.iter().filter(|(probe, _)| (low..=high).contains(&probe.at));
        let mut sums = [0.0_f64; 5];
        for (probe, _) in points {
            let Some(share) = self.plan.share_of(probe) else { continue };
            let (x, y) = (probe.at.ln(), share.quantile());
            let density = crate::distributions::normal_density(y);
            let tail = crate::distributions::normal_tail(y);
            let weight = share.effective * density * density / (tail * (1.0 - tail)).max(1e-12);
            for (sum, term) in sums.iter_mut().zip([1.0, x, y, x * x, x * y]) {
                *sum += weight * term;
            }
        }
        let [weight, x, y, xx, xy] = sums;
        let slope = (weight * xy - x * y) / (weight * xx - x * x);
        let wanted = -crate::distributions::normal_z(self.plan.share);
        let crossing = (x + (wanted * weight - y) / slope) / weight;
        let middle = (low * high).sqrt();
        if slope < 0.0 && crossing.is_finite() { crossing.exp().clamp(low, high) } else { middle }
    }
}

/// Whether two loads are the same, but for rounding.
fn is_at(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 1e-9
}

#[cfg(test)]
mod tests;
