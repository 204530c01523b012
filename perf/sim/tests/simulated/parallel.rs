//! Data parallelism: requests are shared among replicas, each of which counts its own; and sizes with which a
//! profile does not start.

use std::time::Duration;

use futures_util::future::join;
use perf_clock::run_virtual;
use perf_sim::SimServer;
use serde_json::json;

use crate::support::{get, options, post, text};

/// Two long prompts at once: how long both take, and what the server counts.
fn two_at_once(line: &str) -> (Duration, String) {
    let options = options("generic", line);
    run_virtual(|clock| async move {
        let server = SimServer::start(options, clock).await.unwrap();
        let begin = clock.now();
        let ask = |first: u32| {
            let prompt: Vec<u32> = (0..8_000).map(|token| token % 7_000 + first).collect();
            let body = json!({"model": "/model", "prompt": prompt, "max_tokens": 1});
            let router = server.router();
            async move { post(router, "/v1/completions", &body.to_string()).await.status() }
        };
        let both = join(ask(1), ask(20_000)).await;
        assert_eq!(both, (axum::http::StatusCode::OK, axum::http::StatusCode::OK));
        let took = clock.now().saturating_sub(begin);
        (took, text(get(server.router(), "/metrics").await).await)
    })
}

#[test]
fn two_replicas_compute_two_prompts_in_the_time_of_one_and_each_counts_its_own() {
    let (one, _) = two_at_once("--no-enable-prefix-caching");
    let (two, metrics) = two_at_once("--no-enable-prefix-caching -dp 2");
    let ratio = two.as_secs_f64() / one.as_secs_f64();
    assert!((0.45..0.6).contains(&ratio), "{one:?} and {two:?}");
    let lines = metrics.lines().filter(|line| line.starts_with("vllm:prompt_tokens_total"));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            "vllm:prompt_tokens_total{engine=\"0\",model_name=\"/model\"} 8000.0",
            "vllm:prompt_tokens_total{engine=\"1\",model_name=\"/model\"} 8000.0",
        ]
    );
}

#[test]
fn a_size_that_a_profile_names_does_not_start() {
    let start = |line: &str| {
        let options = options("qwen3-8b-8gpus", line);
        run_virtual(|clock| async move { SimServer::start(options, clock).await.map(drop) })
    };
    let failure = start("-tp 8 --max-model-len 16384").unwrap_err();
    assert!(failure.cause.contains("TP=8, DP=1 did not finish"), "{failure}");
    assert!(start("-tp 4 -dp 2 --max-model-len 16384").is_ok());
}
