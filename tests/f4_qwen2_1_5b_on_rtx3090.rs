//! Qwen2-1.5B-Instruct on an RTX 3090: 256 sequences at once.
//!
//! A field report of January 2026 with vLLM 0.6.1: prompts up to 1,024 tokens and answers of 100 to
//! 1,024, the end of the sequence ignored, without prefix cache. It submitted them in one process,
//! offline; here they are one wave of requests. Its throughput of the whole server stands beside the
//! measured one. Its "latency" of 99 ms is the duration divided by the number of requests, which is
//! no request's latency, so it stands nowhere.

use perf::prelude::*;

#[test]
fn sequences_256_at_once() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2-1.5B-Instruct")
        .gpus(1)
        .arg("--gpu-memory-utilization", 0.9)
        .switch("--no-enable-prefix-caching")
        .simulates_start_up()
        .simulated_as("qwen2-1.5b-bf16-1x3090");

    Suite::new("qwen2-1.5b-3090")
        .load(
            Load::new("sequences_256_at_once")
                .prompts(random_tokens_of(uniform(1, 1_024)))
                .output_tokens(exactly_of(uniform(100, 1_024)))
                .temperature(0.6)
                .not_streamed()
                .arrivals(waves_of(256))
                .requests(256)
                .warmup(8)
                .sample_kv_cache()
                .published(output_throughput().was(5_695.29))
                // 37,416 blocks of vLLM's 16 tokens.
                .published(kv_cache_tokens().was(598_656.0))
                .published(weights_loading().was(millis(2_000.0)))
                .published(graph_capture().was(millis(13_000.0)))
                .guard(output_throughput().may_drop(percent(2.5))),
        )
        .run_on(engine)?
        .hold()
}
