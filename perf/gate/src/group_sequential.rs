//! Bounds that an accumulating z crosses with given probabilities, by recursive numerical
//! integration: [`bounds`].
//!
//! Armitage, McPherson and Rowe, "Repeated significance tests on accumulating data", JRSS A 132
//! (1969). With information fraction t the score B = z·√t is a Brownian motion: its increments are
//! independent, with variance Δt. The density of those scores that have crossed nothing yet is
//! carried from look to look on a grid.

use crate::distributions::{normal_density, normal_tail};

/// How far below zero the grid begins, in standard deviations; the mass beyond is 1e-9, and cannot
/// come back to cross.
const DEPTH: f64 = 6.0;

/// Bounds are sought up to here: 1e-15.
const FAR: f64 = 8.0;

/// Steps of the grid within one standard deviation of the smallest increment. Simpson's rule with
/// three is exact to 1e-5.
const FINENESS: f64 = 3.0;

/// The density of what has crossed nothing yet, at the points of a grid, with Simpson's weights
/// multiplied in.
struct Front {
    scores: Vec<f64>,
    mass: Vec<f64>,
    information: f64,
}

/// For each look the z that is first exceeded there with probability `spent[look] − spent[look −
/// 1]`. `information` rises to 1, `spent` rises; `None` where nothing may be spent yet.
pub(crate) fn bounds(information: &[f64], spent: &[f64]) -> Vec<Option<f64>> {
    let mut front: Option<Front> = None;
    let mut before = 0.0;
    let mut found = Vec::with_capacity(information.len());
    for (look, (t, spent)) in information.iter().zip(spent).enumerate() {
        let share = spent - before;
        let bound = (share > 1e-12).then(|| solve(front.as_ref(), *t, share));
        before = if bound.is_some() { *spent } else { before };
        if let Some(next) = information.get(look + 1) {
            front = Some(advance(front.as_ref(), *t, bound, next - t));
        }
        found.push(bound);
    }
    found
}

/// P(score at information `t` exceeds `bound`, nothing crossed before).
fn crossing(front: Option<&Front>, t: f64, bound: f64) -> f64 {
    match front {
        None => normal_tail(bound),
        Some(front) => {
            let spread = (t - front.information).sqrt();
            let edge = bound * t.sqrt();
            front
                .scores
                .iter()
                .zip(&front.mass)
                .map(|(score, mass)| mass * normal_tail((edge - score) / spread))
                .sum()
        }
    }
}

/// The bound that is crossed with probability `share`.
fn solve(front: Option<&Front>, t: f64, share: f64) -> f64 {
    let (mut low, mut high) = (-FAR, FAR);
    for _ in 0..36 {
        let middle = f64::midpoint(low, high);
        if crossing(front, t, middle) > share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The density at information `t` below `bound`, on a grid fine enough for the increment that
/// follows and the one before.
fn advance(front: Option<&Front>, t: f64, bound: Option<f64>, next: f64) -> Front {
    let root = t.sqrt();
    let (low, high) = (-DEPTH * root, bound.unwrap_or(FAR) * root);
    let narrowest = front.map_or(t, |front| t - front.information).min(next).sqrt();
    let steps = even((high - low) * FINENESS / narrowest);
    let width = (high - low) / steps as f64;
    let scores: Vec<f64> = (0..=steps).map(|step| width.mul_add(step as f64, low)).collect();
    let mass = scores.iter().enumerate().map(|(step, score)| {
        let weight = if step == 0 || step == steps { 1.0 } else { [2.0, 4.0][step % 2] };
        weight * width / 3.0 * density(front, t, *score)
    });
    Front { mass: mass.collect(), scores, information: t }
}

fn density(front: Option<&Front>, t: f64, score: f64) -> f64 {
    match front {
        None => normal_density(score / t.sqrt()) / t.sqrt(),
        Some(front) => {
            let spread = (t - front.information).sqrt();
            let terms = front.scores.iter().zip(&front.mass);
            terms.map(|(from, mass)| mass * normal_density((score - from) / spread)).sum::<f64>()
                / spread
        }
    }
}

/// The next even number of grid steps, at least 32 and at most 4,096.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits before the cast"
)]
fn even(steps: f64) -> usize {
    2 * (steps.clamp(32.0, 4_096.0) / 2.0).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributions::normal_z;

    fn equal_steps(looks: u32) -> Vec<f64> {
        (1..=looks).map(|look| f64::from(look) / f64::from(looks)).collect()
    }

    /// The probability of crossing constant or O'Brien-Fleming bounds, look by look.
    fn crossed(information: &[f64], bounds: &[f64]) -> f64 {
        let mut front: Option<Front> = None;
        let mut all = 0.0;
        for (look, (t, bound)) in information.iter().zip(bounds).enumerate() {
            all += crossing(front.as_ref(), *t, *bound);
            let next = information.get(look + 1).map_or(0.1, |next| next - t);
            front = Some(advance(front.as_ref(), *t, Some(*bound), next));
        }
        all
    }

    #[test]
    fn one_look_is_the_normal_quantile() {
        let bound = bounds(&[1.0], &[0.025])[0].unwrap();
        assert!((bound - normal_z(0.025)).abs() < 1e-9);
    }

    #[test]
    fn published_constants_come_out() {
        // Jennison and Turnbull, "Group Sequential Methods" (2000), tables 2.1 and 2.3, two-sided 5
        // %: Pocock's constant is 2.413 and O'Brien and Fleming's 2.040 at five looks. One side of
        // two such bounds is crossed in 2.5 % of cases.
        let five = equal_steps(5);
        assert!((crossed(&five, &[2.413; 5]) - 0.025).abs() < 2e-4);
        let falling: Vec<f64> = five.iter().map(|t| 2.040 / t.sqrt()).collect();
        assert!((crossed(&five, &falling) - 0.025).abs() < 2e-4);
    }

    #[test]
    fn bounds_that_were_solved_for_are_crossed_as_often_as_was_asked() {
        let information = [0.2, 0.37, 0.52, 0.64, 0.75, 0.85, 0.93, 1.0];
        let spent: Vec<f64> =
            information.iter().map(|t| crate::spending::early(0.05, *t)).collect();
        let bounds: Vec<f64> = bounds(&information, &spent).into_iter().flatten().collect();
        assert!((crossed(&information, &bounds) - 0.05).abs() < 1e-5);
    }

    #[test]
    fn a_look_that_may_spend_nothing_has_no_bound_and_costs_nothing() {
        let found = bounds(&[0.3, 0.6, 1.0], &[0.0, 0.0, 0.025]);
        assert_eq!(found[..2], [None, None]);
        assert!((found[2].unwrap() - normal_z(0.025)).abs() < 1e-4);
    }
}
