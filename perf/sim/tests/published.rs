//! The simulated server, put under the published loads, reproduces the published figures.
//!
//! Five configurations of a benchmark report (December 2025, RTX 4090) under two loads: waves of 32
//! that start when the one before has ended, and one request at a time. After a change of a profile
//! or the scheduler, read the table that this test prints: `cargo test -p perf-sim --test
//! published -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use perf_clock::{Clock, run_virtual};
use perf_sim::{Injection, Options, SimServer, profile};
use serde_json::json;

use support::{post, text};

/// Largest deviation from a published figure, in percent.
const BOUND: f64 = 3.0;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// Figures of one load; NaN where none was published.
#[derive(Clone, Copy, Debug)]
struct Figures {
    tokens_per_s: f64,
    p50_ms: f64,
    mean_ms: f64,
    duration_s: f64,
}

/// One of the figures.
type Figure = fn(&Figures) -> f64;

struct Configuration {
    profile: &'static str,
    args: &'static str,
    waves: Figures,
    singles: Figures,
}

const NONE: f64 = f64::NAN;

const fn figures(tokens_per_s: f64, p50_ms: f64, mean_ms: f64, duration_s: f64) -> Figures {
    Figures { tokens_per_s, p50_ms, mean_ms, duration_s }
}

const PUBLISHED: [Configuration; 5] = [
    Configuration {
        profile: "qwen2.5-14b-fp16-2x4090",
        args: "--tensor-parallel-size 2 --gpu-memory-utilization 0.90 --max-model-len 8192",
        waves: figures(1002.48, 7001.09, 6096.13, 35.23),
        singles: figures(54.31, 4711.72, 4199.54, 83.99),
    },
    Configuration {
        profile: "qwen2.5-14b-fp16-tuned-2x4090",
        args: "--tensor-parallel-size 2 --gpu-memory-utilization 0.91 --max-num-seqs 128",
        waves: figures(1027.36, 7000.32, 6247.20, 35.25),
        singles: figures(54.33, 4709.27, 4055.54, 81.11),
    },
    Configuration {
        profile: "qwen2.5-14b-awq-marlin-1x4090",
        args: "--quantization awq_marlin --gpu-memory-utilization 0.90 --max-model-len 8192",
        waves: figures(1660.66, 4513.40, 4257.64, 22.64),
        singles: figures(85.36, 2994.71, 2844.85, 56.55),
    },
    Configuration {
        profile: "qwen2.5-32b-fp16-4x4090",
        args: "--tensor-parallel-size 4 --max-model-len 4096",
        waves: figures(730.0, 8388.0, NONE, NONE),
        singles: figures(NONE, NONE, 4063.0, NONE),
    },
    Configuration {
        profile: "qwen2.5-32b-awq-marlin-2x4090",
        args: "--quantization awq_marlin --tensor-parallel-size 2 --gpu-memory-utilization 0.85 --max-model-len 4096",
        waves: figures(1037.27, 5918.79, 4858.63, 30.74),
        singles: figures(70.36, 3631.32, 2864.37, 57.29),
    },
];

/// One request of the load: its latency in milliseconds, and its output tokens.
async fn request(router: axum::Router, clock: Clock) -> (f64, f64) {
    let begin = clock.now();
    let body = json!({
        "model": "/model",
        "prompt": "The quick brown fox jumps over the lazy dog. ".repeat(120),
        "max_tokens": 256,
        "temperature": 0.7,
        "stream": false,
    });
    let response = post(router, "/v1/completions", &body.to_string()).await;
    assert_eq!(response.status(), 200);
    let answer: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(answer["usage"]["prompt_tokens"], 1200);
    (
        clock.now().saturating_sub(begin).as_secs_f64() * 1e3,
        answer["usage"]["completion_tokens"].as_f64().unwrap(),
    )
}

/// Sends requests in waves, and works out the figures as the report did.
async fn load(server: &SimServer, clock: Clock, requests: usize, concurrency: usize) -> Figures {
    let begin = clock.now();
    let mut all = Vec::new();
    while all.len() < requests {
        all.extend(join_all((0..concurrency).map(|_| request(server.router(), clock))).await);
    }
    let duration_s = clock.now().saturating_sub(begin).as_secs_f64();
    let mut latencies: Vec<f64> = all.iter().map(|(latency, _)| *latency).collect();
    latencies.sort_by(f64::total_cmp);
    Figures {
        tokens_per_s: all.iter().map(|(_, tokens)| tokens).sum::<f64>() / duration_s,
        p50_ms: latencies[requests / 2],
        mean_ms: latencies.iter().sum::<f64>() / requests as f64,
        duration_s,
    }
}

fn measure(configuration: &Configuration, seed: u64) -> [Figures; 2] {
    let options = Options {
        profile: profile(configuration.profile).unwrap(),
        args: configuration.args.split(' ').map(String::from).collect(),
        model: "/model".into(),
        seed,
        injection: Injection::default(),
    };
    run_virtual(|clock| async move {
        let server = SimServer::start(options, clock).await.unwrap();
        let waves = load(&server, clock, 160, 32).await;
        clock.sleep(Duration::from_secs(3)).await;
        [waves, load(&server, clock, 20, 1).await]
    })
}

#[test]
fn every_published_figure_is_met_in_every_start() {
    let mut misses = Vec::new();
    println!(
        "{:<30} {:<9} {:<7} {:>9} {:>9} {:>14}",
        "configuration", "load", "figure", "published", "simulated", "deviation %"
    );
    for configuration in &PUBLISHED {
        let starts: Vec<[Figures; 2]> = SEEDS.map(|seed| measure(configuration, seed)).collect();
        for (place, load, published) in
            [(0, "waves", configuration.waves), (1, "singles", configuration.singles)]
        {
            let figures: [(&str, Figure); 4] = [
                ("tok/s", |figures| figures.tokens_per_s),
                ("P50", |figures| figures.p50_ms),
                ("mean", |figures| figures.mean_ms),
                ("s", |figures| figures.duration_s),
            ];
            for (name, figure) in figures {
                let wanted = figure(&published);
                let mut values: Vec<f64> =
                    starts.iter().map(|start| figure(&start[place])).collect();
                values.sort_by(f64::total_cmp);
                let deviation = |value: f64| (value / wanted - 1.0) * 100.0;
                let (least, most) = (deviation(values[0]), deviation(values[values.len() - 1]));
                println!(
                    "{:<30} {load:<9} {name:<7} {wanted:>9.2} {:>9.2} {least:>+6.2} … {most:>+5.2}",
                    configuration.profile,
                    values[values.len() / 2]
                );
                if least.abs().max(most.abs()) > BOUND {
                    misses.push(format!(
                        "{} {load} {name}: {least:+.2} … {most:+.2} %",
                        configuration.profile
                    ));
                }
            }
        }
    }
    assert!(misses.is_empty(), "more than {BOUND} % off:\n{}", misses.join("\n"));
}
