//! `cargo xtask perf import` as its user meets it: what `vllm bench serve` saved is shown like a run.

use std::process::{Command, Output};

use crate::common::{out, perf, root};
use tempfile::TempDir;

/// `cargo xtask perf …` in a repository of its own.
fn run(repository: &TempDir, arguments: &[&str], code: i32) -> (String, String) {
    let mut command: Command = perf(arguments);
    command
        .current_dir(repository.path())
        .env_remove("PERF_RUNS_DIR")
        .env("CARGO_MANIFEST_DIR", repository.path().join("xtask"));
    let output: Output = command.output().unwrap();
    let (said, errors) = (out(&output), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(code), "{said}{errors}");
    (said, errors)
}

const SAVED: &str = "perf/model/tests/fixtures/vllm-bench-serve-0.32.0.json";

#[test]
fn a_file_of_vllm_bench_becomes_a_run_that_is_shown() {
    let repository = TempDir::new().unwrap();
    let file = root().join(SAVED);
    let (imported, _) = run(&repository, &["import", file.to_str().unwrap()], 0);
    assert!(imported.contains("imported / vllm-bench-serve-0.32.0"), "{imported}");
    let (shown, _) = run(&repository, &["show", "last"], 0);
    assert!(shown.contains("8 concurrent, 64 requests") && shown.contains("4096"), "{shown}");
    let (_, refused) = run(&repository, &["import", "no-such.json"], 2);
    assert!(refused.contains("cannot read no-such.json"), "{refused}");
}

#[test]
fn entries_that_cannot_be_used_are_counted_and_named_when_they_are_imported_and_shown() {
    let repository = TempDir::new().unwrap();
    let text = std::fs::read_to_string(root().join(SAVED)).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    for request in [5, 9] {
        file["start_times"][request] = serde_json::Value::Null;
    }
    let path = repository.path().join("night.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let skipped = "2 of 64 requests in night.json were skipped; the first is request 5: its `start_times` has no number";
    // Long lines are broken.
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (imported, _) = run(&repository, &["import", path.to_str().unwrap()], 0);
    assert!(joined(&imported).contains(skipped), "{imported}");
    let (shown, _) = run(&repository, &["show", "last"], 0);
    assert!(joined(&shown).contains(skipped), "{shown}");
}
