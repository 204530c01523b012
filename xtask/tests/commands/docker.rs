//! `cargo xtask perf` with a real vLLM in Docker, interrupted.
//!
//! Needs Docker and the image named in `PERF_TEST_IMAGE`, so it is ignored by default.

use std::process::Command;

use crate::common::{UnderWay, out, perf};

fn image() -> String {
    std::env::var("PERF_TEST_IMAGE").unwrap_or_else(|_| "vllm-cpu:0.32.0".to_owned())
}

/// Interrupts a run once it has said something, and looks for what it left.
fn interrupt_after(text: &str) {
    let image = image();
    let mut run =
        UnderWay::start(&mut perf(&["cpu_smoke", "--engine", "docker", "--image", &image]));
    run.wait_for(text);
    let (code, rest) = run.interrupt();
    assert_eq!(code, Some(130), "{rest}");
    let listed = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", "label=vllm-perf"])
        .output()
        .unwrap();
    assert_eq!(out(&listed), "", "a container was left behind");
    // The lease is free as well, or the next test could not start.
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn ctrl_c_while_the_container_starts_removes_it() {
    interrupt_after("waiting for the server");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn ctrl_c_under_load_removes_the_container() {
    interrupt_after("start 1, closed_loop");
}
