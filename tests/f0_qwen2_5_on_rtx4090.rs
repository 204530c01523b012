//! Qwen2.5 14B and 32B on RTX 4090s: FP16 against AWQ-Marlin, for throughput and for latency.
//!
//! A field report of December 2025, run as it was written: one sentence said 120 times as every
//! prompt, at most 256 tokens back, not streamed; 32 at once in waves, and one at a time. Its
//! figures stand beside the measured ones.
//!
//! One prompt for all measures the prefix cache as well, so each configuration also gets prompts
//! that differ.

use perf::prelude::*;

/// What the report sends, every time.
fn the_fox() -> Prompts {
    repeated_sentence("The quick brown fox jumps over the lazy dog. ", 120)
}

/// 32 at once; the next 32 when all have ended.
fn max_throughput() -> Load {
    Load::new("max_throughput")
        .prompts(the_fox())
        .output_tokens(at_most(256))
        .temperature(0.7)
        .not_streamed()
        .arrivals(waves_of(32))
        .requests(160)
        .guard(output_throughput().may_drop(percent(2.5)))
        .guard(e2e().p50().may_rise(percent(2.5)))
}

/// One at a time.
fn min_latency() -> Load {
    Load::new("min_latency")
        .prompts(the_fox())
        .output_tokens(at_most(256))
        .temperature(0.7)
        .not_streamed()
        .arrivals(one_at_a_time())
        .requests(20)
        .guard(output_throughput().may_drop(percent(2.5)))
        .guard(e2e().p50().may_rise(percent(2.5)))
}

/// As [`max_throughput`], without help from the prefix cache, and with outputs of one length.
fn distinct_prompts() -> Load {
    Load::new("distinct_prompts")
        .prompts(random_tokens(1_200))
        .output_tokens(exactly(256))
        .arrivals(waves_of(32))
        .requests(160)
        .guard(output_throughput().may_drop(percent(2.5)))
        .guard(ttft().p50().may_rise(percent(5.0)))
}

#[test]
fn qwen2_5_14b_fp16_on_two_gpus() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-14B-Instruct")
        .tensor_parallel(2)
        .arg("--gpu-memory-utilization", 0.90)
        .arg("--max-model-len", 8192)
        .simulated_as("qwen2.5-14b-fp16-2x4090");

    Suite::new("qwen2.5-14b-fp16")
        .load(
            max_throughput()
                .published(output_throughput().was(1002.48))
                .published(e2e().p50().was(millis(7001.09)))
                .published(e2e().p99().was(millis(7090.32)))
                .published(e2e().mean().was(millis(6096.13))),
        )
        .load(
            min_latency()
                .published(output_throughput().was(54.31))
                .published(e2e().p50().was(millis(4711.72)))
                .published(e2e().p99().was(millis(4722.48)))
                .published(e2e().mean().was(millis(4199.54))),
        )
        .load(distinct_prompts())
        .run_on(engine)?
        .hold()
}

#[test]
fn qwen2_5_14b_fp16_tuned_on_two_gpus() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-14B-Instruct")
        .tensor_parallel(2)
        .arg("--gpu-memory-utilization", 0.91)
        .arg("--max-model-len", 8192)
        .arg("--max-num-seqs", 128)
        .simulated_as("qwen2.5-14b-fp16-tuned-2x4090");

    Suite::new("qwen2.5-14b-fp16-tuned")
        .load(
            max_throughput()
                .published(output_throughput().was(1027.36))
                .published(e2e().p50().was(millis(7000.32)))
                .published(e2e().p99().was(millis(7082.68)))
                .published(e2e().mean().was(millis(6247.20))),
        )
        .load(
            min_latency()
                .published(output_throughput().was(54.33))
                .published(e2e().p50().was(millis(4709.27)))
                .published(e2e().p99().was(millis(4713.93)))
                .published(e2e().mean().was(millis(4055.54))),
        )
        .load(distinct_prompts())
        .run_on(engine)?
        .hold()
}

#[test]
fn qwen2_5_14b_awq_marlin_on_one_gpu() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-14B-Instruct-AWQ")
        .gpus(1)
        .arg("--quantization", "awq_marlin")
        .arg("--gpu-memory-utilization", 0.90)
        .arg("--max-model-len", 8192)
        .simulated_as("qwen2.5-14b-awq-marlin-1x4090");

    Suite::new("qwen2.5-14b-awq-marlin")
        .load(
            max_throughput()
                .published(output_throughput().was(1660.66))
                .published(e2e().p50().was(millis(4513.40)))
                .published(e2e().p99().was(millis(4796.28)))
                .published(e2e().mean().was(millis(4257.64))),
        )
        .load(
            min_latency()
                .published(output_throughput().was(85.36))
                .published(e2e().p50().was(millis(2994.71)))
                .published(e2e().p99().was(millis(3000.48)))
                .published(e2e().mean().was(millis(2844.85))),
        )
        .load(distinct_prompts())
        .run_on(engine)?
        .hold()
}

#[test]
fn qwen2_5_32b_fp16_on_four_gpus() -> perf::Result {
    let engine = Vllm::under_test()
        .model("Qwen2.5-32B-Instruct")
        .tensor_parallel(4)
        .arg("--max-model-len", 4096)
        .simulated_as("qwen2.5-32b-fp16-4x4090");

    Suite::new("qwen2.5-32b-fp16")
        .load(
            max_throughput()
                .published(output_throughput().was(730.0))
                .published(e2e().p50().was(millis(8388.0))),
        )
        .load(min_latency().published(e2e().mean().was(millis(4063.0))))
        .load(distinct_prompts())
        .run_on(engine)?
        .hold()
}

/// The 32B model in INT4, as the report ended up serving it.
fn qwen2_5_32b_awq_marlin() -> Vllm {
    Vllm::under_test()
        .model("Qwen2.5-32B-Instruct-AWQ")
        .arg("--quantization", "awq_marlin")
        .arg("--gpu-memory-utilization", 0.85)
        .simulated_as("qwen2.5-32b-awq-marlin-2x4090")
}

#[test]
fn qwen2_5_32b_awq_marlin_on_two_gpus() -> perf::Result {
    Suite::new("qwen2.5-32b-awq-marlin")
        .load(
            max_throughput()
                .published(output_throughput().was(1037.27))
                .published(e2e().p50().was(millis(5918.79)))
                .published(e2e().p99().was(millis(6535.40)))
                .published(e2e().mean().was(millis(4858.63))),
        )
        .load(
            min_latency()
                .published(output_throughput().was(70.36))
                .published(e2e().p50().was(millis(3631.32)))
                .published(e2e().p99().was(millis(3651.05)))
                .published(e2e().mean().was(millis(2864.37))),
        )
        .load(distinct_prompts())
        .run_on(qwen2_5_32b_awq_marlin().tensor_parallel(2).arg("--max-model-len", 4096))?
        .hold()
}

#[test]
fn qwen2_5_32b_awq_marlin_does_not_fit_on_one_gpu() -> perf::Result {
    Suite::new("qwen2.5-32b-awq-marlin-on-one-gpu")
        .fails_to_start(ServerFailure::OutOfMemory)
        .run_on(qwen2_5_32b_awq_marlin().tensor_parallel(1).arg("--max-model-len", 4096))?
        .hold()
}

#[test]
fn qwen2_5_32b_awq_marlin_has_no_room_to_capture_graphs_at_8192() -> perf::Result {
    Suite::new("qwen2.5-32b-awq-marlin-at-8192")
        .fails_to_start(ServerFailure::GraphCapture)
        .run_on(qwen2_5_32b_awq_marlin().tensor_parallel(2).arg("--max-model-len", 8192))?
        .hold()
}
