//! The highest load under objectives, found by search in each engine start: the shape of
//! Qwen2.5-7B with weights that vLLM makes up itself, as in `gpu_smoke`.
//!
//! A guard on a throughput says whether the server got slower; these say how much load it still
//! serves as promised: 99 of 100 answers begin within 200 ms and stream at 7 ms a token or faster.
//! A decode step takes 4.7 ms even for one sequence, so that a small loss of speed costs a large
//! part of the load. Arrivals are evenly spaced, so that a short probe decides.

use perf::prelude::*;

#[test]
fn the_highest_load_that_a_7b_serves_as_promised() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 4096)
        .arg("--max-num-seqs", 128)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    let promised = |load: Load| {
        load.prompts(random_tokens(64))
            .output_tokens(exactly(16))
            .objective(ttft().within(millis(200.0)))
            .objective(tpot().within(millis(7.0)))
            .requests(1_000)
    };
    Suite::new("max_load")
        .load(
            promised(Load::new("max_rate"))
                .arrivals(constant_rate(per_second(8.0)))
                .search(rates(per_second(8.0)..=per_second(512.0)))
                .guard(max_rate().may_drop(percent(5.0))),
        )
        .load(
            promised(Load::new("max_concurrency"))
                .search(concurrencies(1..=256))
                .guard(max_concurrency().may_drop(percent(5.0))),
        )
        .run_on(engine)?
        .hold()
}
