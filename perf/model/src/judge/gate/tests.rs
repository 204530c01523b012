//! What the gate says of guards.

use super::*;
use crate::spec::units::percent;

fn gate() -> Gate {
    Gate::new(Design::of(4)).unwrap()
}

fn throughput() -> Guard {
    Guard::new("output_throughput_tok_per_s".parse().unwrap(), percent(2.5))
}

fn latency() -> Guard {
    Guard::new("e2e_p50_ms".parse().unwrap(), percent(2.5))
}

/// Starts of one run each.
fn starts(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|value| vec![*value]).collect()
}

fn base() -> Vec<Vec<Vec<f64>>> {
    vec![starts(&[99.8, 100.0, 100.2, 99.9, 100.1]); 2]
}

fn verdict(guard: &Guard, measured: &[f64]) -> Verdict {
    gate().judge(guard, &base(), &starts(measured)).verdict
}

#[test]
fn the_direction_of_the_metric_decides_what_is_worse() {
    let (less, more) = ([90.0, 90.1, 89.9], [110.0, 110.1, 109.9]);
    assert_eq!(verdict(&throughput(), &less), Verdict::Regressed);
    assert_eq!(verdict(&throughput(), &more), Verdict::Improved);
    assert_eq!(verdict(&latency(), &less), Verdict::Improved);
    assert_eq!(verdict(&latency(), &more), Verdict::Regressed);
    assert_eq!(verdict(&latency(), &[100.0, 100.1, 99.9]), Verdict::Held);
}

#[test]
fn two_starts_are_no_evidence_of_a_loss_and_the_verdict_stays_open() {
    let judgement = gate().judge(&throughput(), &base(), &starts(&[90.0, 90.1]));
    assert_eq!((judgement.verdict, judgement.is_open), (Verdict::Inconclusive, true));
}

#[test]
fn a_baseline_of_two_starts_judges_nothing_however_much_is_measured() {
    let judgement = gate().judge(&throughput(), &[starts(&[100.0, 100.0])], &starts(&[50.0; 8]));
    assert_eq!((judgement.verdict, judgement.is_open), (Verdict::Inconclusive, false));
    assert!(
        judgement
            .reason
            .unwrap()
            .contains("the baseline has 2 engine starts; at least 3 are needed to report a change")
    );
}

#[test]
fn however_small_the_budget_nothing_is_called_a_change_on_fewer_than_three_starts() {
    let gate = Gate::of_run(&config::Gate::default(), 1, Some(2)).unwrap();
    assert_eq!((gate.fewest_starts(), gate.most_starts()), (3, 3));
    let judgement = gate.judge(&throughput(), &base(), &starts(&[50.0, 50.1]));
    assert_eq!((judgement.verdict, judgement.is_open), (Verdict::Inconclusive, true));
    assert_eq!(gate.judge(&throughput(), &base(), &starts(&[100.0])).verdict, Verdict::Held);
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let reason = |baseline: &[Vec<Vec<f64>>], measured: &[f64]| {
        gate().judge(&throughput(), baseline, &starts(measured)).reason.unwrap()
    };
    assert!(
        reason(&[vec![]], &[100.0])
            .starts_with("the baseline has no output throughput; measure it again")
    );
    assert!(
        reason(&base(), &[])
            .starts_with("the load measured no output throughput; guard a metric that it measures")
    );
}

#[test]
fn pairs_that_scatter_widen_their_band_at_the_last_one_and_say_so() {
    let scattered = [(100.0, 112.0), (111.0, 99.0), (95.0, 107.0), (108.0, 94.0)]
        .map(|(a, b)| (vec![a], vec![b]));
    let gate = Gate::new(Design { max_starts: 4, ..Design::of(1) }).unwrap();
    let before = gate.pairs(&throughput(), &scattered[..3]);
    assert_eq!(
        (before.verdict, before.is_open, before.band),
        (Verdict::Inconclusive, true, Some(percent(2.5)))
    );
    let last = gate.pairs(&throughput(), &scattered);
    assert_eq!((last.verdict, last.is_open), (Verdict::Inconclusive, false));
    assert!(last.is_blind && last.band.unwrap() > percent(10.0), "{last:?}");
    assert!(last.reason.unwrap().contains("cannot be seen"));
    let wide = throughput().max_band(percent(45.0));
    assert_eq!(gate.pairs(&wide, &scattered).verdict, Verdict::Held);
}

#[test]
fn what_is_missing_or_zero_is_never_judged() {
    let of = |baseline: &[Vec<Vec<f64>>], measured: &[f64]| {
        gate().judge(&throughput(), baseline, &starts(measured)).verdict
    };
    assert_eq!(of(&base(), &[]), Verdict::Invalid);
    assert_eq!(of(&[], &[100.0; 3]), Verdict::Invalid);
    assert_eq!(of(&[starts(&[0.0; 3])], &[100.0; 3]), Verdict::Invalid);
}

#[test]
fn a_duet_confirms_overturns_or_leaves_open_what_was_suspected() {
    let said = |suspects: &[f64], pairs: &[(f64, f64)]| {
        let pairs: Vec<Pair> =
            pairs.iter().map(|(one, other)| (vec![*one], vec![*other])).collect();
        gate().confirm(&throughput(), &base(), &starts(suspects), &pairs, (4, 1)).unwrap().outcome
    };
    let lost = [90.0, 90.1, 89.9];
    assert_eq!(said(&lost, &[(100.0, 90.0)]), DuetOutcome::Open);
    assert_eq!(said(&lost, &[(100.0, 90.0), (100.1, 90.1)]), DuetOutcome::Confirmed);
    assert_eq!(said(&lost, &[(90.0, 90.0), (90.2, 90.1)]), DuetOutcome::Overturned);
    // What was never shown is not overturned by pairs that scatter too much to rule it out.
    let wild = [(100.0, 80.0), (80.0, 100.0), (100.0, 85.0), (85.0, 100.0)];
    assert_eq!(
        said(&[110.0, 92.0, 109.0, 91.0, 96.0, 108.0, 90.0, 99.0], &wild),
        DuetOutcome::Undecided
    );
}

#[test]
fn creep_fails_what_would_pass_and_hides_no_regression() {
    let anchor = vec![starts(&[104.0, 104.2, 103.9, 104.1, 104.0]); 3];
    let now = vec![starts(&[99.8, 100.0, 100.2, 99.9, 100.1]); 3];
    let of = |judged: Judgement| gate().check_creep(&throughput(), judged, &anchor, &now).verdict;
    assert_eq!(of(Judgement::plain(Verdict::Held)), Verdict::Creep);
    assert_eq!(of(Judgement::plain(Verdict::Regressed)), Verdict::Regressed);
    // More starts may yet show that this candidate regressed.
    let open = Judgement { is_open: true, ..Judgement::plain(Verdict::Inconclusive) };
    assert!(gate().check_creep(&throughput(), open, &anchor, &base()).is_open);
    let held = || Judgement::plain(Verdict::Held);
    let unsure = gate().check_creep(&throughput(), held(), &anchor, &base());
    assert_eq!(unsure.verdict, Verdict::Held);
    assert!(unsure.reason.unwrap().contains("only 3 sessions of both can show"));
    let near = gate().check_creep(&throughput(), Judgement::plain(Verdict::Held), &base(), &base());
    assert_eq!(near.verdict, Verdict::Held);
}

#[test]
fn a_baseline_of_two_starts_is_reported_as_too_few() {
    let why = gate().too_few(2).unwrap();
    assert!(
        why.starts_with(
            "the baseline has 2 engine starts; at least 3 are needed to report a change"
        ),
        "{why}"
    );
    assert_eq!(gate().too_few(3), None);
}

#[test]
fn a_baseline_says_what_it_can_tell_apart() {
    let resolution = gate().resolution(&throughput(), &base()).unwrap();
    assert_eq!((resolution.starts, resolution.sessions), (10, 2));
    assert!(resolution.detects > 0.049, "{resolution:?}");
    assert!(gate().resolution(&throughput(), &[]).is_err());
}

#[test]
fn raw_values_and_a_run_get_the_same_verdict_on_the_same_numbers() {
    let names = ["output_throughput_tok_per_s", "ttft_p50_ms", "ttft_p99_ms", "e2e_p50_ms"];
    let guards: Vec<Guard> =
        names.iter().map(|name| Guard::new(name.parse().unwrap(), percent(2.5))).collect();
    let pattern = [0.3, -0.7, 1.1, -0.2, 0.6, -1.3, 0.9, -0.4, 0.1];
    // Five starts of three runs in each of `sessions`, and the candidate's of one run.
    let values = |at: usize, sessions: usize, scale: f64| -> Vec<Vec<Vec<f64>>> {
        let run = |number: usize| 100.0 * (1.0 + scale * pattern[(at * 5 + number) % 9] / 100.0);
        let start = |number: usize| (0..3).map(|run_at| run(number * 3 + run_at)).collect();
        (0..sessions).map(|session| (0..5).map(|at| start(session * 5 + at)).collect()).collect()
    };
    for (sessions, change, scale) in
        [(1, 1.0, 1.0), (1, 1.06, 1.0), (5, 1.0, 3.0), (5, 1.04, 0.5), (2, 0.94, 2.0)]
    {
        let base: Vec<_> = (0..4).map(|at| values(at, sessions, scale)).collect();
        let now: Vec<Vec<Vec<f64>>> = (0..4)
            .map(|at| {
                values(at + 2, 1, scale)[0].iter().map(|runs| vec![runs[0] * change]).collect()
            })
            .collect();
        let gate = Gate::of_run(&config::Gate::default(), 4, None).unwrap();
        let gate = gate.learned(guards.iter().zip(base.iter().map(Vec::as_slice)));
        let document = |at: usize, values: Vec<Vec<Vec<f64>>>| -> perf_gate::Input {
            let direction = if at == 0 { "higher_is_better" } else { "lower_is_better" };
            let document = serde_json::json!({
                "metric": names[at], "unit": "u", "direction": direction, "values": values,
            });
            serde_json::from_value(document).unwrap()
        };
        let before: Vec<_> = (0..4).map(|at| document(at, base[at].clone())).collect();
        let after: Vec<_> = (0..4).map(|at| document(at, vec![now[at].clone()])).collect();
        let raw = perf_gate::judge_inputs(gate.design(), 8, &before, &after).unwrap();
        for (at, raw) in raw.into_iter().enumerate() {
            let run = gate.judge(&guards[at], &base[at], &now[at]);
            let raw = Judgement::from(raw.judgement);
            assert_eq!(run, raw, "{sessions} {change} {}", names[at]);
        }
    }
}

#[test]
fn a_metric_has_the_same_kind_of_noise_by_its_name_and_by_its_type() {
    for metric in crate::spec::metric::Metric::all() {
        let guard = Guard::new(metric, percent(2.5));
        assert_eq!(kind(&guard), Kind::of_metric(&metric.to_string()), "{metric}");
    }
}
