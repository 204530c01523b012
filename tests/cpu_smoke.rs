//! The whole path on a machine without a GPU: a tiny model on vLLM's CPU build.
//!
//! Its figures say nothing about a GPU and its noise is large: the engine shares two cores with
//! everything else. The gate widens the slacks to what that noise allows, and says so: it notices
//! half the speed, not a few percent.

use perf::prelude::*;

#[test]
fn tiny_model_on_the_cpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("tiny")
        .arg("--dtype", "bfloat16")
        .switch("--enforce-eager")
        .arg("--max-model-len", 2048)
        .arg("--max-num-seqs", 64)
        .arg("--distributed-executor-backend", "uni")
        .env("VLLM_CPU_KVCACHE_SPACE", 1)
        .env("VLLM_ENABLE_V1_MULTIPROCESSING", 0)
        .env("OMP_NUM_THREADS", 1)
        .simulated_as("tiny-cpu");

    Suite::new("cpu_smoke")
        .load(
            Load::new("closed_loop")
                .prompts(random_tokens(64))
                .output_tokens(exactly(64))
                .arrivals(concurrent(8))
                .requests(400)
                // The server computes on the cores that the client measures from: each waits for
                // the other.
                .lateness_limit(millis(1_500.0))
                .guard(output_throughput().may_drop(percent(10.0))),
        )
        .load(
            Load::new("saturated")
                .prompts(random_tokens(64))
                .output_tokens(exactly(64))
                .arrivals(concurrent(64))
                .requests(512)
                .lateness_limit(millis(1_500.0))
                .guard(output_throughput().may_drop(percent(10.0))),
        )
        .load(
            Load::new("chat")
                .chat()
                .prompts(text("Write a short paragraph explaining why GPUs are good for AI."))
                .output_tokens(exactly(32))
                .arrivals(constant_rate(per_second(20.0)))
                .requests(200)
                .lateness_limit(millis(1_500.0))
                .objective(ttft().within(millis(200.0)))
                .guard(e2e().p50().may_rise(percent(25.0))),
        )
        .run_on(engine)?
        .hold()
}
