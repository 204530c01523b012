//! Searches against servers whose truth is known.

use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::*;

fn plan() -> SearchPlan {
    SearchPlan {
        from: 1.0,
        to: 128.0,
        is_whole: false,
        share: 0.99,
        resolution: 0.05,
        probes: 10,
        error: 0.025,
    }
}

/// A probe of so many requests at a load where a request meets its objectives with this
/// probability.
fn probe(at: f64, requests: u32, chance: f64, rng: &mut ChaCha8Rng) -> Probe {
    let size = requests / 20;
    let mut draw =
        |chance: f64| -> u32 { (0..size).map(|_| u32::from(rng.random_bool(chance))).sum() };
    let blocks =
        (0..BLOCKS).map(|_| Block { requests: size, met: draw(chance), slow: draw(0.1) }).collect();
    Probe { at, blocks, grew: false, length: 50.0, capacity: None }
}

/// The chance at a load of a server whose share falls through 99 % at `truth`: `steep` times the
/// odds of a miss for each 1 % of load.
fn logistic(at: f64, truth: f64, steep: f64) -> f64 {
    let odds = (1.0 / 99.0) * steep.powf((at / truth).ln() * 100.0);
    1.0 / (1.0 + odds)
}

fn search(plan: SearchPlan, requests: u32, seed: u64, chance: impl Fn(f64) -> f64) -> Search {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut search = Search::new(plan).unwrap();
    while let Some(NextProbe { at, scale }) = search.next_probe() {
        search.take(probe(at, requests * scale, chance(at), &mut rng));
    }
    search
}

#[test]
fn a_step_is_found_from_any_place_in_the_range() {
    for truth in [1.01, 1.5, 7.0, 20.0, 64.0, 100.0, 127.0] {
        let search = search(plan(), 1_000, 1, |at| if at <= truth { 1.0 } else { 0.2 });
        let Answer::Found { value, low, high } = search.answer() else {
            panic!("{truth}: {:?}", search.answer())
        };
        assert!(low <= truth && truth <= high, "{truth}: {low} to {high}");
        assert!((value / truth - 1.0).abs() < 0.0501, "{truth}: {value}");
        assert!(search.probes().len() <= 10);
    }
}

#[test]
fn a_truth_outside_the_range_is_unresolved_and_says_on_which_side() {
    let low = search(plan(), 1_000, 1, |_| 0.5).answer();
    assert!(matches!(
        low,
        Answer::Unresolved { low: None, high: Some(_), why: Unresolved::TooHigh }
    ));
    let high = search(plan(), 1_000, 1, |_| 1.0).answer();
    assert!(matches!(
        high,
        Answer::Unresolved { low: Some(_), high: None, why: Unresolved::TooLow }
    ));
}

#[test]
fn probes_that_cannot_decide_are_unresolved() {
    // 99 % everywhere, so that no probe can tell.
    let noisy = search(plan(), 400, 3, |_| 0.99).answer();
    assert!(matches!(noisy, Answer::Unresolved { why: Unresolved::Noisy, .. }), "{noisy:?}");
    // Too few requests to show 99 % at all.
    let few = search(plan(), 200, 3, |at| if at < 20.0 { 1.0 } else { 0.0 }).answer();
    let low = |answer: &Answer| matches!(answer, Answer::Unresolved { low: None, .. });
    assert!(!low(&few), "twice the requests of an undecided probe are enough: {few:?}");
}

#[test]
fn a_queue_that_grows_is_never_sustained_and_neither_is_a_short_probe() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let good = probe(10.0, 1_000, 1.0, &mut rng);
    assert_eq!(plan().verdict(&good), ProbeVerdict::Sustained);
    let grew = Probe { grew: true, ..good.clone() };
    assert_eq!(plan().verdict(&grew), ProbeVerdict::Undecided);
    let short = Probe { length: 3.0, ..good };
    assert_eq!(plan().verdict(&short), ProbeVerdict::Undecided);
}

#[test]
fn the_capacity_of_an_overloaded_probe_shortens_the_search() {
    let run = |knows: bool| {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut search = Search::new(plan()).unwrap();
        while let Some(NextProbe { at, .. }) = search.next_probe() {
            let chance = if at <= 2.0 { 1.0 } else { 0.0 };
            let mut probe = probe(at, 1_000, chance, &mut rng);
            probe.grew = at > 2.0;
            probe.capacity = (knows && at > 2.0).then_some(2.0);
            search.take(probe);
        }
        assert!(matches!(search.answer(), Answer::Found { .. }), "{search:?}");
        search.probes().len()
    };
    assert!(run(true) < run(false), "{} {}", run(true), run(false));
}

#[test]
fn a_concurrency_is_a_whole_number() {
    let whole = SearchPlan { to: 256.0, is_whole: true, ..plan() };
    for truth in [1.0, 2.0, 5.0, 31.0, 200.0] {
        let search = search(whole, 1_000, 9, |at| if at <= truth { 1.0 } else { 0.1 });
        assert!(search.probes().iter().all(|(probe, _)| probe.at.fract() == 0.0), "{search:?}");
        let Answer::Found { low, high, .. } = search.answer() else {
            panic!("{truth}: {search:?}")
        };
        assert!(low <= truth && truth < high, "{truth}: {low} to {high}");
    }
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let refused = |plan: SearchPlan| Search::new(plan).unwrap_err().to_string();
    assert!(refused(SearchPlan { from: 9.0, to: 3.0, ..plan() }).contains("not 9 to 3"));
    assert!(refused(SearchPlan { share: 1.0, ..plan() }).contains("100 %"));
    assert!(refused(SearchPlan { resolution: 0.0, ..plan() }).contains("0 %"));
    assert!(refused(SearchPlan { probes: 2, ..plan() }).contains("2 probes"));
}

#[test]
fn ninety_five_of_a_hundred_searches_find_the_truth_within_the_resolution() {
    for (truth, steep, requests) in [(20.0, 1.2, 2_500), (3.7, 1.3, 1_500), (90.0, 2.0, 1_000)] {
        let (mut right, mut wrong) = (0, 0);
        for seed in 0..100 {
            match search(plan(), requests, seed, |at| logistic(at, truth, steep)).answer() {
                Answer::Found { value, .. } if (value / truth - 1.0).abs() <= 0.05 => right += 1,
                Answer::Found { .. } => wrong += 1,
                Answer::Unresolved { .. } => {}
            }
        }
        assert!(right >= 95 && wrong <= 2, "{truth} {steep}: {right} right, {wrong} wrong");
    }
}

proptest! {
    #[test]
    fn no_search_takes_more_probes_than_allowed_nor_leaves_its_range(
        truth in 0.5..200.0_f64, steep in 1.02..3.0_f64, seed in 0..1_000_u64, probes in 3..12_u32,
    ) {
        let plan = SearchPlan { probes, ..plan() };
        let search = search(plan, 600, seed, |at| logistic(at, truth, steep));
        prop_assert!(search.probes().len() <= probes as usize);
        for (probe, _) in search.probes() {
            prop_assert!(probe.at >= plan.from * 0.999 && probe.at <= plan.to * 1.001, "{probe:?}");
        }
        if let Answer::Found { value, low, high } = search.answer() {
            prop_assert!(low <= value && value <= high);
            // Two wrong limits in a row are rarer than these cases are many.
            prop_assert!(low <= truth * 1.1 && high >= truth / 1.1, "{truth}: {low} to {high}");
        } else {
            prop_assert!(search.next_probe().is_none());
        }
    }
}
