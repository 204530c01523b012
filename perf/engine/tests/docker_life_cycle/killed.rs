//! Runs that are killed while their container is there: a copy of this test program starts it.

use std::process::{Child, Command, Stdio};

use perf_clock::Clock;
use perf_model::spec::server::Server;

use super::support::{Place, block_on, wait_until};
use super::{alone, assert_nothing_left, config, containers, engine, path, server, start};

/// Set for the copy of this test program that is to be killed while its container runs.
const VICTIM: &str = "PERF_TEST_VICTIM";

/// The processes that watch over a container of this place.
fn watchers(place: &Place) -> Vec<u32> {
    let words = format!("vllm-perf-watcher\0vllm-perf.lock={}", path(place));
    let all = std::fs::read_dir("/proc").unwrap();
    let numbers = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    numbers
        .filter(|process: &u32| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&words)
        })
        .collect()
}

/// A copy of this program that runs one test again, in which it starts a container in the place,
/// and waits until it is killed.
fn victim_with_a_container(test: &str, place: &Place) -> Child {
    let victim = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored"])
        .env(VICTIM, place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| !containers(place).is_empty());
    victim
}

/// Whether this is the copy that is to be killed. It is over when its start is.
fn was_the_victim() -> bool {
    let Some(folder) = std::env::var_os(VICTIM) else { return false };
    let place = Place::at(folder.into());
    let _ = block_on(start(&engine(&place, &config()), &server()));
    true
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn the_container_of_a_killed_run_is_removed_without_a_next_run() {
    if was_the_victim() {
        return;
    }
    let (_alone, place) = (alone(), Place::new());
    let test = "killed::the_container_of_a_killed_run_is_removed_without_a_next_run";
    let mut victim = victim_with_a_container(test, &place);
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(|| containers(&place).is_empty());
    // The watcher looks for a while longer, as the daemon may still be creating a container.
    wait_until(|| watchers(&place).is_empty());
    assert_nothing_left(&place);
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn what_a_run_that_was_killed_with_its_watcher_left_is_removed_by_the_next() {
    if was_the_victim() {
        return;
    }
    let (_alone, place) = (alone(), Place::new());
    let test = "killed::what_a_run_that_was_killed_with_its_watcher_left_is_removed_by_the_next";
    let mut victim = victim_with_a_container(test, &place);
    let watchers = watchers(&place);
    assert_eq!(watchers.len(), 1, "each container has one watcher");
    let killed = Command::new("kill").args(["-KILL", &watchers[0].to_string()]).status().unwrap();
    assert!(killed.success());
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(containers(&place).len(), 1, "nothing is there that could remove it");

    let server = Server { image: Some("127.0.0.1:1/no/such-image:v1".into()), ..server() };
    let mut steps = Vec::new();
    let started = block_on(async {
        let engine = engine(&place, &config());
        engine.start(&server, 1, None, Clock::real(), &mut |step| steps.push(step.to_owned())).await
    });
    assert!(started.is_err());
    assert!(
        steps.iter().any(|step| step.contains("a run that was killed had left the container")),
        "{steps:?}"
    );
    assert_nothing_left(&place);
}
