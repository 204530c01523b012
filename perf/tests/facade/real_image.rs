//! A real vLLM in Docker that hangs, or whose engine dies, under a load: each has its name. How long that
//! took is printed, and not asserted: `TIMED | what | seconds`.

use std::process::Command;
use std::time::{Duration, Instant};

use perf::prelude::*;

use crate::common::{ANY_LATENESS, Place, docker, on_a_small_machine};

/// How long requests may be silent.
const STALL_LIMIT: Duration = Duration::from_secs(5);

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(_) = crate::common::behaviour() else { return Ok(()) };
    let load = Load::new("long").requests(20_000).warmup(4).prompts(random_tokens(16));
    let load = load.output_tokens(exactly(64)).arrivals(concurrent(4));
    let load = load.lateness_limit(ANY_LATENESS).stall_limit(STALL_LIMIT);
    // With its engine in a process of its own, as vLLM has it by default.
    let server = Vllm::under_test().model("tiny").env("VLLM_ENABLE_V1_MULTIPROCESSING", 1);
    Suite::new("inner").load(load).run_on(on_a_small_machine(server))?.hold()
}

/// A process of this machine in a container whose command has these words in it.
fn process_in(container: &str, words: &str) -> String {
    let top = docker(&["top", container, "-eo", "pid,args"]);
    let line = top.lines().skip(1).find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no process of {container} is `{words}`:\n{top}"));
    line.split_whitespace().next().unwrap().to_owned()
}

fn signal(name: &str, container: &str, words: &str) {
    let process = process_in(container, words);
    assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
}

/// The remark of a run to whose container this is done while it is under a load.
fn remark(what: &str, deed: impl FnOnce(&str)) -> String {
    let place = Place::new(module_path!());
    let mut run = place.docker(what, None).refresh().start();
    let record = place.path("run/inner/start-1/long.jsonl");
    run.wait_until("it was in its load", || {
        std::fs::read_to_string(&record).is_ok_and(|text| text.matches("{\"sample\"").count() > 8)
    });
    let container = place.containers().remove(0);
    let done = Instant::now();
    deed(&container);
    let ended = run.end().assert_failure();
    eprintln!("TIMED | {what} | {:.1} s", done.elapsed().as_secs_f64());
    assert_eq!(place.containers(), [""; 0]);
    ended.remark()
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_container_that_is_paused_hangs() {
    let remark = remark("docker pause", |container| drop(docker(&["pause", container])));
    assert!(remark.contains("the server hangs"), "{remark}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_api_server_that_is_stopped_hangs() {
    let remark = remark("SIGSTOP of the API server", |container| {
        // Not the init before it, whose words are the same but for the path.
        signal("-STOP", container, "bin/vllm serve");
    });
    assert!(remark.contains("the server hangs"), "{remark}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_engine_that_is_stopped_behind_a_live_server_is_reported_as_silent() {
    let remark = remark("SIGSTOP of the engine", |container| {
        signal("-STOP", container, "EngineCore");
    });
    assert!(remark.contains("received nothing for 5 s"), "{remark}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_dead_engine_behind_a_live_server_is_reported_under_a_load() {
    let remark = remark("SIGKILL of the engine", |container| {
        signal("-KILL", container, "EngineCore");
    });
    assert!(remark.contains("the server died under load `long`"), "{remark}");
    assert!(remark.contains("engine died") || remark.contains("killed by signal 9"), "{remark}");
}
