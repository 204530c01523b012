//! Agents on one data-centre GPU: conversations of several turns whose next turn comes when a tool
//! has answered.
//!
//! Each turn carries all that was said before, which the prefix cache should still hold after the
//! tool's pause. The server's load goes up and down with the tools.

use perf::prelude::*;

/// Agents whose tools take two seconds in the middle, and a few of them half a minute.
fn agents(load: Load, turns: u32) -> Load {
    load.chat()
        .prompts(conversations(turns, lognormal(120, 0.8, 1_000)))
        .pause_of(lognormal(2_000, 0.9, 30_000))
        .output_tokens(exactly_of(lognormal(100, 0.6, 512)))
}

#[test]
fn agents_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 16384)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("agent")
        .load(
            agents(Load::new("tool_gaps"), 6)
                .arrivals(concurrent(16))
                .requests(192)
                .guard(ttft().p50().may_rise(percent(10.0)))
                .guard(tpot().p50().may_rise(percent(2.5))),
        )
        .load(
            agents(Load::new("long_sessions"), 12)
                .tier(Tier::Nightly)
                .arrivals(concurrent(64))
                .requests(1_536)
                .guard(ttft().p90().may_rise(percent(10.0)))
                .guard(tpot().p50().may_rise(percent(2.5))),
        )
        .run_on(engine)?
        .hold()
}
