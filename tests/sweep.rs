//! The sweep that `cargo xtask perf sweep --model … --axis …` asks for. Without a command line it is
//! a small one of the tiny model: how many requests at once, and in how large batches.

use perf::prelude::*;

#[test]
fn from_the_command_line() -> perf::Result {
    Sweep::new("sample")
        .server(
            Vllm::under_test().model("tiny").arg("--max-model-len", 2048).simulated_as("tiny-cpu"),
        )
        .load(Load::new("load").requests(100).lateness_limit(millis(1_500.0)))
        .argument("--max-num-seqs", [8, 64])
        .concurrency([1, 8, 32])
        .goal("throughput", output_throughput())
        .goal("first token", ttft().p50())
        .goal("smoothness", tpot().p50())
        .balance("balance")
        .from_command_line()?
        .done()
}
