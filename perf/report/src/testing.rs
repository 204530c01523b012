//! Reports for the tests of every format: one of each verdict, large ones, and a history.

use perf_model::fixtures;
use perf_model::judge::history::{AnchorLevel, History, Point, Shift, Source};
use perf_model::judge::judgement::Judgement;
use perf_model::judge::report::{GuardRow, LoadReport, Row, SuiteReport};
use perf_model::judge::verdict::Verdict;
use perf_model::record::difference::Difference;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::merged::{Merged, MergedPart, PartState};
use perf_model::spec::run_request::RunRequest;
use perf_model::spec::settings::{Settings, Variant};
use perf_model::spec::units::percent;

/// All verdicts, the best first.
pub(crate) const VERDICTS: [Verdict; 10] = [
    Verdict::Improved,
    Verdict::Held,
    Verdict::Skipped,
    Verdict::Inconclusive,
    Verdict::Unrecorded,
    Verdict::Incomparable,
    Verdict::Invalid,
    Verdict::Stale,
    Verdict::Creep,
    Verdict::Regressed,
];

/// `cargo xtask perf awq --engine docker --image …`.
pub(crate) fn request() -> RunRequest {
    RunRequest {
        filters: vec!["awq".into()],
        settings: Settings {
            engine: EngineKind::Docker,
            candidate: Variant {
                image: Some("vllm/vllm-openai:v0.32.0".into()),
                ..Variant::default()
            },
            ..Settings::default()
        },
        ..RunRequest::default()
    }
}

/// A run that was merged from three parts, of which one left nothing and one died, and what it was
/// asked to do.
pub(crate) fn merged() -> (Vec<SuiteReport>, RunRequest) {
    let part = |name: &str, state, guards| MergedPart { name: name.into(), state, guards };
    let merged = Merged {
        parts: vec![
            part("gpu-1x-h100", PartState::Complete, 1),
            part("gpu-2x-h100", PartState::Unfinished, 2),
            part("gpu-8x-h100", PartState::Missing, 9),
        ],
        guards: 12,
        remarks: vec!["part gpu-1x-h100 was given twice, a and b, and counts once".into()],
    };
    let alarm = |name: &str, why: &str| {
        let (engine, verdict) = (EngineKind::Docker, Verdict::Inconclusive);
        SuiteReport::unmeasured(name.into(), engine, verdict, why.into())
    };
    let reports = vec![
        alarm(
            "part gpu-2x-h100",
            "its run runs/b did not come to its end: its machine died, or it was interrupted; not measured: llama",
        ),
        alarm(
            "part gpu-8x-h100",
            "it left no run: its machine died or never began; not measured: big, bigger",
        ),
        suite(Verdict::Held),
    ];
    (reports, RunRequest { merged: Some(merged), ..request() })
}

/// A throughput over twelve accepted sessions and two runs, with a step in the middle.
pub(crate) fn history() -> History {
    let day = |number: u64| 1_790_000_000 + number * 86_400;
    let baseline = |number: u64, value: f64, step: Option<f64>| Point {
        source: Source::Baseline {
            commit: Some(format!("{:07x}cafe", 0x00ab_c123 + number * 7)),
            subject: "Refresh the <baselines>".into(),
        },
        at_unix_s: day(number),
        value,
        step,
    };
    let noise = [0.0, 2.1, -1.4, 0.9, -2.2, 1.2];
    let mut points: Vec<Point> =
        (1..).zip(noise).map(|(at, by)| baseline(at, 1_670.0 + by, None)).collect();
    points.extend(
        (7..).zip(noise).map(|(at, by)| baseline(at, 1_601.0 + by, (at == 7).then_some(-0.0413))),
    );
    let run = |number: u64, value: f64, verdict: Verdict| Point {
        source: Source::Run { name: format!("{number:04}"), verdict },
        at_unix_s: day(number),
        value,
        step: None,
    };
    points.push(run(13, 1_602.0, Verdict::Held));
    points.push(run(14, 1_540.0, Verdict::Regressed));
    History {
        baseline_file: "baselines/1x-nvidia-h200/gpu_smoke/closed_loop.snap".into(),
        suite: "gpu_smoke".into(),
        load: "closed_loop".into(),
        metric: "output_throughput_tok_per_s".parse().unwrap(),
        points,
        anchor: Some(AnchorLevel { value: 1_670.5, reason: "the first".into(), change: -0.0411 }),
        change_points: vec![Shift {
            point: 6,
            before: 1_670.1,
            after: 1_593.4,
            change: -0.0459,
            p: 0.000_012,
        }],
    }
}

/// A suite of each verdict, each a run of its own.
pub(crate) fn every_verdict() -> Vec<[SuiteReport; 1]> {
    VERDICTS.map(|verdict| [suite(verdict)]).to_vec()
}

/// A suite of this verdict with one load.
pub(crate) fn suite(verdict: Verdict) -> SuiteReport {
    let name = format!("awq-{}", verdict.to_string().to_lowercase());
    if verdict == Verdict::Skipped {
        let why = "needs 2 GPUs, this machine has 1".to_owned();
        return SuiteReport::unmeasured(name, EngineKind::Docker, verdict, why);
    }
    SuiteReport::measured(
        name.clone(),
        EngineKind::Docker,
        vec![load(&name, "max_throughput", verdict)],
        120.0,
    )
}

/// A suite of many loads, one guard each, of which every fifth regressed.
pub(crate) fn large(guards: usize) -> SuiteReport {
    let verdict = |at: usize| if at.is_multiple_of(5) { Verdict::Regressed } else { Verdict::Held };
    let loads = (0..guards)
        .map(|at| load("a-suite-with-many-loads", &format!("concurrency_{at:04}"), verdict(at)))
        .collect();
    SuiteReport::measured("a-suite-with-many-loads".into(), EngineKind::Docker, loads, 3_600.0)
}

/// A load with a guard of this verdict, and one figure without a guard.
pub(crate) fn load(suite: &str, name: &str, verdict: Verdict) -> LoadReport {
    let starts = match verdict {
        Verdict::Regressed => [1555.0, 1562.0, 1558.4],
        Verdict::Inconclusive => [1555.0, 1662.0, 1618.4],
        Verdict::Improved | Verdict::Stale => [1755.0, 1762.0, 1758.4],
        _ => [1655.0, 1662.0, 1658.4],
    };
    let is_judged = !matches!(
        verdict,
        Verdict::Unrecorded | Verdict::Incomparable | Verdict::Invalid | Verdict::Skipped
    );
    let base = (verdict != Verdict::Unrecorded).then_some(1660.66);
    let reason = match verdict {
        Verdict::Regressed => Some("confirmed in a duet of 2 pairs: -6.0 % (-7.1 to -4.9 %)"),
        Verdict::Inconclusive => {
            Some("1 of 3 starts are within what the baseline's own starts reached")
        }
        Verdict::Creep => Some("2.1 % lost since the anchor of 2026-01-02"),
        _ => None,
    };
    let measured = starts[2];
    let judgement = Judgement {
        reason: reason.map(str::to_owned),
        interval: is_judged.then_some((measured / 1660.66 - 1.012, measured / 1660.66 - 0.988)),
        band: is_judged.then_some(percent(2.5)),
        ..Judgement::plain(verdict)
    };
    let throughput = Row {
        baseline: base,
        baseline_starts: base.map(|_| vec![1652.1, 1660.66, 1664.9]).unwrap_or_default(),
        measured: Some(measured),
        starts: starts.to_vec(),
        change: base.map(|base| measured / base - 1.0),
        guard: Some(GuardRow {
            slack: percent(2.5),
            limit: base.map(|base| base * 0.975),
            judgement,
        }),
        ..fixtures::row("output_throughput_tok_per_s".parse().unwrap())
    };
    let latency = Row {
        baseline: base.map(|_| 4257.64),
        measured: Some(4301.0),
        starts: vec![4301.0, 4290.5, 4311.2],
        change: base.map(|_| 4301.0 / 4257.64 - 1.0),
        ..fixtures::row("e2e_p50_ms".parse().unwrap())
    };
    let difference = |what: &str, baseline: &str, measured: &str| Difference {
        what: what.into(),
        baseline: baseline.into(),
        measured: measured.into(),
    };
    LoadReport {
        suite: suite.into(),
        load: name.into(),
        engine: EngineKind::Docker,
        hardware: "1 × NVIDIA GeForce RTX 4090".into(),
        model: "Qwen2.5-14B-Instruct-AWQ".into(),
        workload:
            "\"The quick brown fox | jumps <over> the lazy dog. \" × 120, at most 256 output tokens"
                .into(),
        arrivals: "waves of 32, 160 requests after 32 to warm up".into(),
        in_flight: Some(32),
        starts: starts.len(),
        verdict,
        rows: vec![throughput, latency],
        under_test: vec![difference("vLLM", "0.31.0", "0.32.0")],
        incomparable: (verdict == Verdict::Incomparable)
            .then(|| difference("argument", "--max-model-len=8192", "--max-model-len=4096"))
            .into_iter()
            .collect(),
        faults: (verdict == Verdict::Invalid)
            .then(|| {
                let fault = "3 of 160 requests failed: error inside a response";
                Finding::new(FindingCode::RequestsFailed, fault).at("start 2")
            })
            .into_iter()
            .collect(),
        notes: vec![Finding::new(
            FindingCode::OutputLength,
            "output tokens per request: 31 to 256, mean 235.4",
        )],
        baseline_file: format!("baselines/1x-nvidia-geforce-rtx-4090/{suite}/{name}.snap"),
        records: format!("target/perf/runs/0012/{suite}"),
    }
}
