//! Values for tests, so that a new field of a type touches one place. Compiled always: a Cargo
//! feature would build this crate twice, once for the tests and once for the programs.

use std::time::Duration;

use crate::analysis::summary::Summary;
use crate::judge::report::LoadReport;
use crate::judge::results::RepetitionResult;
use crate::judge::verdict::Verdict;
use crate::record::finding::Finding;
use crate::record::fingerprint::Fingerprint;
use crate::record::sample::{Outcome, Sample};
use crate::spec::engine_kind::EngineKind;
use crate::spec::load::{Api, Arrivals, Length, Load, Objective, OutputLength, Prompts, Workload};
use crate::spec::metric::Quantity;
use crate::spec::units::{millis, per_second, percent};

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
    }
}

/// vLLM 0.31.0 from its image, on two GPUs.
pub fn fingerprint() -> Fingerprint {
    Fingerprint {
        engine: EngineKind::Docker,
        hardware: "2 × NVIDIA GeForce RTX 4090".into(),
        model: "m".into(),
        arguments: vec!["--max-model-len=8192".into(), "--enforce-eager".into()],
        environment: vec![],
        under_test: vec![],
        image: Some("vllm/vllm-openai:v0.31.0".into()),
        image_digest: Some("sha256:aa".into()),
        vllm: Some("0.31.0".into()),
        driver: Some("565.57.01".into()),
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
        estimated: false,
        server: None,
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

/// A report of one engine start on a simulated server, held, with no rows.
pub fn load_report() -> LoadReport {
    LoadReport {
        suite: "s".into(),
        load: "l".into(),
        engine: EngineKind::Simulated,
        hardware: String::new(),
        workload: String::new(),
        arrivals: String::new(),
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
