//! The whole path on one data-centre GPU in a few minutes: the shape of Qwen2.5-7B with weights
//! that vLLM makes up itself.
//!
//! Made-up weights cost what real ones cost, token by token, and there is nothing to download but a
//! configuration and a tokenizer. The prompts are token ids that every vocabulary of 4,096 and more
//! has, and the outputs are of one length, so that no figure depends on what such a model says.

use perf::prelude::*;

#[test]
fn dummy_7b_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 4096)
        .arg("--max-num-seqs", 128)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("gpu_smoke")
        .load(
            Load::new("closed_loop")
                .prompts(random_tokens(512))
                .output_tokens(exactly(128))
                .arrivals(concurrent(32))
                .requests(192)
                .guard(output_throughput().may_drop(percent(2.5)))
                .guard(ttft().p50().may_rise(percent(10.0))),
        )
        .load(
            Load::new("saturated")
                .prompts(random_tokens(256))
                .output_tokens(exactly(64))
                .arrivals(concurrent(128))
                .requests(768)
                .guard(output_throughput().may_drop(percent(2.5))),
        )
        .load(
            Load::new("one_at_a_time")
                .prompts(random_tokens(64))
                .output_tokens(exactly(128))
                .arrivals(one_at_a_time())
                .requests(6)
                .guard(tpot().p50().may_rise(percent(2.5))),
        )
        .load(
            Load::new("paced")
                .chat()
                .prompts(text("Write a short paragraph explaining why GPUs are good for AI."))
                .output_tokens(exactly(64))
                .arrivals(poisson(per_second(16.0)))
                .requests(96)
                .guard(e2e().p50().may_rise(percent(5.0))),
        )
        .run_on(engine)?
        .hold()
}
