//! Values for tests, so that a new field of a type touches one place. Compiled always: a Cargo
//! feature would build this crate twice, once for the tests and once for the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::analysis::summary::Summary;
use crate::judge::baseline::{Baseline, Sessions};
use crate::judge::report::{LoadReport, Row};
use crate::judge::results::RepetitionResult;
use crate::judge::verdict::Verdict;
use crate::record::estimated::Estimated;
use crate::record::finding::Finding;
use crate::record::fingerprint::Fingerprint;
use crate::record::sample::{Outcome, Sample};
use crate::spec::engine_kind::EngineKind;
use crate::spec::extra_body::ExtraBody;
use crate::spec::load::{Api, Arrivals, Length, Load, Objective, OutputLength, Prompts, Workload};
use crate::spec::metric::{Metric, Quantity};
use crate::spec::model_mix::ModelMix;
use crate::spec::units::{millis, per_second, percent};
use crate::sweep::axis::{Axis, Setting};
use crate::sweep::cell::{Cell, CellOutcome};
use crate::sweep::goal::{Figure, Goal};
use crate::sweep::report::SweepReport;

/// 100 chat-sized requests of 64 random tokens, exactly 64 tokens out, Poisson arrivals of 2.5 a
/// second.
pub fn load() -> Load {
    Load {
        name: "chat".into(),
        workload: Workload {
            prompts: Prompts::RandomTokens { length: Length::Fixed(64) },
            output: OutputLength::Exactly(64),
            api: Api::Completions,
            stream: true,
            temperature: 0.0,
        },
        arrivals: Arrivals::Poisson(per_second(2.5)),
        requests: 100,
        warmup: 8,
        objectives: vec![Objective { quantity: Quantity::Ttft, limit: millis(200.0) }],
        stall_limit: Duration::from_mins(1),
        lateness_limit: Duration::from_millis(5),
        failures_allowed: percent(0.0),
        request_limit: Duration::from_mins(10),
        contents: None,
        pause_ms: None,
        samples_kv_cache: false,
        leave_out: Vec::new(),
        body: ExtraBody::default(),
        model_mix: ModelMix::default(),
        search: None,
    }
}

/// vLLM 0.31.0 from its image, on two GPUs.
pub fn fingerprint() -> Fingerprint {
    Fingerprint {
        arguments: vec!["--max-model-len=8192".into(), "--enforce-eager".into()],
        image: Some("vllm/vllm-openai:v0.31.0".into()),
        image_digest: Some("sha256:aa".into()),
        vllm: Some("0.31.0".into()),
        driver: Some("565.57.01".into()),
        ..Fingerprint::new(EngineKind::Docker, "2 × NVIDIA GeForce RTX 4090", "m")
    }
}

/// A request that succeeded at once, with no tokens.
pub fn sample() -> Sample {
    Sample {
        index: 0,
        intended_us: 0,
        sent_us: 0,
        chunks: [].into_iter().collect(),
        end_us: 0,
        prompt_tokens: None,
        output_tokens: None,
        finish_reason: None,
        resent: false,
        estimated: Estimated::NOTHING,
        oddities: Vec::new(),
        server: None,
        parts: None,
        drafts: None,
        model: None,
        outcome: Outcome::Succeeded,
    }
}

/// What one repetition in this engine start gave: no figures, no faults.
pub fn repetition(start: u32) -> RepetitionResult {
    RepetitionResult {
        start,
        fingerprint: fingerprint(),
        summary: Summary::default(),
        steady: None,
        server: None,
        gpu_s: 60.0,
        client: None,
        remarks: vec![],
        faults: vec![],
    }
}

/// A baseline of one metric, measured on the fixtures' fingerprint.
pub fn baseline(metric: Metric, sessions: Sessions) -> Baseline {
    Baseline {
        suite: "s".into(),
        load: "l".into(),
        workload: String::new(),
        arrivals: String::new(),
        fingerprint: fingerprint(),
        measured_on: None,
        gpu_s_per_start: 0.0,
        metrics: [(metric, sessions)].into(),
        slacks: BTreeMap::new(),
        estimated: BTreeSet::new(),
    }
}

/// The row of a metric of which nothing is known.
pub fn row(metric: Metric) -> Row {
    Row {
        metric,
        published: None,
        baseline: None,
        baseline_starts: Vec::new(),
        measured: None,
        starts: Vec::new(),
        change: None,
        estimated: false,
        baseline_estimated: false,
        guard: None,
    }
}

/// A report of one engine start on a simulated server, held, with no rows.
pub fn load_report() -> LoadReport {
    LoadReport {
        suite: "s".into(),
        load: "l".into(),
        engine: EngineKind::Simulated,
        hardware: String::new(),
        model: String::new(),
        workload: String::new(),
        arrivals: String::new(),
        in_flight: None,
        starts: 1,
        verdict: Verdict::Held,
        rows: vec![],
        under_test: vec![],
        incomparable: vec![],
        faults: vec![],
        notes: vec![],
        baseline_file: String::new(),
        records: String::new(),
    }
}

/// Findings as a reader sees them.
pub fn sentences(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// A cell of a sweep with these values on its axes and these figures; without figures it failed.
pub fn sweep_cell(values: &[&str], gpus: u32, figures: &[(&str, f64)]) -> Cell {
    let metric = |key: &str| key.parse::<Metric>().ok();
    let starts: BTreeMap<Metric, Vec<f64>> =
        figures.iter().filter_map(|(key, value)| Some((metric(key)?, vec![*value]))).collect();
    let outcome = if starts.is_empty() {
        CellOutcome::Failed { reason: "failed to start (out of memory)".into() }
    } else {
        CellOutcome::Measured { starts, remarks: Vec::new(), estimated: BTreeSet::new() }
    };
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Cell { values, gpus, outcome, published: BTreeMap::new() }
}

/// A sweep of two batch sizes at three concurrencies. The first server saturates at 8 requests; the
/// last cell has no TTFT.
pub fn sweep() -> SweepReport {
    const RATE: &str = "output_throughput_tok_per_s";
    const TTFT: &str = "ttft_p50_ms";
    let metric = |key: &str| key.parse::<Metric>().ok();
    let figure = |key: &str| metric(key).into_iter().map(Figure::of).collect::<Vec<Figure>>();
    let goal = |name: &str, figures: Vec<Figure>| Goal { name: name.into(), figures };
    let axis = |setting: Setting, values: &[&str]| Axis {
        setting,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let mut cells = vec![
        sweep_cell(&["8", "1"], 1, &[(RATE, 20.0), (TTFT, 20.0)]),
        sweep_cell(&["8", "8"], 1, &[(RATE, 100.0), (TTFT, 26.0)]),
        sweep_cell(&["8", "32"], 1, &[(RATE, 101.0), (TTFT, 90.0)]),
        sweep_cell(&["64", "1"], 1, &[(RATE, 20.0), (TTFT, 18.0)]),
        sweep_cell(&["64", "8"], 1, &[(RATE, 42.0), (TTFT, 29.0)]),
        sweep_cell(&["64", "32"], 1, &[(RATE, 120.0)]),
    ];
    cells[0].published.extend(metric(TTFT).map(|metric| (metric, 21.5)));
    SweepReport {
        name: "sizes".into(),
        engine: EngineKind::Docker,
        hardware: Some("1 × NVIDIA H200".into()),
        model: "m".into(),
        load: "64 random tokens, exactly 64 output tokens".into(),
        axes: vec![
            axis(Setting::Argument("--max-num-seqs".into()), &["8", "64"]),
            axis(Setting::Concurrency, &["1", "8", "32"]),
        ],
        goals: vec![
            goal("throughput", figure(RATE)),
            goal("first token", figure(TTFT)),
            goal("balance", [figure(RATE), figure(TTFT)].concat()),
        ],
        cells,
        starts_per_server: 1,
        starts: 2,
        gpu_s: 90.0,
        published_changes: Vec::new(),
    }
}
