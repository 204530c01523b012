//! Measured against a baseline, as verdicts.

use perf_gate::Design;

use super::*;
use crate::analysis::summary::{Lengths, Summary};
use crate::fixtures;
use crate::fixtures::sentences;
use crate::judge::results::RepetitionResult;
use crate::record::file::ServerCounts;
use crate::record::finding::{Finding, FindingCode};
use crate::spec::load::{Arrivals, Load};
use crate::spec::metric::Quantity;
use crate::spec::units::percent;

fn load() -> Load {
    let arrivals = Arrivals::Concurrency(8);
    let name = "closed_loop".into();
    Load { name, arrivals, requests: 64, objectives: vec![], ..fixtures::load() }
}

fn fingerprint() -> Fingerprint {
    Fingerprint {
        arguments: vec!["--max-model-len=8192".into()],
        image: Some("vllm:1".into()),
        image_digest: Some("sha256:aa".into()),
        vllm: Some("1".into()),
        ..Fingerprint::new(EngineKind::Docker, "1 × NVIDIA H200", "m")
    }
}

fn starts(throughputs: &[f64]) -> Vec<RepetitionResult> {
    let metric: Metric = "output_throughput_tok_per_s".parse().unwrap();
    let summary = |value: f64| Summary { values: [(metric, value)].into(), ..Summary::default() };
    throughputs
        .iter()
        .enumerate()
        .map(|(at, value)| RepetitionResult {
            start: 1 + u32::try_from(at).unwrap(),
            fingerprint: fingerprint(),
            summary: summary(*value),
            steady: None,
            server: None,
            gpu_s: 60.0,
            client: None,
            remarks: vec![],
            faults: vec![],
        })
        .collect()
}

fn guards() -> [Guard; 1] {
    [Guard::new("output_throughput_tok_per_s".parse().unwrap(), percent(2.5))]
}

fn places() -> Places {
    Places { baseline_file: "baselines/x.snap".into(), records: "runs/1".into() }
}

fn verdict_of(measured: &[RepetitionResult], found: &BaselineLookup) -> LoadReport {
    let (load, guards) = (load(), guards());
    let evidence =
        LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts: measured };
    let gate = Gate::new(Design::of(1)).unwrap();
    compare(&evidence, found, &AnchorLookup::Nowhere, Reference::Baseline(&gate), places())
}

fn recorded(change: impl FnOnce(&mut Baseline)) -> BaselineLookup {
    let (load, guards, starts) = (load(), guards(), starts(&[100.0, 101.0, 99.0]));
    let evidence =
        LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts: &starts };
    let mut baseline = evidence.as_baseline().unwrap();
    change(&mut baseline);
    BaselineLookup::Baseline(Box::new(baseline))
}

#[test]
fn without_a_baseline_a_load_is_unrecorded() {
    assert_eq!(
        verdict_of(&starts(&[100.0; 3]), &BaselineLookup::Nothing).verdict,
        Verdict::Unrecorded
    );
}

#[test]
fn a_newer_image_is_judged_and_named() {
    let found = recorded(|baseline| baseline.fingerprint.image_digest = Some("sha256:bb".into()));
    let report = verdict_of(&starts(&[90.0; 3]), &found);
    assert_eq!(report.verdict, Verdict::Regressed);
    assert_eq!(report.under_test[0].to_string(), "image digest: sha256:bb → sha256:aa");
}

#[test]
fn another_machine_is_incomparable_and_not_regressed() {
    let found = recorded(|baseline| baseline.fingerprint.hardware = "1 × NVIDIA A100".into());
    let report = verdict_of(&starts(&[50.0; 3]), &found);
    assert_eq!(report.verdict, Verdict::Incomparable);
    assert_eq!(report.rows[0].guard.as_ref().unwrap().judgement.verdict, Verdict::Incomparable);
}

#[test]
fn another_workload_is_incomparable() {
    let found = recorded(|baseline| baseline.arrivals = "16 concurrent".into());
    assert_eq!(verdict_of(&starts(&[100.0; 3]), &found).verdict, Verdict::Incomparable);
}

#[test]
fn settings_that_an_upgrade_changed_are_listed_and_those_of_one_start_make_nothing_invalid() {
    let found = recorded(|baseline| baseline.fingerprint.effective.insert("dtype", "bfloat16"));
    let mut measured = starts(&[100.0, 101.0, 99.0]);
    for start in &mut measured {
        start.fingerprint.effective.insert("dtype", "float16");
    }
    measured[2].fingerprint.effective.insert("dtype", "float32");
    let report = verdict_of(&measured, &found);
    assert_eq!(report.under_test[0].to_string(), "engine: dtype: bfloat16 → float16");
    assert_eq!((report.verdict, report.faults.len()), (Verdict::Held, 0));
    assert!(report.notes.iter().any(|note| note.code == FindingCode::EngineSettingsDiffer));
}

#[test]
fn a_run_with_a_fault_is_never_judged_and_makes_no_baseline() {
    let mut measured = starts(&[50.0; 3]);
    measured[1]
        .faults
        .push(Finding::new(FindingCode::RequestsFailed, "1 of 64 requests failed: stalled"));
    let report = verdict_of(&measured, &recorded(|_| ()));
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(sentences(&report.faults), ["start 2: 1 of 64 requests failed: stalled"]);
    let (load, guards) = (load(), guards());
    let evidence =
        LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts: &measured };
    assert_eq!(evidence.as_baseline(), None);
}

#[test]
fn a_start_whose_search_was_unresolved_is_a_result_that_takes_nothing_from_the_others() {
    let unresolved = |measured: &mut RepetitionResult| {
        measured.summary.values.clear();
        measured.faults.push(Finding::new(FindingCode::SearchUnresolved, "max rate is unresolved"));
    };
    let mut measured = starts(&[100.0, 50.0, 101.0, 99.5]);
    unresolved(&mut measured[1]);
    let report = verdict_of(&measured, &recorded(|_| ()));
    assert_eq!((report.verdict, report.rows[0].starts.len()), (Verdict::Held, 3));
    assert_eq!(sentences(&report.faults), Vec::<String>::new());
    let said = "start 2: max rate is unresolved; judged without this start";
    assert!(sentences(&report.notes).contains(&said.to_owned()), "{:?}", report.notes);

    let (load, guards) = (load(), guards());
    let baseline = |starts: &[RepetitionResult]| {
        LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts }
            .as_baseline()
    };
    assert_eq!(baseline(&measured).unwrap().sessions(guards[0].metric)[0].len(), 3);

    measured.iter_mut().filter(|start| start.faults.is_empty()).for_each(unresolved);
    assert_eq!(verdict_of(&measured, &recorded(|_| ())).verdict, Verdict::Invalid);
    assert_eq!(baseline(&measured), None);
}

#[test]
fn one_run_shows_no_change_however_large() {
    let report = verdict_of(&starts(&[50.0]), &recorded(|_| ()));
    assert_eq!(report.verdict, Verdict::Inconclusive);
}

#[test]
fn the_lengths_of_the_answers_and_the_prefix_hits_stand_beside_the_figures() {
    let mut measured = starts(&[100.0; 3]);
    for start in &mut measured {
        start.summary.output_length =
            Some(Lengths { min: 31, mean: 212.0, median: 220.0, max: 256 });
        start.server = Some(ServerCounts {
            prefix_queries: Some(1_000),
            prefix_hits: Some(770),
            ..ServerCounts::default()
        });
    }
    let notes = sentences(&verdict_of(&measured, &recorded(|_| ())).notes);
    for said in [
        "output tokens per request: 31 to 256, mean 212.0",
        "prefix cache: 77.0 % of prompt tokens were hits",
    ] {
        assert!(notes.contains(&said.to_owned()), "{notes:?}");
    }
}

#[test]
fn an_unusable_baseline_makes_the_run_invalid_and_not_unrecorded() {
    let report = verdict_of(&starts(&[100.0; 3]), &BaselineLookup::Unusable("cut off".into()));
    assert_eq!(report.verdict, Verdict::Invalid);
}

/// Marks the throughput of some repetitions as an estimate.
fn guessed(mut starts: Vec<RepetitionResult>) -> Vec<RepetitionResult> {
    for start in &mut starts {
        start.summary.estimated = [Quantity::OutputThroughput].into();
    }
    starts
}

#[test]
fn an_estimate_is_never_held_against_a_measured_value() {
    let estimated = || recorded(|it| it.estimated = [Quantity::OutputThroughput].into());
    for (measured, found, said) in [
        (guessed(starts(&[50.0; 3])), recorded(|_| ()), "an estimate now and measured in"),
        (starts(&[50.0; 3]), estimated(), "measured now and an estimate in the baseline"),
    ] {
        let report = verdict_of(&measured, &found);
        assert_eq!(report.verdict, Verdict::Incomparable);
        let row = &report.rows[0];
        let judgement = &row.guard.as_ref().unwrap().judgement;
        assert!(judgement.reason.as_ref().unwrap().starts_with(said), "{judgement:?}");
        assert_eq!((row.change, row.estimated == row.baseline_estimated), (None, false));
    }
    // Two estimates that were made in the same way are compared.
    let report = verdict_of(&guessed(starts(&[90.0; 3])), &estimated());
    assert_eq!(report.verdict, Verdict::Regressed);
    // And a baseline made of estimates says so.
    let (load, guards, starts) = (load(), guards(), guessed(starts(&[90.0; 3])));
    let evidence =
        LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts: &starts };
    assert!(evidence.as_baseline().unwrap().is_estimated(guards[0].metric));
}

#[test]
fn two_sides_that_were_measured_in_turn_are_not_compared_where_only_one_is_an_estimate() {
    let (load, guards, measured) = (load(), guards(), guessed(starts(&[90.0; 3])));
    let evidence =
        LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts: &measured };
    let gate = Gate::new(Design::of(1)).unwrap();
    let base = recorded(|_| ());
    let report = compare(
        &evidence,
        &base,
        &AnchorLookup::Nowhere,
        Reference::Pairs(&gate, &starts(&[100.0; 3])),
        places(),
    );
    assert_eq!(report.verdict, Verdict::Incomparable);
}

#[test]
fn start_ups_with_another_compile_cache_are_not_compared_and_everything_else_is() {
    let started = |caches: [Option<CompileCache>; 3], seconds: f64| {
        let mut starts = starts(&[100.0, 101.0, 99.0]);
        for (start, compile_cache) in starts.iter_mut().zip(caches) {
            start.fingerprint.compile_cache = compile_cache;
            start.summary.values.insert("start_up_s".parse().unwrap(), seconds);
        }
        starts
    };
    let guards = ["output_throughput_tok_per_s", "start_up_s"]
        .map(|metric| Guard::new(metric.parse().unwrap(), percent(5.0)));
    let (load, gate) = (load(), Gate::new(Design::of(2)).unwrap());
    let [cold, warm] = [CompileCache::Cold, CompileCache::Warm].map(Some);
    for (before, now, verdict) in [
        ([cold; 3], [warm; 3], Verdict::Incomparable),
        ([cold, warm, warm], [cold, warm, warm], Verdict::Incomparable),
        ([warm; 3], [warm; 3], Verdict::Held),
        // What an older version measured says nothing of it.
        ([None; 3], [warm; 3], Verdict::Held),
    ] {
        let (before, now) = (started(before, 75.0), started(now, 75.0));
        let evidence = LoadResults {
            suite: "s",
            load: &load,
            guards: &guards,
            published: &[],
            starts: &before,
        };
        let found = BaselineLookup::Baseline(Box::new(evidence.as_baseline().unwrap()));
        let evidence = LoadResults { starts: &now, ..evidence };
        let nowhere = AnchorLookup::Nowhere;
        let report = compare(&evidence, &found, &nowhere, Reference::Baseline(&gate), places());
        let of = |name: &str| {
            let row = report.rows.iter().find(|row| row.metric == name.parse().unwrap()).unwrap();
            row.guard.clone().unwrap().judgement
        };
        assert_eq!(of("output_throughput_tok_per_s").verdict, Verdict::Held);
        assert_eq!(of("start_up_s").verdict, verdict);
        let reason = of("start_up_s").reason.unwrap_or_default();
        assert_eq!(reason.starts_with("compile cache "), verdict == Verdict::Incomparable);
    }
}

#[test]
fn a_guarded_metric_that_some_starts_did_not_measure_never_passes() {
    let mut measured = starts(&[100.0; 3]);
    measured[1].summary.values.clear();
    let report = verdict_of(&measured, &recorded(|_| ()));
    assert_eq!(report.verdict, Verdict::Invalid);
    let reason = report.rows[0].guard.as_ref().unwrap().judgement.reason.as_ref().unwrap();
    assert_eq!(reason, "1 of 3 engine starts measured no output throughput; look at their records");
}

#[test]
fn a_measured_baseline_without_an_anchor_says_so_with_the_command_that_makes_one() {
    let lacks = |found: &BaselineLookup| {
        let report = verdict_of(&starts(&[100.0; 3]), found);
        report.notes.into_iter().find(|note| note.code == FindingCode::AnchorMissing)
    };
    let note = lacks(&recorded(|_| ())).unwrap();
    assert!(note.message.contains("accept --reset-anchor --reason"), "{note}");
    // Without a baseline, and of another workload, there is nothing that could creep.
    assert_eq!(lacks(&BaselineLookup::Nothing), None);
    assert_eq!(lacks(&recorded(|baseline| baseline.workload = "other".into())), None);
}

#[test]
fn a_clock_that_differs_from_the_baseline_is_named_and_changes_no_verdict() {
    let clock = Metric::whole_server(Quantity::MeanSmClock).unwrap();
    let at = |mut starts: Vec<RepetitionResult>, mhz: f64| {
        for start in &mut starts {
            start.summary.values.insert(clock, mhz);
        }
        starts
    };
    let found = |workload: Option<&str>| {
        recorded(|baseline| {
            baseline.metrics.insert(clock, vec![vec![vec![1_905.0]; 3]]);
            baseline.workload = workload.unwrap_or(&baseline.workload).to_owned();
        })
    };
    let named = |report: &LoadReport| {
        let note = report.notes.iter().find(|note| note.code == FindingCode::ClockDiffers);
        note.map(|note| note.message.clone())
    };
    let slow = at(starts(&[91.0; 3]), 1_740.0);
    let report = verdict_of(&slow, &found(None));
    assert!(named(&report).unwrap().starts_with("mean SM clock: 1905 MHz → 1740 MHz (-8.7 %)"));
    assert_eq!(report.verdict, verdict_of(&starts(&[91.0; 3]), &recorded(|_| ())).verdict);
    // Nearly the same clock, no clock, and something else that was measured.
    assert_eq!(named(&verdict_of(&at(starts(&[91.0; 3]), 1_900.0), &found(None))), None);
    assert_eq!(named(&verdict_of(&starts(&[91.0; 3]), &found(None))), None);
    assert_eq!(named(&verdict_of(&slow, &found(Some("other")))), None);
}
