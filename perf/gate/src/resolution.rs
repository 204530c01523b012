//! What a baseline can tell apart: [`resolution`].

use serde::Serialize;

use crate::boundaries::Boundaries;
use crate::distributions::upper_limit;
use crate::estimate::estimate;
use crate::guard::Guard;
use crate::noise::{Layout, Noise};
use crate::series::Series;

/// The most starts that are suggested; what needs more is reported as out of reach.
const MOST: usize = 1_000;

/// A guard whose noise puts the slack out of reach by more than this factor is not worth the
/// whole budget: its second half would narrow the band by a quarter, and by far not to the
/// slack. Its band is that of half the budget.
const HOPELESS: f64 = 2.0;

/// What a baseline can tell apart within a design's budget. Follows from the baseline alone, so
/// that it can be shown and reviewed when the baseline is taken, before anything is judged against
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Resolution {
    /// How much starts and sessions scatter.
    pub noise: Noise,
    /// Starts of the baseline.
    pub starts: usize,
    /// Sessions of the baseline.
    pub sessions: usize,
    /// The slack asked for, relative to the baseline.
    #[serde(rename = "tolerance")]
    pub slack: f64,
    /// What can be held to: the slack, or more if the noise does not allow that much.
    #[serde(rename = "effective_tolerance")]
    pub band: f64,
    /// Whether the band is wider than the guard's `max_band`: what holds then says too little to
    /// pass.
    pub is_blind: bool,
    /// What `max_band` is held against: the band, or how much one start may scatter (the 95 % upper
    /// limit of its standard deviation), if that is more.
    #[serde(skip)]
    pub unseen: f64,
    /// Whether the noise made it more.
    pub noise_limited: bool,
    /// Starts on either side that would bring the band down to the one asked for,
    /// with as many sessions. `None` if no number does: then sessions drift too far.
    #[serde(rename = "starts_for_tolerance")]
    pub starts_for_slack: Option<usize>,
    /// The loss, relative to the baseline, that is caught in 1 − misses (usually 95 %) of cases:
    /// twice the band.
    pub detects: f64,
    /// The band as a difference of costs.
    #[serde(skip)]
    pub(crate) band_cost: f64,
}

/// What `baseline` can tell apart.
///
/// Held and regressed must leave no gap at the last look: z ≥ `change` beyond zero, or z ≥ `held`
/// below twice the band T. With standard error E there is none if 2·T ≥ (change +
/// held)·E, so T is never less than half of that. The bounds are the normal ones; that E is an
/// estimate leaves a small gap after all, and about one guard in two hundred inconclusive.
pub fn resolution(boundaries: &Boundaries, guard: &Guard, baseline: &Series) -> Resolution {
    let noise = estimate(&guard.prior(), &[baseline]);
    let design = boundaries.design();
    let last = design.max_starts;
    let wanted = guard.slack_cost();
    let both = boundaries.change(last).unwrap_or(f64::MAX) + boundaries.held(last);
    let offset = if baseline.most_runs() > design.runs { guard.offset().variance } else { 0.0 };
    let reach = |baseline: &Layout, starts: usize| {
        let candidate = Layout::one_session(starts, design.runs);
        both / 2.0 * (noise.error(&candidate, baseline).powi(2) + offset).sqrt()
    };
    let base = Layout::of(baseline);
    let within = reach(&base, last);
    let limit = if within > HOPELESS * wanted {
        reach(&base, design.min_starts.max(last / 2))
    } else {
        within
    };
    let band_cost = wanted.max(limit);
    let from = last.min(baseline.starts());
    let reaches = |starts: usize| reach(&base.grown(starts), starts) <= wanted;
    let direction = guard.direction();
    // A band may be narrow by luck where the starts scatter far: few starts say little of that.
    let scatter = upper_limit(noise.start_sd, noise.df);
    let unseen = direction.relative_loss(band_cost.max(scatter));
    Resolution {
        noise,
        starts: baseline.starts(),
        sessions: baseline.sessions(),
        slack: guard.slack(),
        band: direction.relative_loss(band_cost),
        is_blind: unseen > guard.max_band() * (1.0 + 1e-9),
        unseen,
        noise_limited: limit > wanted,
        starts_for_slack: if limit > wanted { first_that(from, reaches) } else { Some(from) },
        detects: direction.relative_loss(2.0 * band_cost),
        band_cost,
    }
}

/// The smallest number from `from` to [`MOST`] of which it is true; if it is true of one it is of
/// all above.
fn first_that(from: usize, is_true: impl Fn(usize) -> bool) -> Option<usize> {
    if !is_true(MOST) {
        return None;
    }
    let (mut low, mut high) = (from.min(MOST), MOST);
    while low < high {
        let middle = usize::midpoint(low, high);
        if is_true(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Design;
    use crate::direction::Direction;
    use crate::prior::Prior;

    fn of(values: &[&[f64]]) -> Resolution {
        let starts: Vec<Vec<Vec<f64>>> = values
            .iter()
            .map(|session| session.iter().map(|value| vec![*value]).collect())
            .collect();
        let series = Series::new(Direction::LowerIsBetter, &starts).unwrap();
        let guard = Guard::new(Direction::LowerIsBetter, 0.025, Prior::default()).unwrap();
        resolution(&Boundaries::of(&Design::default(), series.starts()).unwrap(), &guard, &series)
    }

    const CALM: [&[f64]; 5] =
        [&[100.2, 99.9], &[100.1, 99.7], &[99.8, 100.3], &[100.0, 100.1], &[99.9, 100.0]];
    const WILD: [&[f64]; 5] =
        [&[104.0, 97.0], &[101.0, 95.0], &[98.0, 103.0], &[100.0, 106.0], &[99.0, 94.0]];

    #[test]
    fn a_calm_metric_is_held_to_the_slack_asked_for() {
        let calm = of(&CALM);
        assert!(!calm.noise_limited);
        assert!((calm.band - 0.025).abs() < 1e-12);
        assert!((calm.detects - 0.0506).abs() < 1e-3);
    }

    #[test]
    fn a_wild_metric_has_a_wider_band_and_says_what_would_narrow_it() {
        let wild = of(&WILD);
        assert!(wild.noise_limited && wild.band > 0.03, "{wild:?}");
        assert!(wild.starts_for_slack.is_some_and(|starts| starts > 8), "{wild:?}");
    }

    #[test]
    fn where_sessions_drift_too_far_no_number_of_starts_helps() {
        let drift =
            of(&[&[100.0, 100.1], &[106.0, 106.1], &[95.0, 95.1], &[103.0, 103.1], &[98.0, 97.9]]);
        assert_eq!(drift.starts_for_slack, None, "{drift:?}");
        assert!(drift.band > 0.06);
    }

    #[test]
    fn a_baseline_of_one_session_or_of_three_starts_works_and_is_trusted_less() {
        let one = of(&[&[100.2, 99.9, 100.1]]);
        assert!(one.band > of(&CALM).band - 1e-12);
        assert!(one.band < 0.06, "{one:?}");
    }
}
