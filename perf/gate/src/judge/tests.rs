//! What is said of a guard after each start.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::*;
use crate::prior::Prior;

const BASE: [f64; 10] = [100.2, 99.9, 100.1, 99.7, 99.8, 100.3, 100.0, 100.1, 99.9, 100.0];

fn baseline(values: &[f64]) -> Series {
    let sessions: Vec<Vec<Vec<f64>>> = values
        .chunks(2)
        .map(|session| session.iter().map(|value| vec![*value]).collect())
        .collect();
    Series::new(Direction::LowerIsBetter, &sessions).unwrap()
}

fn verdict_on(base: &[f64], candidate: &[f64]) -> Judgement {
    let guard = Guard::new(Direction::LowerIsBetter, 0.025, Prior::default()).unwrap();
    let boundaries = Boundaries::of(&Design::default(), base.len()).unwrap();
    let candidate = Series::of_one_session(Direction::LowerIsBetter, candidate).unwrap();
    judge(&boundaries, &guard, &baseline(base), &candidate)
}

#[test]
fn what_is_clearly_the_same_holds_after_one_start() {
    assert_eq!(verdict_on(&BASE, &[100.3]).verdict, Verdict::Held);
}

#[test]
fn a_loss_is_no_regression_before_three_starts_and_one_from_then_on() {
    for starts in 1..=2 {
        assert_eq!(verdict_on(&BASE, &vec![107.0; starts]).verdict, Verdict::Continue, "{starts}");
    }
    let judgement = verdict_on(&BASE, &[107.0, 106.5, 107.4]);
    assert_eq!(judgement.verdict, Verdict::Regressed);
    assert!(
        (judgement.change - 0.07).abs() < 0.005 && judgement.change_low > 0.05,
        "{judgement:?}"
    );
}

#[test]
fn a_gain_is_measured_until_it_is_an_improvement() {
    assert_eq!(verdict_on(&BASE, &[93.0]).verdict, Verdict::Continue);
    assert_eq!(verdict_on(&BASE, &[93.0, 93.2, 92.9]).verdict, Verdict::Improved);
}

#[test]
fn a_loss_that_the_slack_allows_holds_and_is_named() {
    let judgement = verdict_on(&BASE, &[101.7, 101.6, 101.8, 101.7, 101.9, 101.6, 101.7]);
    assert_eq!(judgement.verdict, Verdict::Held);
    assert!(judgement.held_but_worse);
}

#[test]
fn a_slow_mode_of_some_starts_is_not_a_regression() {
    assert_eq!(verdict_on(&BASE, &[108.0, 108.2, 100.0]).verdict, Verdict::Continue);
}

#[test]
fn a_baseline_of_two_starts_is_no_evidence() {
    let judgement = verdict_on(&[100.0, 101.0], &[150.0, 151.0, 150.5]);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    let reason = judgement.reason.unwrap();
    assert_eq!(
        reason,
        "the baseline has 2 engine starts; at least 3 are needed to report a change; refresh it with more starts"
    );
}

#[test]
fn a_candidate_that_scatters_far_more_than_its_baseline_is_inconclusive_in_the_end() {
    let judgement = verdict_on(&BASE, &[100.0, 125.0, 101.0, 120.0, 103.0, 118.0, 99.0, 107.0]);
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    assert!(judgement.reason.is_some());
}

#[test]
fn starts_in_two_modes_are_never_held_and_one_bad_start_in_four_is_with_a_remark() {
    let slow = verdict_on(&BASE, &[100.0, 126.0, 100.3, 125.0, 99.9]);
    assert_eq!(slow.verdict, Verdict::Continue, "{slow:?}");
    assert!(slow.reason.unwrap().starts_with("2 of 5 starts are far from the others"));
    assert!(slow.change_high - slow.change_low > 0.2);
    let both = verdict_on(&BASE, &[100.0, 122.0, 82.0]);
    assert_eq!(both.verdict, Verdict::Continue, "{both:?}");
    let one = verdict_on(&BASE, &[100.0, 108.0, 100.2, 99.9, 100.1]);
    assert_eq!(one.verdict, Verdict::Held, "{one:?}");
    assert!(one.reason.unwrap().starts_with("1 of 5 starts is far"));
}

#[test]
fn nothing_holds_beyond_the_limit_that_its_table_shows() {
    let starts = [103.2, 103.6, 99.8, 103.3, 99.9, 103.4, 103.0, 99.7];
    let judged = verdict_on(&BASE, &starts);
    assert!(judged.change > 0.0 && judged.verdict != Verdict::Held, "{judged:?}");
}

#[test]
fn a_band_beyond_max_band_never_holds_and_still_shows_a_large_loss() {
    let wild = [104.0, 97.0, 101.0, 95.0, 98.0, 103.0, 100.0, 109.0, 99.0, 90.0];
    let same = verdict_on(&wild, &[100.0, 99.0, 100.5, 99.5, 100.2, 99.8, 100.0, 100.1]);
    assert!(same.is_blind && same.verdict == Verdict::Inconclusive, "{same:?}");
    let reason = same.reason.unwrap();
    assert!(reason.starts_with("with this baseline a loss under "), "{reason}");
    let lost = verdict_on(&wild, &[150.0, 151.0, 149.0, 150.5, 150.0]);
    assert_eq!(lost.verdict, Verdict::Regressed, "{lost:?}");
}

#[test]
fn what_held_stays_held_at_a_later_look_and_may_still_show_a_change() {
    use Verdict::{Continue, Held, Improved, Inconclusive, Regressed};
    assert_eq!(Inconclusive.after(Held), Held);
    assert_eq!(Continue.after(Held), Held);
    assert_eq!(Regressed.after(Held), Regressed);
    assert_eq!(Improved.after(Held), Improved);
    assert_eq!(Held.after(Continue), Held);
}

#[test]
fn a_throughput_is_judged_as_the_latency_that_is_its_inverse() {
    let guard = |direction| Guard::new(direction, 0.025, Prior::default()).unwrap();
    let boundaries = Boundaries::of(&Design::default(), 10).unwrap();
    let flip = |values: &[f64]| values.iter().map(|value| 1.0 / value).collect::<Vec<f64>>();
    let side = |values: &[f64], direction| Series::of_one_session(direction, values).unwrap();
    let (low, high) = (Direction::LowerIsBetter, Direction::HigherIsBetter);
    let now = [103.0, 104.0, 103.5];
    let latency = judge(&boundaries, &guard(low), &side(&BASE, low), &side(&now, low));
    let throughput =
        judge(&boundaries, &guard(high), &side(&flip(&BASE), high), &side(&flip(&now), high));
    assert!((latency.loss - throughput.loss).abs() < 1e-12);
    assert!(throughput.change < 0.0 && throughput.change_low < throughput.change);
}

proptest! {
    // Each case computes boundaries of its own.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_baseline_compared_with_its_own_starts_never_changed(
        values in prop::collection::vec(90.0..110.0_f64, 3..12),
    ) {
        let verdict = verdict_on(&values, &values).verdict;
        prop_assert!(!matches!(verdict, Verdict::Regressed | Verdict::Improved), "{verdict:?}");
    }

    #[test]
    fn for_any_measurement_the_numbers_are_finite_and_the_interval_holds_the_change(
        base in prop::collection::vec(1.0..1e4_f64, 3..12), now in prop::collection::vec(1.0..1e4_f64, 1..9),
    ) {
        let judgement = verdict_on(&base, &now);
        prop_assert!([judgement.z, judgement.z_below, judgement.error].iter().all(|number| number.is_finite()));
        prop_assert!(judgement.change_low <= judgement.change && judgement.change <= judgement.change_high);
        prop_assert!(now.len() < 8 || judgement.verdict.is_settled());
        prop_assert!(now.len() >= 3 || judgement.verdict != Verdict::Regressed);
    }

    #[test]
    fn a_larger_scale_changes_no_verdict(
        base in prop::collection::vec(90.0..110.0_f64, 3..8), now in prop::collection::vec(90.0..110.0_f64, 1..8),
    ) {
        let scaled = |values: &[f64]| values.iter().map(|value| value * 1e3).collect::<Vec<f64>>();
        let (small, large) = (verdict_on(&base, &now), verdict_on(&scaled(&base), &scaled(&now)));
        prop_assert!((small.z - large.z).abs() < 1e-6);
    }
}

/// Starts of a machine on which one is twice as fast as another.
fn scattered(draws: &mut ChaCha8Rng, starts: usize) -> Vec<f64> {
    let normal = StandardNormal;
    let mut start = || 100.0 * f64::exp(0.3 * Distribution::<f64>::sample(&normal, draws));
    (0..starts).map(|_| start()).collect()
}

#[test]
fn a_machine_whose_starts_scatter_by_a_factor_of_two_holds_nothing_to_a_slack_of_ten_percent() {
    let guard = Guard::new(Direction::LowerIsBetter, 0.1, Prior::default()).unwrap();
    let mut draws = ChaCha8Rng::seed_from_u64(1);
    let held = (0..1_000)
        .filter(|_| {
            let base = scattered(&mut draws, 5);
            let boundaries = Boundaries::of(&Design::default(), base.len()).unwrap();
            let candidate = scattered(&mut draws, 8);
            let candidate = Series::of_one_session(Direction::LowerIsBetter, &candidate).unwrap();
            judge(&boundaries, &guard, &baseline(&base), &candidate).verdict == Verdict::Held
        })
        .count();
    // Five starts may look calm by chance.
    assert!(held <= 2, "{held} of 1,000");
}
