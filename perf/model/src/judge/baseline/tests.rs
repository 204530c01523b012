//! Baselines and their text.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::spec::engine_kind::EngineKind;

fn baseline() -> Baseline {
    Baseline {
        suite: "cpu_smoke".into(),
        load: "closed_loop".into(),
        workload: "\"The \\\"fox\\\". \" × 120, at most 256 output tokens".into(),
        arrivals: "8 concurrent, 256 requests after 8 to warm up".into(),
        fingerprint: Fingerprint {
            arguments: vec!["--max-model-len=2048".into(), "--enforce-eager".into()],
            image: Some("vllm-cpu:0.31.0".into()),
            image_digest: Some("sha256:0a1b".into()),
            vllm: Some("0.31.0".into()),
            ..Fingerprint::new(EngineKind::Docker, "CPU: AMD EPYC, 2 cores", "tiny")
        },
        measured_on: None,
        gpu_s_per_start: 71.25,
        estimated: BTreeSet::new(),
        metrics: [
            ("output_throughput_tok_per_s", vec![1_712.34, 1_698.0, 1_733.9]),
            ("ttft_p50_ms", vec![28.4, 28.1, 28.9]),
            ("e2e_p99_ms", vec![441.123_4, 438.0, 446.0]),
        ]
        .map(|(key, runs)| {
            (key.parse().unwrap(), vec![vec![runs.clone(), runs.clone()], vec![vec![runs[0]]]])
        })
        .into(),
    }
}

#[test]
fn a_baseline_is_pleasant_to_review() {
    insta::assert_snapshot!(baseline().to_yaml());
}

#[test]
fn a_baseline_reads_back() {
    let read = Baseline::from_yaml(&baseline().to_yaml()).unwrap();
    assert_eq!(read.to_yaml(), baseline().to_yaml());
    assert_eq!(read.fingerprint, baseline().fingerprint);
}

#[test]
fn what_the_engine_reported_reads_back_and_is_under_test_and_no_other_session() {
    let mut reported = baseline();
    let settings = [("attention_backend", "FLASH_ATTN"), ("kernel for \"x\": y", "{}")];
    for (name, value) in settings {
        reported.fingerprint.effective.insert(name, value);
    }
    let read = Baseline::from_yaml(&reported.to_yaml()).unwrap();
    assert_eq!(read.fingerprint, reported.fingerprint);
    let mut later = read.clone();
    later.fingerprint.effective.insert("attention_backend", "FLASHINFER");
    assert_eq!(read.differences(&later), []);
    let named = later.fingerprint.under_test_since(&read.fingerprint)[0].to_string();
    assert_eq!(named, "engine: attention_backend: FLASH_ATTN → FLASHINFER");
}

#[test]
fn an_estimate_is_marked_on_its_lines_and_reads_back() {
    let marked = Baseline { estimated: [Quantity::Ttft].into(), ..baseline() };
    let yaml = marked.to_yaml();
    let lines: Vec<&str> = yaml.lines().filter(|line| line.contains("estimated")).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("  ttft_p50_ms: { median: 28.4000, estimated: true, starts: ["));
    assert_eq!(Baseline::from_yaml(&yaml).unwrap().estimated, marked.estimated);
    let hidden = yaml.replace("estimated: true, ", "estimated: false, ");
    assert!(matches!(Baseline::from_yaml(&hidden), Err(BaselineError::Edited(_))));
    let named = baseline().differences(&marked)[0].to_string();
    assert_eq!(named, "TTFT: measured → estimated");
}

#[test]
fn a_truncated_file_is_refused_wherever_it_was_cut() {
    let yaml = baseline().to_yaml();
    for (cut, _) in yaml.char_indices().take_while(|(cut, _)| *cut < yaml.trim_end().len()) {
        assert!(
            Baseline::from_yaml(&yaml[..cut]).is_err(),
            "cut at {cut} passed:\n{}",
            &yaml[..cut]
        );
    }
}

#[test]
fn a_value_changed_by_hand_is_refused_and_named() {
    let edited = baseline().to_yaml().replace("1698.00", "1998.00");
    let error = Baseline::from_yaml(&edited).unwrap_err();
    assert!(
        matches!(error, BaselineError::Edited(ref line) if line.contains("output_throughput")),
        "{error}"
    );
}

#[test]
fn a_newer_schema_is_refused_even_with_keys_unknown_here() {
    let newer = baseline().to_yaml().replace("schema: 2", "schema: 9\nfuture: true");
    assert_eq!(Baseline::from_yaml(&newer), Err(BaselineError::Newer(9)));
}

#[test]
fn an_older_schema_is_refused_with_the_way_out() {
    let older = baseline().to_yaml().replace("schema: 2", "schema: 1");
    let error = Baseline::from_yaml(&older).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it has schema 1, but this version reads schema 2; measure a new one with `cargo xtask perf refresh`"
    );
}

#[test]
fn everything_that_differs_in_a_later_session_is_named_under_test_or_not() {
    let mut later = baseline();
    assert_eq!(baseline().differences(&later), []);
    later.arrivals = "16 concurrent".into();
    later.fingerprint.vllm = Some("0.32.0".into());
    let named: Vec<String> =
        baseline().differences(&later).iter().map(ToString::to_string).collect();
    assert_eq!(named[1..], ["vLLM: 0.31.0 → 0.32.0"]);
    assert!(
        named[0].starts_with("arrivals: 8 concurrent") && named[0].ends_with("→ 16 concurrent"),
        "{named:?}"
    );
}

#[test]
fn sessions_of_the_same_are_joined_and_what_one_of_them_lacks_is_dropped() {
    let mut later = baseline();
    let (ttft, throughput) =
        ("ttft_p50_ms".parse().unwrap(), "output_throughput_tok_per_s".parse().unwrap());
    later.metrics.remove(&ttft);
    let joined = baseline().joined(&later);
    assert_eq!((joined.sessions(throughput).len(), joined.sessions(ttft).len()), (4, 0));
    assert_eq!(joined.rests_on(), (6, 4));
}

proptest! {
    #[test]
    fn every_baseline_survives_its_text(
        starts in prop::collection::vec(prop::collection::vec(prop::collection::vec(1e-3..1e7, 1..4), 1..4), 1..4), text in "[ -~×µ]{0,40}", name in "[a-z.\\-]{1,12}",
    ) {
        let mut baseline = baseline();
        baseline.workload = text;
        baseline.suite = name;
        baseline.metrics.insert("tpot_mean_ms".parse().unwrap(), starts);
        let yaml = baseline.to_yaml();
        prop_assert_eq!(Baseline::from_yaml(&yaml).unwrap().to_yaml(), yaml);
    }
}

#[test]
fn a_baseline_knows_its_last_day_and_files_without_one_are_read() {
    let day = |text: &str| Some(text.parse().unwrap());
    let old = Baseline { measured_on: None, ..baseline() };
    assert_eq!(Baseline::from_yaml(&old.to_yaml()).unwrap().measured_on, None);
    let new = Baseline { measured_on: day("2026-11-28"), ..baseline() };
    assert!(new.to_yaml().contains("\nmeasured_on: \"2026-11-28\"\n"));
    assert_eq!(Baseline::from_yaml(&new.to_yaml()).unwrap().measured_on, new.measured_on);
    assert_eq!(old.joined(&new).measured_on, day("2026-11-28"));
}
