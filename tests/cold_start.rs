//! The first request that a server gets after its start: without a warm-up, once in each start.
//!
//! It counts from the moment at which the server says that it is ready. The time that a server takes
//! until then is in its GPU time, and is not guarded.

use perf::prelude::*;

#[test]
fn first_request_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 8192)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("cold_start")
        .tier(Tier::Nightly)
        .load(
            Load::new("first_request")
                .prompts(random_tokens(1_024))
                .output_tokens(exactly(64))
                .arrivals(one_at_a_time())
                .warmup(0)
                .requests(1)
                .once_per_start()
                .guard(ttft().p50().may_rise(percent(20.0))),
        )
        .run_on(engine)?
        .hold()
}
