//! Baselines and their text.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::record::compile_cache::CompileCache;
use crate::record::gpu_setup::{GpuSettings, GpuSetup};
use crate::spec::engine_kind::EngineKind;
use crate::spec::units::percent;

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
        slacks: [("output_throughput_tok_per_s".parse().unwrap(), percent(2.5))].into(),
        estimated: BTreeSet::new(),
        metrics: [
            ("output_throughput_tok_per_s", vec![1_712.34, 1_698.0, 1_733.9]),
            ("ttft_p50_ms", vec![28.4, 28.1, 28.9]),
            ("e2e_p99_ms", vec![441.123_4, 438.0, 446.0]),
        ]
        .map(|(key, runs)| {
            (key.parse().unwrap(), vec![vec![runs.clone(), runs.clone()], vec![vec![runs[1]]]])
        })
        .into(),
    }
}

const STARTS: &str = "closed_loop.starts.json";

fn read(texts: &Texts) -> Result<Baseline, BaselineError> {
    let starts = StartsFile { name: STARTS, text: Ok(&texts.starts) };
    Baseline::from_texts(&texts.snapshot, &starts)
}

/// This baseline with every run of a metric multiplied.
fn scaled(mut baseline: Baseline, metric: &str, by: f64) -> Baseline {
    let metric: Metric = metric.parse().unwrap();
    let runs = baseline.metrics.get_mut(&metric).unwrap().iter_mut().flatten().flatten();
    runs.for_each(|run| *run *= by);
    baseline
}

/// The lines that one text has and the other lacks.
fn only_in<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
    text.lines().filter(|line| !other.lines().any(|there| there == *line)).collect()
}

#[test]
fn a_baseline_is_pleasant_to_review() {
    let Texts { snapshot, starts } = baseline().to_texts();
    insta::assert_snapshot!(format!("{snapshot}\n{starts}"));
}

#[test]
fn a_change_of_one_metric_by_three_percent_is_one_line_out_and_one_in() {
    let before = baseline().to_texts();
    let after = scaled(baseline(), "output_throughput_tok_per_s", 0.97).to_texts();
    let (out, back) = (&before.snapshot, &after.snapshot);
    let diff = format!("-{}\n+{}", only_in(out, back).join("\n-"), only_in(back, out).join("\n+"));
    assert_eq!(
        diff,
        "-  output_throughput_tok_per_s:          1712.34 tok/s    spread   0.8 %  slack 2.5 %\n\
         +  output_throughput_tok_per_s:          1660.97 tok/s    spread   0.8 %  slack 2.5 %"
    );
    assert_eq!((only_in(out, back).len(), only_in(back, out).len()), (1, 1));
    assert_eq!(out.lines().count(), back.lines().count());
    // Of the starts: the metric, and the two hashes.
    assert_eq!(only_in(&before.starts, &after.starts).len(), 3);
}

#[test]
fn no_line_of_a_metric_is_longer_than_a_terminal_is_wide_and_all_have_the_same_columns() {
    let mut all = baseline();
    for metric in Metric::all() {
        all.metrics.insert(metric, vec![vec![vec![123_456.0], vec![0.1]]]);
        all.slacks.insert(metric, percent(12.5));
        all.estimated.insert(metric.quantity());
    }
    let snapshot = all.to_snapshot();
    let lines: Vec<&str> = snapshot.lines().filter(|line| line.contains("  slack ")).collect();
    assert_eq!(lines.len(), Metric::all().count());
    let column = |line: &str| line.split("  slack ").next().map(|start| start.chars().count());
    for line in lines {
        assert!(line.chars().count() < 100, "{line}");
        assert_eq!(
            column(line),
            column(snapshot.lines().rfind(|line| line.contains("  slack ")).unwrap()),
            "{line}"
        );
    }
}

#[test]
fn a_baseline_reads_back() {
    let read = read(&baseline().to_texts()).unwrap();
    assert_eq!(read.to_texts(), baseline().to_texts());
    assert_eq!(read.fingerprint, baseline().fingerprint);
    assert_eq!(read.slacks, baseline().slacks);
}

#[test]
fn sessions_starts_and_repetitions_are_counted() {
    let extent = |sessions: &[&[usize]]| {
        let start = |runs: &usize| vec![1.0; *runs];
        let sessions = sessions.iter().map(|starts| starts.iter().map(start).collect()).collect();
        let one =
            Baseline { metrics: [("ttft_p50_ms".parse().unwrap(), sessions)].into(), ..baseline() };
        let snapshot = one.to_snapshot();
        snapshot.lines().find_map(|line| line.strip_prefix("measured: ")).unwrap().to_owned()
    };
    assert_eq!(extent(&[&[3, 3, 3, 3, 3]]), "1 session × 5 starts × 3 repetitions");
    assert_eq!(extent(&[&[1, 1, 1], &[1, 1, 1]]), "2 sessions × 3 starts × 1 repetition");
    assert_eq!(extent(&[&[3, 3], &[1]]), "2 sessions, 3 starts, 7 repetitions");
}

#[test]
fn what_the_engine_reported_reads_back_and_is_under_test_and_no_other_session() {
    let mut reported = baseline();
    let settings = [("attention_backend", "FLASH_ATTN"), ("kernel for \"x\": y", "{}")];
    for (name, value) in settings {
        reported.fingerprint.effective.insert(name, value);
    }
    let read = read(&reported.to_texts()).unwrap();
    assert_eq!(read.fingerprint, reported.fingerprint);
    let mut later = read.clone();
    later.fingerprint.effective.insert("attention_backend", "FLASHINFER");
    assert_eq!(read.differences(&later), []);
    let named = later.fingerprint.under_test_since(&read.fingerprint)[0].to_string();
    assert_eq!(named, "engine: attention_backend: FLASH_ATTN → FLASHINFER");
}

#[test]
fn the_setup_of_gpus_reads_back_and_is_named_where_it_changed_and_no_other_session() {
    let capped = |watts| {
        let applications_sm_mhz = Some(1_980);
        let setup =
            GpuSetup { power_cap_w: Some(watts), applications_sm_mhz, ..GpuSetup::default() };
        let mut capped = baseline();
        capped.fingerprint.gpu_settings = GpuSettings::of(&[setup]);
        capped.fingerprint.effective.insert("dtype", "bfloat16");
        capped
    };
    let read = read(&capped(700).to_texts()).unwrap();
    assert_eq!(read.fingerprint, capped(700).fingerprint);
    let changed = |before: &Baseline| capped(500).fingerprint.under_test_since(&before.fingerprint);
    assert_eq!(changed(&read)[0].to_string(), "power cap: 700 W → 500 W");
    assert_eq!(read.differences(&capped(500)), changed(&read));
    assert_eq!(read.differences(&capped(700)), []);
    // A baseline of an older version does not say it.
    assert_eq!(changed(&baseline()), []);
    assert_eq!(baseline().differences(&capped(500)), []);
}

#[test]
fn the_state_of_the_compile_cache_reads_back_and_is_mixed_of_sessions_that_differ() {
    let found = |state| {
        let mut found = baseline();
        found.fingerprint.compile_cache = Some(state);
        found
    };
    let (cold, warm) = (found(CompileCache::Cold), found(CompileCache::Warm));
    let read = read(&cold.to_texts()).unwrap();
    assert_eq!(read.fingerprint, cold.fingerprint);
    let named = warm.fingerprint.under_test_since(&read.fingerprint)[0].to_string();
    assert_eq!(named, "compile cache: cold → warm");
    assert_eq!(read.joined(&warm).fingerprint.compile_cache, Some(CompileCache::Mixed));
}

#[test]
fn an_estimate_is_marked_on_its_lines_and_reads_back() {
    let marked = Baseline { estimated: [Quantity::Ttft].into(), ..baseline() };
    let texts = marked.to_texts();
    let lines: Vec<&str> =
        texts.snapshot.lines().filter(|line| line.ends_with("  estimated")).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("  ttft_p50_ms: "));
    assert_eq!(read(&texts).unwrap().estimated, marked.estimated);
    let snapshot = texts.snapshot.replace("  estimated", "");
    assert!(matches!(read(&Texts { snapshot, ..texts }), Err(BaselineError::Unmatched { .. })));
    let named = baseline().differences(&marked)[0].to_string();
    assert_eq!(named, "TTFT: measured → estimated");
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let whole = baseline().to_texts();
    let cuts = |text: &str| {
        let end = text.trim_end().len();
        text.char_indices().map(|(cut, _)| cut).take_while(|cut| *cut < end).collect::<Vec<_>>()
    };
    for cut in cuts(&whole.snapshot) {
        let snapshot = whole.snapshot[..cut].to_owned();
        assert!(read(&Texts { snapshot, ..whole.clone() }).is_err(), "snapshot cut at {cut}");
    }
    for cut in cuts(&whole.starts) {
        let starts = whole.starts[..cut].to_owned();
        assert!(read(&Texts { starts, ..whole.clone() }).is_err(), "starts cut at {cut}");
    }
}

#[test]
fn a_figure_of_the_snapshot_that_was_changed_by_hand_is_refused_and_named() {
    let whole = baseline().to_texts();
    for (figure, instead) in [("1712.34", "1812.34"), ("  slack 2.5 %", "  slack 9.5 %")] {
        let snapshot = whole.snapshot.replace(figure, instead);
        let error = read(&Texts { snapshot, ..whole.clone() }).unwrap_err();
        let said = error.to_string();
        assert!(error.is_of_starts() && said.contains(STARTS), "{said}");
        assert!(said.contains("`cargo xtask perf refresh`"), "{said}");
        // A slack does not follow from the starts. The hash shows that it was changed.
        assert_eq!(said.contains("the line `  output_throughput"), instead == "1812.34", "{said}");
    }
    let snapshot = whole.snapshot.replace("vllm: \"0.31.0\"", "vllm: \"0.32.0\"");
    assert!(matches!(read(&Texts { snapshot, ..whole }), Err(BaselineError::Unmatched { .. })));
}

#[test]
fn engine_starts_that_were_changed_by_hand_are_refused_with_the_file() {
    let whole = baseline().to_texts();
    // Another extreme, or another order, leaves the median as it was.
    for (figure, instead) in [
        ("438.000", "437.000"),
        ("1712.34, 1698.00", "1698.00, 1712.34"),
        ("[[[28.4", "[ [[28.4"),
        ("\"gpu_s_per_start\": 71.2", "\"gpu_s_per_start\": 71.3"),
        ("\"estimated\": []", "\"estimated\": [\"ttft\"]"),
        ("\"estimated\": []", "\"estimated\": [\"no such figure\"]"),
        ("e2e_p99_ms", "e2e_p98_ms"),
        ("\"schema\": 4", "\"schema\": 5"),
    ] {
        let starts = whole.starts.replacen(figure, instead, 1);
        assert_ne!(starts, whole.starts, "{figure}");
        let error = read(&Texts { starts, ..whole.clone() }).unwrap_err();
        assert!(matches!(error, BaselineError::EditedStarts { .. }), "{figure}: {error}");
        assert!(
            error.to_string().contains("its engine starts in closed_loop.starts.json were edited"),
            "{error}"
        );
    }
}

#[test]
fn the_engine_starts_of_another_snapshot_are_refused() {
    // The same figures are shown: only a hash can tell the two apart.
    let mut other = baseline();
    other.fingerprint.vllm = Some("0.32.0".into());
    let mixed = Texts { starts: other.to_texts().starts, ..baseline().to_texts() };
    let said = read(&mixed).unwrap_err().to_string();
    assert!(said.contains("closed_loop.starts.json beside it is of another baseline;"), "{said}");
}

#[test]
fn a_snapshot_without_its_engine_starts_is_refused_with_the_way_out() {
    let starts = StartsFile { name: STARTS, text: Err("it is missing") };
    let error = Baseline::from_texts(&baseline().to_snapshot(), &starts).unwrap_err();
    assert!(error.is_of_starts());
    assert_eq!(
        error.to_string(),
        "its engine starts cannot be read from closed_loop.starts.json: it is missing; restore that file from git, or \
         measure again with `cargo xtask perf refresh`. If it was accepted with `cargo insta review`, run \
         `cargo xtask perf rewrite` there"
    );
}

#[test]
fn the_form_of_older_versions_is_read_without_a_second_file_and_gives_the_same_baseline() {
    let none = StartsFile { name: STARTS, text: Err("it is missing") };
    let marked = Baseline { estimated: [Quantity::Ttft].into(), ..baseline() };
    let old = schema_2::write(&marked);
    let old = Baseline::from_texts(&old, &none).unwrap();
    let new = read(&marked.to_texts()).unwrap();
    // That form does not know the slacks.
    assert_eq!(Baseline { slacks: new.slacks.clone(), ..old }, new);
    let edited = schema_2::write(&marked).replace("1698.00", "1998.00");
    let error = Baseline::from_texts(&edited, &none).unwrap_err();
    assert!(
        matches!(error, BaselineError::Edited(ref line) if line.contains("output_throughput")),
        "{error}"
    );
}

#[test]
fn a_newer_schema_is_refused_even_with_keys_unknown_here() {
    let texts = baseline().to_texts();
    let snapshot = texts.snapshot.replace("schema: 4", "schema: 9\nfuture: true");
    assert_eq!(read(&Texts { snapshot, ..texts }), Err(BaselineError::Newer(9)));
}

#[test]
fn the_oldest_schema_is_refused_with_the_way_out() {
    let texts = baseline().to_texts();
    let snapshot = texts.snapshot.replace("schema: 4", "schema: 1");
    assert_eq!(
        read(&Texts { snapshot, ..texts }).unwrap_err().to_string(),
        "it has schema 1, but this version reads schemas 2 to 4; measure a new one with `cargo xtask perf refresh`"
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
        slack in 0.1..60.0,
    ) {
        let mut baseline = baseline();
        baseline.workload = text;
        baseline.suite = name;
        let metric = "tpot_mean_ms".parse().unwrap();
        baseline.metrics.insert(metric, starts);
        baseline.slacks.insert(metric, percent(slack));
        let texts = baseline.to_texts();
        prop_assert_eq!(read(&texts).unwrap().to_texts(), texts);
    }
}

#[test]
fn a_value_that_gains_a_digit_when_it_is_rounded_reads_back() {
    for value in [99.999_99, 999.999_9, 9_999.999] {
        let texts = scaled(baseline(), "ttft_p50_ms", value / 28.4).to_texts();
        assert_eq!(read(&texts).unwrap().to_texts(), texts);
    }
}

#[test]
fn a_baseline_knows_its_last_day_and_files_without_one_are_read() {
    let day = |text: &str| Some(text.parse().unwrap());
    let old = Baseline { measured_on: None, ..baseline() };
    assert_eq!(read(&old.to_texts()).unwrap().measured_on, None);
    let new = Baseline { measured_on: day("2026-11-28"), ..baseline() };
    assert!(new.to_snapshot().contains("\nmeasured_on: \"2026-11-28\"\n"));
    assert_eq!(read(&new.to_texts()).unwrap().measured_on, new.measured_on);
    assert_eq!(old.joined(&new).measured_on, day("2026-11-28"));
}

/// A baseline whose texts are wider than a line.
fn wide() -> Baseline {
    let mut baseline = baseline();
    baseline.workload = format!("\"a  \\ \\\\ b\" {}, é {}", "word ".repeat(40), "x".repeat(120));
    baseline.arrivals =
        "64 concurrent, each turn lognormal (median 2000, sigma 0.9, at most 30000) ms after the \
        answer before it, 1536 requests after 64 to warm up"
            .into();
    baseline
}

#[test]
fn no_line_of_many_words_is_wider_than_100_columns_and_none_loses_a_blank() {
    let texts = wide().to_texts();
    let is_wide = |line: &&str| line.chars().count() > 100 && line.trim().contains(' ');
    let found: Vec<&str> = texts.snapshot.lines().filter(is_wide).collect();
    assert!(found.is_empty(), "{found:?}");
    let read = read(&texts).unwrap();
    assert_eq!((read.workload, read.arrivals), (wide().workload, wide().arrivals));
}

#[test]
fn a_baseline_of_the_version_with_long_lines_is_read() {
    let shown = wide().metrics.keys().copied().collect();
    let snapshot = wide().snapshot(&shown, LONG_LINES);
    assert!(snapshot.lines().any(|line| line.chars().count() > 200), "{snapshot}");
    let starts = starts::write(&wide(), &snapshot, LONG_LINES);
    let read = read(&Texts { snapshot, starts }).unwrap();
    assert_eq!((read.workload, read.arrivals), (wide().workload, wide().arrivals));
}

proptest! {
    #[test]
    fn any_text_is_read_as_it_was_written(words in "[a-z \"\\\\é:#{}-]{0,300}") {
        let baseline = Baseline { workload: words.clone(), ..baseline() };
        prop_assert_eq!(read(&baseline.to_texts()).unwrap().workload, words);
    }
}
