//! Questions about a few shared documents on one data-centre GPU: long prefixes that many prompts
//! have in common, and a short question behind each.
//!
//! The prefix cache serves the documents. When it no longer does, the TTFT rises many times over.

use perf::prelude::*;

#[test]
fn shared_documents_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 16384)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("rag")
        .load(
            Load::new("few_documents")
                .prompts(shared_prefix(8, 6_000, 200))
                .output_tokens(exactly(128))
                .arrivals(poisson(per_second(8.0)))
                .requests(240)
                .objective(ttft().within(millis(200.0)))
                .guard(goodput().may_drop(percent(10.0)))
                .guard(ttft().p50().may_rise(percent(5.0))),
        )
        .load(
            Load::new("many_documents")
                .tier(Tier::Nightly)
                .prompts(shared_prefix(64, 6_000, 200))
                .output_tokens(exactly(128))
                .arrivals(concurrent(32))
                .requests(960)
                .guard(output_throughput().may_drop(percent(2.5))),
        )
        .run_on(engine)?
        .hold()
}
