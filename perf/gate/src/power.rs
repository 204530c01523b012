//! What a gate would say of a change of known size, and after how many starts: [`power`].
//!
//! A simulation of the judgement itself from a fixed seed. The noise is assumed to be normal. How
//! large it is, a baseline only estimates, and one of three starts in one session hardly: it is
//! drawn anew from what the baseline leaves open, and the probabilities are given with their range.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use crate::judge::{Plan, Verdict};
use crate::noise::{Layout, Noise};
use crate::series::Series;

/// Any fixed number, so that the same question gets the same answer.
const SEED: u64 = 0x6761_7465;

/// How many times the noise is drawn.
const WORLDS: u32 = 40;

/// How many of these lie below the lower end of a range, and above its upper end: a tenth.
const OUTSIDE: usize = WORLDS as usize / 10;

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
    /// What the baseline leaves open of `regressed`: its lower and upper end, each of which is
    /// passed with a probability of a tenth.
    pub regressed_range: (f64, f64),
    /// The same of `held`.
    pub held_range: (f64, f64),
}

/// Judges about `trials` candidates (2,000 give each probability to within ±2 %) whose metric truly
/// changed by `change`: −0.05 is 5 % less in either direction. Candidates are measured in one
/// session.
pub fn power(plan: &Plan, change: f64, trials: u32) -> Power {
    let mut draws = ChaCha8Rng::seed_from_u64(SEED);
    let each = trials.div_ceil(WORLDS).max(1);
    let level = plan.resolution().noise.locate(plan.baseline())
        + plan.guard().direction().cost(1.0 + change.max(-0.999));
    let worlds: Vec<Counts> = (0..WORLDS)
        .map(|_| world(plan, &noise(plan, &mut draws), level, each, &mut draws))
        .collect();
    let range = |of: fn(&Counts) -> u32| {
        let mut shares: Vec<f64> =
            worlds.iter().map(|counts| f64::from(of(counts)) / f64::from(each)).collect();
        shares.sort_by(f64::total_cmp);
        (shares[OUTSIDE], shares[shares.len() - 1 - OUTSIDE])
    };
    let all = f64::from(each * WORLDS);
    let share = |of: fn(&Counts) -> u32| f64::from(worlds.iter().map(of).sum::<u32>()) / all;
    Power {
        change,
        regressed: share(|counts| counts.regressed),
        held: share(|counts| counts.held),
        improved: share(|counts| counts.improved),
        inconclusive: share(|counts| counts.inconclusive),
        starts: share(|counts| counts.starts),
        regressed_range: range(|counts| counts.regressed),
        held_range: range(|counts| counts.held),
    }
}

/// Verdicts, and the starts that they took.
#[derive(Clone, Copy, Default)]
struct Counts {
    regressed: u32,
    held: u32,
    improved: u32,
    inconclusive: u32,
    starts: u32,
}

/// A noise that the baseline leaves open: a variance of ν degrees of freedom is the true one times
/// χ²/ν, and the drift of sessions is as uncertain as its prior, where few sessions were seen.
fn noise(plan: &Plan, draws: &mut ChaCha8Rng) -> Noise {
    let (found, prior) = (plan.resolution().noise, plan.guard().prior());
    let chi = ChiSquared::new(found.df.max(1.0)).map_or(found.df, |chi| chi.sample(draws));
    let scale = (found.df / chi.max(1e-3)).sqrt();
    let seen = plan.baseline().sessions() as f64 - 1.0;
    let spread = prior.session_spread / (1.0 + seen / 2.0).sqrt();
    let turn: f64 = StandardNormal.sample(draws);
    // The drift found is the root of a mean square; its median lies below.
    let session_sd = found.session_sd * (spread * turn - spread.powi(2)).exp();
    let within = found.within_session(1) * scale.powi(2);
    Noise {
        start_sd: (within + session_sd.powi(2)).sqrt(),
        run_sd: found.run_sd * scale,
        session_sd,
        df: found.df,
    }
}

/// Judges `trials` candidates under one noise.
fn world(plan: &Plan, noise: &Noise, level: f64, trials: u32, draws: &mut ChaCha8Rng) -> Counts {
    let mut normal = || -> f64 { StandardNormal.sample(draws) };
    let run_sd = noise.run_sd;
    // What is left of a start's scatter when its runs' is taken out; each start then gets as many
    // runs as are planned.
    let start_sd = (noise.within_session(1) - run_sd.powi(2)).max(0.0).sqrt();
    let base_error = noise.location_variance(&Layout::of(plan.baseline())).sqrt();
    let mut counts = Counts::default();
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
        counts.starts += u32::try_from(costs.len()).unwrap_or(u32::MAX);
        match verdict {
            Verdict::Regressed => counts.regressed += 1,
            Verdict::Held => counts.held += 1,
            Verdict::Improved => counts.improved += 1,
            Verdict::Inconclusive | Verdict::Continue => counts.inconclusive += 1,
        }
    }
    counts
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
    fn three_starts_of_one_session_support_a_range_and_no_single_figure() {
        let values = [vec![vec![99.2], vec![100.9], vec![100.1]]];
        let baseline = Series::new(Direction::HigherIsBetter, &values).unwrap();
        let prior = Prior::central().of_sessions(1);
        let guard = Guard::new(Direction::HigherIsBetter, 0.05, prior).unwrap();
        let three = Plan::new(&Boundaries::of(&Design::default(), 3).unwrap(), &guard, &baseline);
        let width = |plan: &Plan| {
            let (low, high) = power(plan, -0.8 * plan.resolution().detects, 2_000).regressed_range;
            high - low
        };
        assert!(width(&three) > 0.05, "{}", width(&three));
        let lost = power(&three, -three.resolution().detects, 2_000);
        let (low, high) = lost.regressed_range;
        assert!(low <= lost.regressed && lost.regressed <= high, "{lost:?}");
    }

    #[test]
    fn probabilities_add_up_and_the_same_question_gets_the_same_answer() {
        let one = power(&plan(), -0.03, 300);
        assert!((one.regressed + one.held + one.improved + one.inconclusive - 1.0).abs() < 1e-12);
        assert_eq!(one, power(&plan(), -0.03, 300));
    }
}
