//! This search beside guidellm's own, on the same simulated server, on a port and in real time. The
//! highest number of requests at once is known from the server's model: long runs in virtual time.
//!
//!     cargo build --package perf-sim
//!     PERF_GUIDELLM=venv/bin/guidellm PERF_TOKENIZER=a/model cargo test --test search -- --ignored --nocapture guidellm

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use perf_clock::{Clock, run_virtual};
use perf_gate::Answer;
use perf_load::Endpoint;
use perf_model::analysis::search::SearchAnalysis;
use perf_model::analysis::summary::summarize;
use perf_model::fixtures;
use perf_model::spec::load::{Arrivals, Length, Load, Objective, OutputLength, Prompts, Workload};
use perf_model::spec::load_search::{Axis, LoadSearch};
use perf_model::spec::metric::Quantity;
use perf_model::spec::units::{millis, percent};
use perf_sim::{Injection, Options, Profile, ServerProcess, SimServer};
use serde_json::{Value, json};

use crate::server::{put, search};

/// What a request may take: E2E, which both clients define alike.
const LIMIT_MS: f64 = 720.0;
const MOST: u32 = 64;
const PROFILE: &str = include_str!("contest.toml");

fn load(requests: u32) -> Load {
    let axis = Axis::Concurrency { from: 4, to: MOST };
    Load {
        workload: Workload {
            prompts: Prompts::RandomTokens { length: Length::Fixed(32) },
            output: OutputLength::Exactly(16),
            ..fixtures::load().workload
        },
        arrivals: Arrivals::Concurrency(4),
        requests,
        warmup: 4,
        objectives: vec![Objective { quantity: Quantity::E2e, limit: millis(LIMIT_MS) }],
        failures_allowed: percent(100.0),
        search: Some(LoadSearch::along(axis).share(percent(95.0))),
        ..fixtures::load()
    }
}

/// The share of requests in time with so many at once, in a long run in virtual time.
fn share(width: u32) -> f64 {
    let load = Load { arrivals: Arrivals::Concurrency(width), search: None, ..load(40_000) };
    let record = run_virtual(|clock| async move {
        let options = Options {
            profile: Profile::from_toml(PROFILE).unwrap(),
            args: Vec::new(),
            model: "m".to_owned(),
            seed: 1_000_001,
            injection: Injection::default(),
        };
        let server = SimServer::start(options, clock).await.unwrap();
        put(&load, None, &Endpoint::in_process(server.router()), 7, clock).await
    });
    let values = summarize(&record.samples, &record.header.objectives).values;
    let of = |key: &str| values[&key.parse().unwrap()];
    of("goodput_req_per_s") / of("request_throughput_req_per_s")
}

/// The simulated server of the profile, beside this test's program.
fn serve(seed: u64, profile: &Path) -> ServerProcess {
    let mut program = std::env::current_exe().unwrap();
    assert!(program.pop() && program.pop());
    let mut command = Command::new(program.join("perf-sim"));
    command.env("PERF_SIM_PROFILE", profile).env("PERF_SIM_SEED", seed.to_string());
    ServerProcess::start(command, "m", &[]).unwrap()
}

/// What a search answered.
struct Found {
    value: Option<f64>,
    is_resolved: bool,
    probes: usize,
    requests: usize,
}

fn ours(url: &str, requests: u32, seed: u64) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let records = runtime.block_on(async {
        let (endpoint, clock) = (Endpoint::http(url).unwrap(), Clock::real());
        search(&load(requests), &endpoint, seed, clock).await
    });
    let found = SearchAnalysis::of(&records).unwrap();
    let value = match found.answer {
        Answer::Found { value, .. } => Some(value),
        Answer::Unresolved { .. } => None,
    };
    let requests = records.iter().map(|record| record.samples.len()).sum();
    Found { value, is_resolved: value.is_some(), probes: found.probes.len(), requests }
}

fn guidellm(url: &str, requests: u32, place: &Path) -> Found {
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let prompts = place.join("prompts.jsonl");
    let line = |number: u32| json!({"prompt": format!("{number} the quick brown fox jumps over the lazy dog")});
    let lines: Vec<String> = (0..20_000).map(|number| line(number).to_string()).collect();
    fs::write(&prompts, lines.join("\n")).unwrap();
    let (log, result) = (fs::File::create(place.join("log")).unwrap(), place.join("result.json"));
    let options: [(&str, Value); 7] = [
        (
            "--backend",
            json!({
                "kind": "openai_http", "target": url, "model": "m", "request_format": "/v1/completions",
                "max_tokens": 16, "http2": false
            }),
        ),
        (
            "--profile",
            json!({
                "kind": "goodput", "initial_streams": 4, "max_streams": MOST, "target_attainment": 0.95,
                "tolerance": 0.05
            }),
        ),
        ("--constraint", json!({"kind": "max_requests", "count": requests})),
        ("--data", json!({"kind": "json_file", "path": prompts})),
        ("--tokenizer", json!({"kind": "hf_auto", "model": setting("PERF_TOKENIZER")})),
        ("--metrics", json!({"kind": "generative", "slo": {"e2el_ms": LIMIT_MS}})),
        ("--output", json!({"kind": "json", "path": result})),
    ];
    let status = Command::new(setting("PERF_GUIDELLM"))
        .args(["run", "--disable-console-interactive"])
        .args(options.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()]))
        .env("HF_HUB_OFFLINE", "1")
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .status()
        .unwrap();
    assert!(status.success(), "{}", fs::read_to_string(place.join("log")).unwrap());
    let report: Value = serde_json::from_slice(&fs::read(&result).unwrap()).unwrap();
    let found = conclusion(&report).expect("a search with a conclusion");
    let probes = found["probes"].as_array().unwrap();
    Found {
        value: found["best_passing_streams"].as_f64(),
        is_resolved: found["stop_reason"] == "converged"
            && probes.iter().all(|probe| probe["resolved"] == true),
        probes: probes.len(),
        requests: probes.len() * requests as usize,
    }
}

/// The last search state in a report, wherever it stands.
fn conclusion(value: &Value) -> Option<&Value> {
    if value.get("best_passing_streams").is_some() && value["stop_reason"].is_string() {
        return Some(value);
    }
    match value {
        Value::Array(values) => values.iter().rev().find_map(conclusion),
        Value::Object(map) => map.values().rev().find_map(conclusion),
        _ => None,
    }
}

#[test]
#[ignore = "takes half an hour, and needs guidellm: the table of docs/SEARCH.md"]
fn guidellm_beside_this_search() {
    let seeds: u64 = std::env::var("PERF_SEEDS").map_or(10, |seeds| seeds.parse().unwrap());
    let truth = (20..=MOST).take_while(|width| share(*width) >= 0.95).last().unwrap();
    println!("truth {truth}: {:.4}, {:.4}", share(truth), share(truth + 1));
    let place = tempfile::tempdir().unwrap();
    let profile: PathBuf = place.path().join("profile.toml");
    fs::write(&profile, PROFILE).unwrap();
    let mut found: [Vec<(Found, f64)>; 2] = Default::default();
    for seed in 1..=seeds {
        for (who, found) in found.iter_mut().enumerate() {
            let server = serve(seed, &profile);
            let begun = Instant::now();
            let it = match who {
                0 => ours(&server.url, 400, seed),
                _ => guidellm(&server.url, 400, place.path()),
            };
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "  start {seed}, {who}: {:?}, resolved {}, {} probes, {seconds:.0} s",
                it.value, it.is_resolved, it.probes
            );
            found.push((it, seconds));
        }
    }
    println!(
        "| search | starts | answers | within 5 % | within 10 % | further off | answers called unresolved | probes | requests | seconds |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, found) in ["this one", "guidellm"].into_iter().zip(&found) {
        let off = |it: &Found| Some((it.value? / f64::from(truth) - 1.0).abs());
        let within = |limit: f64| {
            found.iter().filter(|(it, _)| off(it).is_some_and(|off| off <= limit)).count()
        };
        let mean = |of: &dyn Fn(&(Found, f64)) -> f64| {
            found.iter().map(of).sum::<f64>() / found.len() as f64
        };
        let answers = found.iter().filter(|(it, _)| it.value.is_some()).count();
        println!(
            "| {name} | {} | {answers} | {} | {} | {} | {} | {:.1} | {:.0} | {:.0} |",
            found.len(),
            within(0.0501),
            within(0.1001),
            answers - within(0.1001),
            found.iter().filter(|(it, _)| !it.is_resolved).count(),
            mean(&|(it, _)| it.probes as f64),
            mean(&|(it, _)| it.requests as f64),
            mean(&|(_, seconds)| *seconds)
        );
    }
}
