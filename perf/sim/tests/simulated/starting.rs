//! A start succeeds or fails as vLLM's would, with the log lines that the engine crate reads.

use std::time::Duration;

use perf_clock::run_virtual;
use perf_sim::{Environment, SimServer, StartFailure};

use crate::support::{get, options, post, text, tiny};

/// The log of a start, and how long it took.
fn start(name: &str, line: &str) -> Result<(String, Duration), StartFailure> {
    let options = options(name, line);
    run_virtual(|clock| async move {
        let server = SimServer::start(options, clock).await?;
        Ok((server.log().join("\n"), clock.now()))
    })
}

#[test]
fn a_start_takes_its_time_and_logs_what_it_found() {
    let (log, time) = start("qwen2.5-14b-fp16-2x4090", "-tp 2 --max-model-len 8192").unwrap();
    assert_eq!(time, Duration::from_secs(46));
    for line in [
        "Loading weights took 8.00 seconds",
        "GPU KV cache size: ",
        "Maximum concurrency for 8,192 tokens per request: ",
        "Graph capturing finished in 7 secs",
        "Application startup complete.",
    ] {
        assert!(log.contains(line), "{line} is not in:\n{log}");
    }
}

#[test]
fn a_cpu_says_so_and_captures_nothing() {
    let (log, _) = start("tiny-cpu", "--max-model-len 2048").unwrap();
    assert!(
        log.contains("CPU KV cache size: 2,097,152 tokens, Maximum concurrency for 2,048 tokens per request: 1024.00x"),
        "{log}"
    );
    assert!(!log.contains("Graph capturing"), "{log}");
}

#[test]
fn the_awq_32b_fails_on_one_card_and_with_a_long_context() {
    let name = "qwen2.5-32b-awq-marlin-2x4090";
    let one_card =
        start(name, "--tensor-parallel-size 1 --gpu-memory-utilization 0.85").unwrap_err();
    assert_eq!(one_card.exit_code, 1);
    assert!(
        one_card.log.iter().any(|line| line.contains("torch.OutOfMemoryError: CUDA out of memory"))
    );
    assert!(!one_card.log.iter().any(|line| line.contains("Loading weights took")));
    let long = start(name, "-tp 2 --gpu-memory-utilization 0.85 --max-model-len 8192").unwrap_err();
    assert!(long.cause.contains("CUDA graph capture"), "{long}");
    assert!(start(name, "-tp 2 --gpu-memory-utilization 0.85 --max-model-len 4096").is_ok());
}

#[test]
fn refused_arguments_end_with_exit_code_2_before_anything_is_loaded() {
    let failure = start("generic", "--no-such-flag 3").unwrap_err();
    assert_eq!(failure.exit_code, 2);
    assert_eq!(
        failure.log.last().unwrap(),
        "vllm: error: unrecognized arguments: --no-such-flag 3"
    );
}

#[test]
fn a_context_over_the_models_or_over_the_cache_is_refused_in_vllms_words() {
    let over_model = start("tiny-cpu", "--max-model-len 8192").unwrap_err();
    assert!(
        over_model
            .cause
            .contains("User-specified max_model_len (8192) is greater than the derived")
    );
    let over_cache =
        start("tiny-cpu", "--max-model-len 2048 --kv-cache-memory-bytes 500000").unwrap_err();
    assert!(over_cache.cause.starts_with(
        "ValueError: To serve at least one request with the model's max seq len (2048)"
    ));
    assert!(
        over_cache.cause.contains("the estimated maximum model length is 976."),
        "{over_cache}"
    );
}

#[test]
fn two_runs_of_one_seed_are_byte_for_byte_the_same() {
    let run = || {
        run_virtual(|clock| async move {
            let server = tiny("", "", clock).await;
            let body = r#"{"prompt":"the same question","max_tokens":40,"stream":true}"#;
            let response = post(server.router(), "/v1/completions", body).await;
            (format!("{:?}", response.headers()), text(response).await, clock.now())
        })
    };
    assert_eq!(run(), run());
}

#[test]
fn the_prefix_cache_can_be_reset_in_developer_mode() {
    let environment = Environment { dev_mode: true, ..Environment::default() };
    let (answer, cached) = run_virtual(|clock| async move {
        let server =
            SimServer::start_in(environment, options("tiny-cpu", ""), clock).await.unwrap();
        let body = format!(r#"{{"prompt":"{}","max_tokens":2}}"#, "word ".repeat(100));
        post(server.router(), "/v1/completions", &body).await;
        let answer = text(post(server.router(), "/reset_prefix_cache", "").await).await;
        post(server.router(), "/v1/completions", &body).await;
        (answer, text(get(server.router(), "/metrics").await).await)
    });
    assert_eq!(answer, r#"{"success":true}"#);
    assert!(
        cached.contains("vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"/model\"} 0.0"),
        "{cached}"
    );
}

#[test]
fn the_tiny_profile_is_about_as_fast_as_the_real_tiny_model() {
    let seconds = run_virtual(|clock| async move {
        let server = tiny("", "", clock).await;
        let begin = clock.now();
        let request = |number: usize| {
            let prompt: Vec<usize> = (0..64).map(|place| 10 + number * 100 + place).collect();
            let body = format!(r#"{{"prompt":{prompt:?},"max_tokens":64,"ignore_eos":true}}"#);
            let router = server.router();
            async move { post(router, "/v1/completions", &body).await.status() }
        };
        futures_util::future::join_all((0..8).map(request)).await;
        clock.now().saturating_sub(begin).as_secs_f64()
    });
    let tokens_per_s = 8.0 * 64.0 / seconds;
    assert!((1_700.0..2_300.0).contains(&tokens_per_s), "{tokens_per_s}");
}
