//! Long prompts on one data-centre GPU: 8k to 32k tokens in, short answers out, as for documents and
//! code. Prefill decides here, and what it does to the answers that are being generated meanwhile.

use perf::prelude::*;

#[test]
fn long_context_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 32768)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("long_context")
        .load(
            Load::new("one_at_a_time")
                .prompts(random_tokens_of(uniform(8_192, 32_000)))
                .output_tokens(exactly(64))
                .arrivals(one_at_a_time())
                .requests(16)
                .guard(ttft().p50().may_rise(percent(2.5))),
        )
        .load(
            Load::new("concurrent")
                .prompts(random_tokens_of(uniform(8_192, 32_000)))
                .output_tokens(exactly(256))
                .arrivals(concurrent(8))
                .requests(48)
                .guard(total_throughput().may_drop(percent(2.5)))
                .guard(itl().p99().may_rise(percent(5.0))),
        )
        .load(
            Load::new("saturated")
                .tier(Tier::Nightly)
                .prompts(random_tokens_of(uniform(8_192, 32_000)))
                .output_tokens(exactly(256))
                .arrivals(concurrent(32))
                .requests(192)
                .guard(total_throughput().may_drop(percent(2.5)))
                .guard(itl().p99().may_rise(percent(5.0))),
        )
        .run_on(engine)?
        .hold()
}
