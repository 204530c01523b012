//! Qwen2.5-14B-Instruct-AWQ on one card with 32 GB: 40, 60 and 80 requests at once.
//!
//! A field report of January 2026, run as it was written: one short prompt for all, at most 200
//! tokens back, not streamed, and one wave of each size. Its figures stand beside the measured ones.
//!
//! The report's wave of 40 took longer than its wave of 60, which only a cold server explains: that
//! row is a load of its own on a fresh server, and the warm wave of 40 stands beside it. One prompt
//! for all measures the prefix cache as well, so distinct prompts, longer sequences and two other
//! formats of the weights stand beside it, which the report asks for.

use perf::prelude::*;

/// The report's server.
fn server(model: &str) -> Vllm {
    Vllm::under_test()
        .model(model)
        .gpus(1)
        .arg("--max-model-len", 4096)
        .arg("--max-num-batched-tokens", 2048)
}

fn awq() -> Vllm {
    server("Qwen2.5-14B-Instruct-AWQ").simulated_as("qwen2.5-14b-awq-1x32gb")
}

/// So many requests at once, as the report sends them.
fn wave_of(requests: u32, load: Load) -> Load {
    load.prompts(text("Write a short paragraph explaining why GPUs are good for AI."))
        .output_tokens(at_most(200))
        .chat()
        .not_streamed()
        .arrivals(waves_of(requests))
        .requests(requests)
        .sample_kv_cache()
}

/// As [`wave_of`], on a warm server, and guarded.
fn warm(wave: Load) -> Load {
    wave.guard(output_throughput().may_drop(percent(5.0)))
}

/// Without help from the prefix cache, and with outputs of one length.
fn distinct_prompts() -> Load {
    Load::new("distinct_prompts")
        .prompts(random_tokens(41))
        .output_tokens(exactly(125))
        .arrivals(waves_of(60))
        .requests(120)
        .sample_kv_cache()
        .guard(output_throughput().may_drop(percent(2.5)))
        .guard(ttft().p50().may_rise(percent(5.0)))
}

#[test]
fn awq_at_40_60_and_80_requests_at_once() -> perf::Result {
    Suite::new("qwen2.5-14b-awq-32gb")
        .load(warm(wave_of(40, Load::new("wave_of_40"))))
        .load(
            warm(wave_of(60, Load::new("wave_of_60")))
                .published(output_throughput().was(2529.38))
                .published(request_throughput().was(20.09))
                .published(e2e().mean().was(millis(2050.0))),
        )
        .load(
            warm(wave_of(80, Load::new("wave_of_80")))
                .published(output_throughput().was(2427.98))
                .published(request_throughput().was(19.34))
                .published(e2e().mean().was(millis(2480.0))),
        )
        .load(distinct_prompts())
        .load(
            Load::new("longer_sequences")
                .prompts(random_tokens(1_024))
                .output_tokens(exactly(512))
                .arrivals(waves_of(60))
                .requests(60)
                .sample_kv_cache()
                .guard(output_throughput().may_drop(percent(2.5)))
                .guard(ttft().p50().may_rise(percent(5.0))),
        )
        .run_on(awq())?
        .hold()
}

#[test]
fn awq_at_40_requests_at_once_on_a_cold_server() -> perf::Result {
    Suite::new("qwen2.5-14b-awq-32gb-cold")
        .load(
            wave_of(40, Load::new("cold_first_wave"))
                .warmup(0)
                .once_per_start()
                .guard(output_throughput().may_drop(percent(5.0)))
                .published(output_throughput().was(1467.89))
                .published(request_throughput().was(11.81))
                .published(e2e().mean().was(millis(2460.0))),
        )
        .run_on(awq())?
        .hold()
}

#[test]
fn gptq_int8_at_60_requests_at_once() -> perf::Result {
    Suite::new("qwen2.5-14b-gptq-int8-32gb")
        .load(warm(wave_of(60, Load::new("wave_of_60"))))
        .load(distinct_prompts())
        .run_on(
            server("Qwen2.5-14B-Instruct-GPTQ-Int8").simulated_as("qwen2.5-14b-gptq-int8-1x32gb"),
        )?
        .hold()
}

#[test]
fn fp16_does_not_fit_on_32_gb() -> perf::Result {
    Suite::new("qwen2.5-14b-fp16-32gb")
        .fails_to_start(ServerFailure::OutOfMemory)
        .run_on(server("Qwen2.5-14B-Instruct").simulated_as("qwen2.5-14b-fp16-1x32gb"))?
        .hold()
}
