//! A first scenario: a chat model on one GPU. Put your model, your engine arguments and your load in
//! its place.
//!
//! `cargo test` runs it on the simulated engine, and `cargo xtask perf` on the image in perf.toml.

use perf::prelude::*;

#[test]
fn chat_server_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--max-model-len", 8192)
        // The GPU that the simulated engine plays; without it, a generic one.
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("chat_server")
        .load(
            // Throughput says something only where the server is the bottleneck.
            Load::new("saturated")
                .chat()
                .prompts(prose(lognormal(256, 0.8, 4_096)))
                .output_tokens(exactly(128))
                .arrivals(concurrent(64))
                .requests(512)
                .guard(output_throughput().may_drop(percent(2.5))),
        )
        .load(
            // Latency is what a user notices below that.
            Load::new("steady")
                .chat()
                .prompts(prose(lognormal(256, 0.8, 4_096)))
                .output_tokens(exactly(128))
                .arrivals(poisson(per_second(8.0)))
                .requests(240)
                .guard(ttft().p50().may_rise(percent(10.0)))
                .guard(tpot().p50().may_rise(percent(2.5))),
        )
        .run_on(engine)?
        .hold()
}
