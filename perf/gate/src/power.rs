//! What a gate would say of a change of known size, and after how many starts: [`power`].
//!
//! A simulation of the judgement itself from a fixed seed. Only the noise is approximated: it is
//! assumed to be normal and as large as the baseline's.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::judge::{Plan, Verdict};
use crate::noise::Layout;
use crate::series::Series;

/// Any fixed number, so that the same question gets the same answer.
const SEED: u64 = 0x6761_7465;

/// What a gate would say of a change of known size: probabilities, which add up to 1, and the cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// The change that was assumed, relative to the baseline.
    pub change: f64,
    /// Called regressed.
    pub regressed: f64,
    /// Called held.
    pub held: f64,
    /// Called improved.
    pub improved: f64,
    /// Not decided within the budget.
    pub inconclusive: f64,
    /// The mean number of engine starts until the verdict.
    pub starts: f64,
}

/// Judges `trials` candidates (2,000 give each probability to within ±2 %) whose metric truly
/// changed by `change`: −0.05 is 5 % less in either direction. Candidates are measured in one
/// session.
pub fn power(plan: &Plan, change: f64, trials: u32) -> Power {
    let mut draws = ChaCha8Rng::seed_from_u64(SEED);
    let mut normal = || -> f64 { StandardNormal.sample(&mut draws) };
    let direction = plan.guard().direction();
    let noise = plan.resolution().noise;
    let run_sd = noise.run_sd;
    // What is left of a start's scatter when its runs' is taken out; each start then gets as many
    // runs as are planned.
    let start_sd = (noise.within_session(1) - run_sd.powi(2)).max(0.0).sqrt();
    let level = noise.locate(plan.baseline()) + direction.cost(1.0 + change.max(-0.999));
    let base_error = noise.location_variance(&Layout::of(plan.baseline())).sqrt();
    let mut counts = [0_u32; 4];
    let mut starts = 0_usize;
    for _ in 0..trials {
        // The baseline's own error and the session's drift are the same for all starts of a
        // candidate.
        let session = level + base_error * normal() + noise.session_sd * normal();
        let mut costs: Vec<Vec<f64>> = Vec::with_capacity(plan.design().max_starts);
        let verdict = loop {
            let runs = plan.design().runs;
            let start = session + start_sd * normal();
            costs.push((0..runs).map(|_| start + run_sd * normal()).collect());
            let verdict = Series::of_costs(&costs).map(|series| plan.judge(&series).verdict);
            if let Some(verdict) = verdict.filter(|verdict| verdict.is_settled()) {
                break verdict;
            }
        };
        starts += costs.len();
        match verdict {
            Verdict::Regressed => counts[0] += 1,
            Verdict::Held => counts[1] += 1,
            Verdict::Improved => counts[2] += 1,
            Verdict::Inconclusive | Verdict::Continue => counts[3] += 1,
        }
    }
    let all = f64::from(trials.max(1));
    let [regressed, held, improved, inconclusive] = counts.map(|count| f64::from(count) / all);
    Power { change, regressed, held, improved, inconclusive, starts: starts as f64 / all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundaries::Boundaries;
    use crate::design::Design;
    use crate::direction::Direction;
    use crate::guard::Guard;
    use crate::prior::Prior;

    fn plan() -> Plan {
        let values: [f64; 10] = [99.2, 100.9, 100.1, 99.0, 101.1, 100.3, 98.9, 100.1, 100.9, 99.5];
        let sessions: Vec<Vec<Vec<f64>>> =
            values.chunks(2).map(|pair| pair.iter().map(|value| vec![*value]).collect()).collect();
        let baseline = Series::new(Direction::HigherIsBetter, &sessions).unwrap();
        let guard = Guard::new(Direction::HigherIsBetter, 0.025, Prior::default()).unwrap();
        Plan::new(&Boundaries::of(&Design::default(), 10).unwrap(), &guard, &baseline)
    }

    #[test]
    fn what_did_not_change_holds_soon_and_what_is_promised_to_be_caught_is() {
        let plan = plan();
        let same = power(&plan, 0.0, 1_000);
        assert!(same.held > 0.99 && same.starts < 2.0, "{same:?}");
        let lost = power(&plan, -plan.resolution().detects, 1_000);
        assert!(lost.regressed > 0.93, "{lost:?}");
        let gained = power(&plan, 0.08, 1_000);
        assert!(gained.improved > 0.9, "{gained:?}");
    }

    #[test]
    fn probabilities_add_up_and_the_same_question_gets_the_same_answer() {
        let one = power(&plan(), -0.03, 300);
        assert!((one.regressed + one.held + one.improved + one.inconclusive - 1.0).abs() < 1e-12);
        assert_eq!(one, power(&plan(), -0.03, 300));
    }
}
