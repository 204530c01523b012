//! `cargo xtask perf history` in a repository whose git knows its baselines.

use std::path::{Path, PathBuf};
use std::process::Command;

use perf_model::judge::baseline::Baseline;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{err, out, perf, root, run};

const PLACE: &str = "baselines/simulated/cpu_smoke/closed_loop.snap";

/// A repository in which one baseline was accepted again and again.
struct Repository {
    folder: TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: TempDir::new().unwrap() };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=n@example.com"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
    }

    /// Puts this repository's baseline there, with every value times a factor.
    fn put(&self, factor: f64) {
        let mut baseline = baseline(&root().join(PLACE));
        for value in baseline.metrics.values_mut().flatten().flatten().flatten() {
            *value *= factor;
        }
        let file = self.path(PLACE);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        perf_store::baselines::write_files(&file, &baseline).unwrap();
    }

    fn accept(&self, factor: f64, day: u32) {
        self.put(factor);
        self.git(&["add", "baselines"]);
        let date = format!("2026-10-{day:02}T12:00:00Z");
        let message = format!("accept {factor}");
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=n",
                "-c",
                "user.email=n@example.com",
                "commit",
                "--quiet",
                "-m",
            ])
            .arg(message)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_COMMITTER_DATE", &date)
            .env("GIT_AUTHOR_DATE", &date)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", err(&output));
    }

    fn history(&self, arguments: &[&str], code: i32) -> (String, String) {
        let mut command = perf(&["history"]);
        command.args(arguments).current_dir(self.folder.path());
        command.env("PERF_RUNS_DIR", self.path("runs"));
        command.env("CARGO_MANIFEST_DIR", self.path("xtask"));
        let output = run(&mut command, code);
        (out(&output), err(&output))
    }
}

fn baseline(file: &Path) -> Baseline {
    perf_store::baselines::find(file).baseline().unwrap().clone()
}

#[test]
fn accepted_steps_and_change_points_are_shown_in_every_format() {
    let repository = Repository::new();
    for (day, factor) in (1..).zip([1.0, 1.002, 0.999, 1.001, 0.95, 0.951, 0.949, 0.9505]) {
        repository.accept(factor, day);
    }
    let (text, _) = repository.history(&["closed_loop"], 0);
    assert!(text.contains("cpu_smoke / closed_loop   output throughput [tok/s]"), "{text}");
    assert!(text.contains("2026-10-05") && text.contains("-5.1 %"), "{text}");
    assert_eq!(text.matches("change point at ").count(), 1, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let (text, _) = repository.history(&["--format", "json"], 0);
    let json: Value = serde_json::from_str(&text).unwrap();
    let guard = &json["guards"][0];
    assert_eq!(guard["points"].as_array().unwrap().len(), 8, "{text}");
    assert_eq!(guard["change_points"][0]["point"], 4);
    assert_eq!(guard["points"][0]["subject"], "accept 1");
    let (text, _) = repository.history(&["--format", "csv"], 0);
    assert_eq!(text.lines().count(), 9, "{text}");

    // What is not committed yet is a point of its own.
    repository.put(0.9);
    let page = repository.path("history.html");
    let (text, _) = repository.history(&["--html", page.to_str().unwrap()], 0);
    assert!(text.contains("wrote "), "{text}");
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<circle").count(), 9);
    assert!(page.contains("not committed"));
}

#[test]
fn without_git_or_baselines_the_reason_is_said() {
    let repository = Repository { folder: TempDir::new().unwrap() };
    let (_, said) = repository.history(&[], 2);
    assert!(said.contains("there are no baselines yet"), "{said}");
    repository.put(1.0);
    let (text, said) = repository.history(&[], 0);
    assert!(said.contains("only the baselines as they are now are shown"), "{said}");
    assert!(text.contains("not yet"), "{text}");
    let (_, said) = repository.history(&["nothing_like_it"], 2);
    assert!(said.contains("no baseline has `nothing_like_it`"), "{said}");
}

#[test]
fn the_runs_of_this_checkout_stand_behind_the_baselines() {
    let runs = TempDir::new().unwrap();
    let mut gate = perf(&["cpu_smoke", "--engine", "simulated"]);
    run(gate.env("PERF_RUNS_DIR", runs.path()), 0);
    let mut history = perf(&["history", "simulated/cpu_smoke/closed_loop"]);
    let text = out(&run(history.env("PERF_RUNS_DIR", runs.path()), 0));
    let line = text.lines().find(|line| line.contains("run 0001")).unwrap();
    assert!(line.ends_with(" held"), "{text}");
}
