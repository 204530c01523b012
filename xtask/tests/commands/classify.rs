//! What people say of red runs, and where it is shown.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::{err, out, perf, root, run};

/// A repository with one baseline, in which runs are classified.
fn repository() -> TempDir {
    let folder = TempDir::new().unwrap();
    let place = "baselines/simulated/cpu_smoke";
    std::fs::create_dir_all(folder.path().join(place)).unwrap();
    for file in ["chat.snap", "chat.starts.json"] {
        std::fs::copy(root().join(place).join(file), folder.path().join(place).join(file)).unwrap();
    }
    folder
}

/// A run with an injected fault, and its folder.
fn measured(runs: &Path, fault: &str, code: i32) -> PathBuf {
    let mut command = perf(&["cpu_smoke", "--engine", "simulated"]);
    if !fault.is_empty() {
        command.args(["--inject", fault]);
    }
    let output = run(command.env("PERF_RUNS_DIR", runs), code);
    let text = out(&output);
    PathBuf::from(text.lines().find_map(|line| line.strip_prefix("records in ")).unwrap())
}

#[test]
fn a_red_run_is_classified_once_with_a_reason_and_counted() {
    let (repository, runs) = (repository(), TempDir::new().unwrap());
    let slower = measured(runs.path(), "decode=2", 1);
    let much_slower = measured(runs.path(), "decode=3", 1);
    let held = measured(runs.path(), "", 0);
    let classify = |arguments: &[&str], code: i32| {
        let mut command = perf(&["classify"]);
        command.args(arguments).current_dir(repository.path());
        command.env("CARGO_MANIFEST_DIR", repository.path().join("xtask"));
        let output = run(command.env("PERF_RUNS_DIR", runs.path()), code);
        format!("{}{}", out(&output), err(&output))
    };
    let [slower, much_slower, held] =
        [&slower, &much_slower, &held].map(|folder| folder.to_str().unwrap());
    let said = classify(&[slower, "noise", "--reason", "a neighbour"], 0);
    assert!(said.contains("of 1 red run 1 was noise"), "{said}");
    // A copy is the same run.
    let copy = runs.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-r").args([slower]).arg(&copy).status();
    assert!(copied.unwrap().success());
    for again in [slower, copy.to_str().unwrap()] {
        let said = classify(&[again, "real", "--reason", "no"], 2);
        assert!(
            said.contains("was classified on 2") && said.contains("(\"a neighbour\")"),
            "{said}"
        );
    }
    let said = classify(&["2", "real", "--reason", "it is"], 0);
    assert!(said.contains("of 2 red runs 1 were noise, 1 real, 0 accepted"), "{said}");
    assert!(said.contains(much_slower), "{said}");
    let said = classify(&[held, "noise", "--reason", "no"], 2);
    assert!(said.contains("is held; only a run that is regressed, creep or stale"), "{said}");
    assert!(classify(&["77", "noise", "--reason", "no"], 2).contains("there is no run `77`"));
    assert!(classify(&[slower, "noise"], 2).contains("--reason"));
    assert!(classify(&[slower, "noise", "--reason", " "], 2).contains("--reason is empty"));
    assert!(classify(&[slower, "wrong", "--reason", "x"], 2).contains("possible values: real"));

    let file = repository.path().join("baselines/red-runs.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("cpu_smoke / chat, E2E P50") && !text.contains("/tmp"), "{text}");
}
