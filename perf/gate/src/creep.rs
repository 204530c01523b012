//! The sum of many small losses, each within the slack: [`creep`].
//!
//! A baseline that follows every accepted change forgets where it came from. An anchor does not
//! move: it is the level that a person last decided on, with a reason, and every baseline is
//! compared with it too.

use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::distributions::{normal_z, z_of_t};
use crate::estimate::estimate;
use crate::guard::Guard;
use crate::judge::interval;
use crate::noise::Layout;
use crate::series::Series;

/// Where a metric was when its level was last decided on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The level, in the metric's own unit.
    pub value: f64,
    /// Its standard error, of the natural logarithm.
    pub error: f64,
    /// The sessions that it rests on.
    pub sessions: usize,
}

/// With fewer sessions on either side nothing is called a creep: one or two days may lie as far
/// apart as the slack, every later run would repeat it, and no duet can overturn it.
pub const CREEP_SESSIONS: usize = 3;

/// How far a series is from the anchor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Creep {
    /// Whether the losses since the anchor add up to more than the slack, beyond chance.
    pub crept: bool,
    /// Whether that is only not said because days may differ as much: either side has fewer than
    /// three sessions.
    pub is_unsure: bool,
    /// The change since the anchor, relative to it.
    pub change: f64,
    /// The 95 % confidence interval of the change: its lower end.
    pub change_low: f64,
    /// Its upper end.
    pub change_high: f64,
    /// The change on the gate's scale: difference of natural logarithms, + = worse.
    pub loss: f64,
    /// Its standard error.
    pub error: f64,
    /// How many z the series is worse.
    pub z: f64,
    /// What `z` must reach.
    pub z_creep: f64,
}

impl Anchor {
    /// The anchor that a baseline makes.
    pub fn of(guard: &Guard, baseline: &Series) -> Self {
        let noise = estimate(&guard.prior(), &[baseline]);
        let at = noise.locate(baseline);
        Self {
            value: guard.direction().value(at),
            error: noise.location_variance(&Layout::of(baseline)).sqrt(),
            sessions: baseline.sessions(),
        }
    }
}

/// Compares a baseline with the anchor: crept if it is worse by the
/// slack or more, and by more than chance explains at the guard's share of the suite's false
/// alarms.
///
/// Only levels of three sessions or more are compared; see [`CREEP_SESSIONS`].
pub fn creep(design: &Design, guard: &Guard, anchor: &Anchor, series: &Series) -> Creep {
    let noise = estimate(&guard.prior(), &[series]);
    let direction = guard.direction();
    let loss = noise.locate(series) - direction.cost(anchor.value);
    let error = (noise.location_variance(&Layout::of(series)) + anchor.error.powi(2)).sqrt();
    let z = z_of_t(loss / error, noise.df);
    let z_creep = normal_z(design.false_alarms / design.guards.max(1) as f64);
    let [change_low, change_high] = interval(direction, loss, error, noise.df);
    let is_beyond = loss >= guard.slack_cost() && z >= z_creep;
    let is_sure = series.sessions().min(anchor.sessions) >= CREEP_SESSIONS;
    Creep {
        crept: is_beyond && is_sure,
        is_unsure: is_beyond && !is_sure,
        change: direction.relative(loss),
        change_low,
        change_high,
        loss,
        error,
        z,
        z_creep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::prior::Prior;

    const BASE: [f64; 10] = [1.002, 0.999, 1.001, 0.997, 0.998, 1.003, 1.0, 1.001, 0.999, 1.0];

    fn at(level: f64) -> Series {
        let sessions: Vec<Vec<Vec<f64>>> = BASE
            .chunks(2)
            .map(|pair| pair.iter().map(|value| vec![value * level]).collect())
            .collect();
        Series::new(Direction::HigherIsBetter, &sessions).unwrap()
    }

    #[test]
    fn small_losses_that_each_hold_are_caught_when_they_add_up() {
        let guard = Guard::new(Direction::HigherIsBetter, 0.025, Prior::default()).unwrap();
        let anchor = Anchor::of(&guard, &at(1_000.0));
        assert!((anchor.value - 1_000.0).abs() < 1.0);
        let crept = |upgrades: i32| {
            creep(&Design::default(), &guard, &anchor, &at(1_000.0 * 0.996_f64.powi(upgrades)))
        };
        assert!((0..=5).all(|upgrades| !crept(upgrades).crept));
        let caught = crept(7);
        assert!(caught.crept, "{caught:?}");
        assert!((caught.change + 0.028).abs() < 0.001 && caught.change_low < caught.change);
    }

    #[test]
    fn a_baseline_of_one_day_never_creeps_because_no_duet_can_overturn_it() {
        let guard = Guard::new(Direction::HigherIsBetter, 0.025, Prior::default()).unwrap();
        let one_day = |level: f64| {
            let starts: Vec<f64> = BASE[..5].iter().map(|value| value * level).collect();
            Series::of_one_session(Direction::HigherIsBetter, &starts).unwrap()
        };
        let anchor = Anchor::of(&guard, &at(1_000.0));
        let lost = creep(&Design::default(), &guard, &anchor, &one_day(930.0));
        assert!(!lost.crept && lost.is_unsure, "{lost:?}");
        let young = Anchor::of(&guard, &one_day(1_000.0));
        assert!(!creep(&Design::default(), &guard, &young, &at(930.0)).crept);
    }

    #[test]
    fn a_gain_never_creeps() {
        let guard = Guard::new(Direction::HigherIsBetter, 0.025, Prior::default()).unwrap();
        let anchor = Anchor::of(&guard, &at(1_000.0));
        assert!(!creep(&Design::default(), &guard, &anchor, &at(1_200.0)).crept);
    }
}
