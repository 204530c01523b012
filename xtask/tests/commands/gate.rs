//! The commands around the gate as their user meets them: `compare`, `power`, `judge`, and anchors
//! that are moved.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::{out, perf, root};
use perf_model::judge::anchor::AnchorLookup;
use tempfile::TempDir;

fn run(command: &mut Command, code: i32) -> String {
    let output: Output = command.output().unwrap();
    let text = format!("{}{}", out(&output), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// A repository of its own, with this one's simulated baselines of the smoke test.
fn repository() -> TempDir {
    let repository = TempDir::new().unwrap();
    let from = root().join("baselines/simulated/cpu_smoke");
    let to = repository.path().join("baselines/simulated/cpu_smoke");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    repository
}

fn perf_in(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = perf(arguments);
    command.current_dir(repository).env("CARGO_MANIFEST_DIR", repository.join("xtask"));
    command
}

#[test]
fn two_variants_are_compared_and_one_with_itself_is_even() {
    let compare = ["compare", "gpu_smoke", "--engine", "simulated", "--base", "none"];
    let even = run(&mut perf(&compare), 0);
    assert!(even.contains("gpu_smoke / closed_loop   held"), "{even}");
    let slower = run(perf(&compare).args(["--candidate", "decode=1.08"]), 1);
    assert!(slower.contains("gpu_smoke / closed_loop   REGRESSED"), "{slower}");
}

#[test]
fn power_says_what_each_baseline_can_detect() {
    let said = run(&mut perf(&["power", "cpu_smoke/closed_loop"]), 0);
    assert!(
        said.contains("simulated/cpu_smoke/closed_loop.snap   5 starts in 1 session"),
        "{said}"
    );
    assert!(said.contains("output throughput") && said.contains("fail at"), "{said}");
    let nothing = run(&mut perf(&["power", "no_such_load"]), 2);
    assert!(nothing.contains("no baseline has `no_such_load` in its name"), "{nothing}");
}

const BASE: &str = r#"{"metric": "itl_p50_ms", "unit": "ms", "direction": "lower_is_better", "tolerance": 0.025,
    "values": [[[21.3], [21.1], [21.2]], [[21.4], [21.2], [21.25]]]}"#;

#[test]
fn raw_values_are_judged_in_a_table_and_as_json() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (base, same, slower) =
        (file("base", BASE), file("same", BASE), file("slower", &BASE.replace("21.", "23.")));
    let judge = |candidate: &str, code: i32| {
        run(&mut perf(&["judge", "--baseline", &base, "--candidate", candidate]), code)
    };
    assert!(judge(&same, 0).contains("held"));
    assert!(judge(&slower, 1).contains("REGRESSED"));

    let json = out(&perf(&["judge", "--json", "--baseline", &base, "--candidate", &slower])
        .output()
        .unwrap());
    let judged: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(judged[0]["judged"]["verdict"], "regressed");
    assert!(judged[0]["judged"]["change"].as_f64().unwrap() > 0.09, "{json}");

    for (name, text, wanted) in [
        ("zero", BASE.replace("21.3", "0"), "only positive, finite values can be judged"),
        ("other", BASE.replace("itl_p50", "itl_p99"), "give documents of the same metrics"),
        ("direction", BASE.replace("lower", "no"), "values[session][start][run]"),
        ("none", "[]".to_owned(), "holds no metric"),
        ("twice", format!("[{BASE}, {BASE}]"), "holds itl_p50_ms twice"),
        ("cut", BASE[..40].to_owned(), "values[session][start][run]"),
    ] {
        let said = judge(&file(name, &text), 2);
        assert!(said.contains(wanted), "{name}: {said}");
    }
    assert!(judge("/no/such/file", 2).contains("cannot read /no/such/file"));
    // A guarded metric that the candidate lacks never passes.
    let both = file("both", &format!("[{BASE}, {}]", BASE.replace("itl_p50", "e2e_p50")));
    let gone = run(&mut perf(&["judge", "--baseline", &both, "--candidate", &same]), 2);
    assert!(gone.contains("the candidate lacks e2e_p50_ms, which"), "{gone}");
}

#[test]
fn an_anchor_moves_only_with_a_reason_and_says_it() {
    let repository = repository();
    let anchor = repository.path().join("baselines/simulated/cpu_smoke/chat.anchor.yaml");
    run(&mut perf_in(repository.path(), &["accept", "--reset-anchor", "chat"]), 2);
    let empty = run(
        &mut perf_in(repository.path(), &["accept", "--reset-anchor", "--reason", " ", "chat"]),
        2,
    );
    assert!(empty.contains("--reason is empty") && !anchor.exists(), "{empty}");

    let reason = "traded for \"structured output\"";
    run(
        &mut perf_in(repository.path(), &["accept", "--reset-anchor", "--reason", reason, "chat"]),
        0,
    );
    match perf_store::anchors::find(&anchor.with_file_name("chat.snap")) {
        AnchorLookup::At(anchor) => assert_eq!(anchor.reason, reason),
        other => panic!("{other:?}"),
    }
    assert!(
        !anchor.with_file_name("saturated.anchor.yaml").exists(),
        "an anchor was moved that was not named"
    );
}

#[test]
fn an_anchor_beside_a_baseline_that_cannot_be_read_is_not_moved_nor_any_other() {
    let repository = repository();
    let folder = repository.path().join("baselines/simulated/cpu_smoke");
    std::fs::write(folder.join("saturated.snap"), "hello\n").unwrap();
    let said = run(
        &mut perf_in(repository.path(), &["accept", "--reset-anchor", "--reason", "because"]),
        2,
    );
    assert!(said.contains("saturated.snap; no anchor was moved"), "{said}");
    assert!(!folder.join("chat.anchor.yaml").exists());
}
