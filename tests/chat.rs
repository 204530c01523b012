//! Chat as users send it, on one data-centre GPU: at random times, with prompts and answers of very
//! different lengths.
//!
//! Goodput counts the requests that met every objective; a server that is fast on average and late
//! for many loses there. Below capacity it is the arrival rate, which differs from start to start: its
//! slack is wide. The prompts are text, so each server's tokenizer decides how many tokens
//! they have.

use perf::prelude::*;

/// Log-normal prompts, and answers whose lengths do not depend on what the model says.
fn chat(load: Load) -> Load {
    load.chat()
        .prompts(prose(lognormal(256, 0.8, 4_096)))
        .output_tokens(exactly_of(lognormal(180, 0.6, 1_024)))
        .objective(ttft().within(millis(200.0)))
        .objective(tpot().within(millis(10.0)))
}

#[test]
fn chat_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-7B-Instruct")
        .gpus(1)
        .arg("--load-format", "dummy")
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 8192)
        .simulated_as("qwen2.5-7b-bf16-1xh200");

    Suite::new("chat")
        .load(
            chat(Load::new("steady"))
                .arrivals(poisson(per_second(16.0)))
                .requests(480)
                .guard(goodput().may_drop(percent(10.0)))
                .guard(ttft().p50().may_rise(percent(10.0)))
                .guard(tpot().p50().may_rise(percent(2.5))),
        )
        .load(
            // The same rate in bursts: queues build up and drain.
            chat(Load::new("burst"))
                .arrivals(gamma(per_second(16.0), 0.25))
                .requests(480)
                .guard(goodput().may_drop(percent(10.0)))
                .guard(tpot().p90().may_rise(percent(5.0))),
        )
        .load(
            chat(Load::new("near_capacity"))
                .tier(Tier::Nightly)
                .arrivals(poisson(per_second(32.0)))
                .requests(1_600)
                .guard(goodput().may_drop(percent(10.0)))
                .guard(ttft().p99().may_rise(percent(25.0)))
                .guard(tpot().p50().may_rise(percent(5.0))),
        )
        .run_on(engine)?
        .hold()
}
