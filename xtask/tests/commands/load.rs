//! `cargo xtask perf load` as its user meets it: a load on a simulated server, and Ctrl-C in the
//! middle of one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{UnderWay, out, perf, root, runs};
use perf_model::record::file::Record;
use perf_sim::ServerProcess;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A simulated server that is up.
fn server() -> ServerProcess {
    let build = Command::new(env!("CARGO"))
        .args(["build", "--bin", "perf-sim"])
        .current_dir(root())
        .status();
    assert!(build.unwrap().success());
    let program = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("perf-sim");
    let mut command = Command::new(program);
    command.envs([("PERF_SIM_STARTUP_MS", "0"), ("PERF_SIM_PROFILE", "tiny-cpu")]);
    ServerProcess::start(command, "tiny", &[]).unwrap()
}

/// The record that a run names on standard error.
fn record_in(said: &str) -> (PathBuf, Record) {
    let path = said
        .lines()
        .find_map(|line| line.strip_prefix("record in "))
        .unwrap_or_else(|| panic!("{said}"));
    (path.into(), Record::parse(&std::fs::read_to_string(path).unwrap()).unwrap())
}

/// Waits until a run has recorded a request of a load of this name.
fn wait_for_a_sample(load: &str) {
    let runs = runs();
    let begun = Instant::now();
    let is_there = || {
        std::fs::read_dir(&runs).into_iter().flatten().filter_map(Result::ok).any(|run| {
            let record = run.path().join(format!("load/start-1/{load}.jsonl"));
            std::fs::read_to_string(record).is_ok_and(|text| text.contains("{\"sample\""))
        })
    };
    while !is_there() {
        assert!(begun.elapsed() < PATIENCE, "no request was recorded");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_load_is_put_on_a_server_recorded_and_shown() {
    let server = server();
    let options = "--prompts random:8..24 --output at-most:2..6 --arrivals concurrent:3 --requests 9 --name mixed \
                   --lateness-limit 60000";
    let output =
        perf(&["load", "--url", &server.url]).args(options.split_whitespace()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(out(&output).contains("output throughput [tok/s]"), "{}", out(&output));
    let (path, record) = record_in(&said);
    assert!(record.is_complete() && record.samples.len() == 9, "{record:?}");
    let run = path.ancestors().nth(3).unwrap();
    let shown = perf(&["show", run.to_str().unwrap()]).output().unwrap();
    assert!(out(&shown).contains("load / mixed"), "{}", out(&shown));
    // Every figure is recomputed from the record, and is the one that was printed.
    for line in out(&output).lines().filter(|line| line.contains("throughput")) {
        assert!(out(&shown).contains(line), "{line}: {}", out(&shown));
    }
    std::fs::remove_dir_all(run).unwrap();
}

#[test]
fn an_interrupted_load_ends_with_130_and_keeps_what_it_measured() {
    let server = server();
    let name = format!("interrupted-{}", std::process::id());
    let mut run = UnderWay::start(
        perf(&["load", "--url", &server.url, "--name", &name, "--lateness-limit", "60000"])
            // More than any test waits for.
            .args("--output exactly:4 --arrivals concurrent:2 --requests 100000".split(' ')),
    );
    run.wait_for("2 concurrent, 100000 requests");
    wait_for_a_sample(&name);
    let (code, rest) = run.interrupt();
    assert_eq!(code, Some(130), "{rest}");
    let (path, record) = record_in(&rest);
    let kept = record.samples.len();
    let expected =
        format!("{name}: interrupted by Ctrl-C (SIGINT) after {kept} of 100000 requests");
    assert!(rest.contains(&expected), "{rest}");
    assert!(kept > 0 && !record.is_complete());
    assert_eq!(record.end.unwrap().reason.as_deref(), Some("interrupted by Ctrl-C (SIGINT)"));
    let run = path.ancestors().nth(3).unwrap();
    let shown = perf(&["show", run.to_str().unwrap()]).output().unwrap();
    assert!(
        out(&shown).contains("start 1 is incomplete: interrupted by Ctrl-C"),
        "{}",
        out(&shown)
    );
    std::fs::remove_dir_all(run).unwrap();
}
