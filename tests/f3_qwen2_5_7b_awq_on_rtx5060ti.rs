//! Qwen2.5-7B-Instruct-AWQ on an RTX 5060 Ti with 16 GB, for a coding assistant.
//!
//! A field report of October 2025: one request at a time with answers of four lengths, TTFT by the
//! length of the prompt, and two requests in parallel. Its figures stand beside the measured ones.
//! Of its rates of 100 to 800 tokens it is the rate of one request that is meant, and of two in
//! parallel both: what each request saw, and the whole server.
//!
//! The report's "code review" of 400 tokens ended after 306. Here every answer has the length that
//! its row names, so that rows can be compared. Its gigabytes of device memory are thousands of MiB:
//! the card of "16.3 GB" has 16,311.

use perf::prelude::*;

/// A question of 105 characters.
const MEDIUM: &str = "Write a Python function that does a binary search on a sorted list, and explain it in \
                      two short sentences";

/// A question of 244 characters.
const LONG: &str = "Create a complete FastAPI REST API with authentication, create, read, update and delete \
                    routes, and SQLAlchemy models for users, items and orders; and add tests for each of the routes, \
                    and say in one comment how to start the server on a laptop.";

const _: () = assert!(MEDIUM.len() == 105 && LONG.len() == 244);

/// The report's server.
fn server() -> Vllm {
    Vllm::under_test()
        .model("Qwen2.5-7B-Instruct-AWQ")
        .gpus(1)
        .arg("--gpu-memory-utilization", 0.85)
        .arg("--max-model-len", 32_768)
        .simulates_kv_cache()
        .simulated_as("qwen2.5-7b-awq-1x5060ti")
}

/// One at a time, with answers of so many tokens. The spread of the output rate is the report's own
/// finding: ±0.5 %.
fn one_at_a_time_with(load: Load, tokens: u32, published: f64) -> Load {
    load.prompts(text(MEDIUM))
        .output_tokens(exactly(tokens))
        .chat()
        .requests(10)
        .published(request_output_rate().mean().was(published))
        .guard(request_output_rate().p50().may_drop(percent(2.5)))
}

/// TTFT of a prompt.
fn first_token(load: Load, prompt: &str, mean_ms: f64, min_ms: f64) -> Load {
    load.prompts(text(prompt))
        .output_tokens(exactly(16))
        .chat()
        .requests(20)
        .published(ttft().mean().was(millis(mean_ms)))
        .published(ttft().min().was(millis(min_ms)))
        .guard(ttft().p50().may_rise(percent(5.0)))
}

/// Four developers who each wait for their answers, held to an objective for the first token.
fn first_token_within(load: Load, limit_ms: f64) -> Load {
    load.prompts(random_tokens(256))
        .output_tokens(exactly(128))
        .arrivals(concurrent(4))
        .requests(120)
        .objective(ttft().within(millis(limit_ms)))
        .guard(goodput().may_drop(percent(5.0)))
}

#[test]
fn one_request_at_a_time() -> perf::Result {
    Suite::new("qwen2.5-7b-awq-5060ti")
        .load(
            one_at_a_time_with(Load::new("short_chat"), 100, 78.51)
                .published(kv_cache_tokens().was(121_072.0))
                .published(peak_gpu_memory().was(14_300.0)),
        )
        .load(one_at_a_time_with(Load::new("medium_code"), 300, 78.91))
        .load(one_at_a_time_with(Load::new("long_code"), 800, 78.75))
        .load(one_at_a_time_with(Load::new("code_review"), 400, 78.72))
        .load(
            Load::new("distinct_prompts")
                .prompts(random_tokens(64))
                .output_tokens(exactly(300))
                .requests(10)
                .guard(request_output_rate().p50().may_drop(percent(2.5))),
        )
        .run_on(server())?
        .hold()
}

#[test]
fn first_token_by_the_length_of_the_prompt() -> perf::Result {
    Suite::new("qwen2.5-7b-awq-5060ti-ttft")
        .load(first_token(Load::new("prompt_of_5_characters"), "Hello", 21.31, 18.95))
        .load(first_token(Load::new("prompt_of_105_characters"), MEDIUM, 20.22, 19.71))
        .load(first_token(Load::new("prompt_of_244_characters"), LONG, 21.47, 20.00))
        .load(
            Load::new("distinct_prompts")
                .prompts(random_tokens(64))
                .output_tokens(exactly(16))
                .requests(20)
                .guard(ttft().p50().may_rise(percent(5.0))),
        )
        .run_on(server())?
        .hold()
}

#[test]
fn two_requests_in_parallel() -> perf::Result {
    Suite::new("qwen2.5-7b-awq-5060ti-parallel")
        .load(
            Load::new("two_in_parallel")
                .prompts(text(MEDIUM))
                .output_tokens(exactly(100))
                .chat()
                .arrivals(waves_of(2))
                .requests(20)
                .published(output_throughput().was(152.14))
                .published(request_output_rate().mean().was(76.475))
                .guard(output_throughput().may_drop(percent(2.5))),
        )
        .load(
            Load::new("distinct_prompts")
                .prompts(random_tokens(64))
                .output_tokens(exactly(100))
                .arrivals(waves_of(2))
                .requests(20)
                .guard(output_throughput().may_drop(percent(2.5))),
        )
        .load(first_token_within(Load::new("first_token_within_100_ms"), 100.0))
        .load(first_token_within(Load::new("first_token_within_200_ms"), 200.0))
        .run_on(server())?
        .hold()
}
