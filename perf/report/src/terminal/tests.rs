//! Every verdict as it is shown.

use super::*;
use crate::overview::Overview;
use perf_model::judge::judgement::Judgement;
use perf_model::record::difference::Difference;
use perf_model::record::finding::FindingCode;
use perf_model::spec::run_request::RunRequest;
use perf_model::spec::settings::Settings;
use perf_model::spec::tier::Tier;
use perf_model::spec::units::percent;

fn row(
    key: &str,
    baseline: Option<f64>,
    starts: &[f64],
    slack: Option<f64>,
    verdict: Verdict,
) -> Row {
    let measured = perf_model::analysis::statistics::median(starts);
    Row {
        baseline,
        measured,
        starts: starts.to_vec(),
        change: baseline.zip(measured).map(|(base, now)| now / base - 1.0),
        guard: slack.map(|slack| GuardRow {
            slack: percent(slack),
            limit: baseline
                .map(|base| if key.ends_with("ms") { base * 1.025 } else { base * 0.975 }),
            judgement: Judgement {
                band: Some(percent(if verdict == Verdict::Inconclusive { 4.0 } else { slack })),
                interval: Some((-0.012, 0.008)),
                ..Judgement::plain(verdict)
            },
        }),
        ..perf_model::fixtures::row(key.parse().unwrap())
    }
}

fn report(verdict: Verdict, baseline: Option<f64>, starts: &[f64]) -> LoadReport {
    LoadReport {
        suite: "qwen2.5-14b-awq".into(),
        load: "max_throughput".into(),
        engine: EngineKind::Docker,
        hardware: "1 × NVIDIA GeForce RTX 4090".into(),
        model: "Qwen2.5-14B-Instruct-AWQ".into(),
        workload: "\"The quick brown fox jumps over the lazy dog. \" × 120, at most 256 output tokens, completions"
            .into(),
        arrivals: "waves of 32, 160 requests after 32 to warm up".into(),
        in_flight: Some(32),
        starts: starts.len(),
        verdict,
        rows: vec![
            row("output_throughput_tok_per_s", baseline, starts, Some(2.5), verdict),
            row("e2e_mean_ms", Some(4257.64), &[4301.0, 4290.5, 4311.2], None, verdict),
        ],
        under_test: vec![],
        incomparable: vec![],
        faults: vec![],
        notes: vec![Finding::new(FindingCode::OutputLength, "output tokens per request: 31 to 256, mean 235.4")],
        baseline_file: "baselines/1x-nvidia-geforce-rtx-4090/qwen2.5-14b-awq/max_throughput.snap".into(),
        records: "target/perf/runs/20260101-120000/qwen2.5-14b-awq".into(),
    }
}

fn image_changed() -> Vec<Difference> {
    vec![Difference {
        what: "image digest".into(),
        baseline: "sha256:9f0c".into(),
        measured: "sha256:41d7".into(),
    }]
}

#[test]
fn held() {
    insta::assert_snapshot!(load(&report(Verdict::Held, Some(1660.66), &[1655.0, 1662.0, 1658.4])));
}

#[test]
fn improved() {
    insta::assert_snapshot!(load(&report(
        Verdict::Improved,
        Some(1660.66),
        &[1755.0, 1762.0, 1758.4]
    )));
}

#[test]
fn regressed() {
    let mut report = report(Verdict::Regressed, Some(1660.66), &[1555.0, 1562.0, 1558.4]);
    report.under_test = image_changed();
    insta::assert_snapshot!(load(&report));
}

#[test]
fn inconclusive() {
    let mut report = report(Verdict::Inconclusive, Some(1660.66), &[1555.0, 1662.0, 1618.4]);
    report.rows[0].guard.as_mut().unwrap().judgement.reason =
        Some("1 of 3 starts are within what the baseline's own starts reached".into());
    insta::assert_snapshot!(load(&report));
}

#[test]
fn an_estimate_beside_a_measured_baseline() {
    let mut report = report(Verdict::Incomparable, Some(1660.66), &[1555.0, 1562.0, 1558.4]);
    let row = &mut report.rows[0];
    (row.estimated, row.change) = (true, None);
    row.guard.as_mut().unwrap().judgement = Judgement {
        reason: Some("an estimate now and measured in the baseline".into()),
        ..Judgement::plain(Verdict::Incomparable)
    };
    insta::assert_snapshot!(load(&report));
}

#[test]
fn invalid() {
    let mut report = report(Verdict::Invalid, Some(1660.66), &[1555.0, 1662.0, 1618.4]);
    let fault = "3 of 160 requests failed: error inside a response";
    report.faults = vec![Finding::new(FindingCode::RequestsFailed, fault).at("start 2")];
    insta::assert_snapshot!(load(&report));
}

#[test]
fn unrecorded() {
    insta::assert_snapshot!(load(&report(Verdict::Unrecorded, None, &[1655.0, 1662.0, 1658.4])));
}

#[test]
fn incomparable() {
    let mut report = report(Verdict::Incomparable, Some(1660.66), &[1655.0, 1662.0, 1658.4]);
    report.incomparable = vec![Difference {
        what: "argument".into(),
        baseline: "--max-model-len=8192".into(),
        measured: "--max-model-len=4096".into(),
    }];
    insta::assert_snapshot!(load(&report));
}

#[test]
fn published_figures_stand_beside_the_measured_ones_and_are_marked() {
    let mut report = report(Verdict::Held, Some(1660.66), &[1655.0, 1662.0, 1658.4]);
    report.engine = EngineKind::Simulated;
    report.rows[0].published = Some(1660.66);
    insta::assert_snapshot!(load(&report));
}

#[test]
fn a_run_closes_with_its_verdict_and_what_to_do() {
    let held = SuiteReport::measured(
        "a".into(),
        EngineKind::Docker,
        vec![report(Verdict::Held, Some(1660.66), &[1655.0, 1662.0, 1658.4])],
        0.0,
    );
    let regressed = SuiteReport::measured(
        "b".into(),
        EngineKind::Docker,
        vec![report(Verdict::Regressed, Some(1660.66), &[1555.0, 1562.0, 1558.4])],
        120.0,
    );
    let skipped = SuiteReport::unmeasured(
        "c".into(),
        EngineKind::Docker,
        Verdict::Skipped,
        "needs 2 GPUs, this machine has 0".into(),
    );
    let settings =
        Settings { engine: EngineKind::Docker, tier: Tier::Nightly, ..Settings::default() };
    let request = RunRequest {
        filters: vec!["a".to_owned(), "b".to_owned()],
        tier: Some(Tier::Nightly),
        left_out: vec!["chat / deep".to_owned(), "d".to_owned(), "e".to_owned()],
        settings,
        ..RunRequest::default()
    };
    insta::assert_snapshot!(closing(&Overview {
        reports: &[held, regressed, skipped],
        request: Some(&request),
        is_complete: true,
    }));
}

#[test]
fn a_simulated_run_says_so_at_its_end() {
    let mut load = report(Verdict::Held, Some(1660.66), &[1655.0, 1662.0, 1658.4]);
    load.engine = EngineKind::Simulated;
    let report = SuiteReport::measured("a".into(), EngineKind::Simulated, vec![load], 0.0);
    insta::assert_snapshot!(closing(&Overview {
        reports: &[report],
        request: Some(&RunRequest::default()),
        is_complete: true,
    }));
}

#[test]
fn while_a_run_goes_on_what_passed_is_one_line_and_what_did_not_comes_last() {
    let of = |verdict: Verdict, name: &str| LoadReport {
        load: name.into(),
        ..report(verdict, Some(1660.66), &[1555.0, 1562.0, 1558.4])
    };
    let loads = vec![of(Verdict::Regressed, "one"), of(Verdict::Held, "two")];
    let suite = SuiteReport::measured("a".into(), EngineKind::Docker, loads, 0.0);
    let text = brief(&suite);
    assert!(
        text.starts_with("qwen2.5-14b-awq / two   held   1 guard, 3 engine starts\n\n"),
        "{text}"
    );
    assert!(text.contains("qwen2.5-14b-awq / one   REGRESSED\n"), "{text}");
}

#[test]
fn figures_are_recomputed_from_records() {
    use perf_model::record::chunks::Chunk;
    use perf_model::record::file::{End, Header, Part, Record, SCHEMA, ServerCounts};
    use perf_model::record::fingerprint::Fingerprint;
    use perf_model::record::sample::Sample;

    let record = |start: u32, gap_us: u64, complete: bool| Record {
        header: Header {
            part: Part::Judged,
            run: 1,
            schema: SCHEMA,
            suite: "cpu_smoke".into(),
            load: "closed_loop".into(),
            start,
            seed: 1,
            workload: "64 random tokens".into(),
            arrivals: "one at a time, 1 request after 1 to warm up".into(),
            pattern: Some(perf_model::spec::load::Arrivals::OneAtATime),
            objectives: vec![],
            fingerprint: Fingerprint::new(EngineKind::Process, "CPU: x, 2 cores", "tiny"),
            calibration: None,
            declared: Some(perf_model::spec::load::Load {
                requests: 2,
                ..perf_model::fixtures::load()
            }),
            search: None,
            start_up: None,
            gpus: vec![],
        },
        gpu_readings: vec![],
        samples: vec![Sample {
            sent_us: 5,
            chunks: (1..=4).map(|token| Chunk { at_us: token * gap_us, tokens: 1 }).collect(),
            end_us: 4 * gap_us,
            prompt_tokens: Some(64),
            output_tokens: Some(4),
            ..perf_model::fixtures::sample()
        }],
        end: complete.then(|| End {
            complete: true,
            server: Some(ServerCounts {
                prefix_queries: Some(64),
                prefix_hits: Some(16),
                ..ServerCounts::default()
            }),
            ..End::default()
        }),
    };
    insta::assert_snapshot!(figures(&[record(1, 10_000, true), record(2, 12_000, false)]));
}
