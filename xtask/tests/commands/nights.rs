//! `cargo xtask perf` over many nights, in a repository of its own: sessions that are added to a
//! baseline until it has five, a slack that changed, and a gain that was not recorded for too long.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use perf_model::judge::baseline::Baseline;
use tempfile::TempDir;

use crate::common::{artifact, out, perf, root};

/// A repository whose scenarios are those of one test program of this one. A stand-in for cargo says
/// so, because nothing is built there.
pub(crate) struct Repository {
    folder: TempDir,
}

impl Repository {
    pub(crate) fn of(program: &str) -> Self {
        let mut artifact = artifact(program);
        let folder = TempDir::new().unwrap();
        let repository = Self { folder };
        let source = repository.path("tests").join(format!("{program}.rs"));
        artifact["target"]["src_path"] = source.to_str().unwrap().into();
        std::fs::write(repository.path("artifacts.json"), artifact.to_string()).unwrap();
        let cargo = repository.path("cargo");
        let script = format!("#!/bin/sh\ncat {}\n", repository.path("artifacts.json").display());
        std::fs::write(&cargo, script).unwrap();
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `cargo xtask perf …` in it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = perf(arguments);
        command
            .current_dir(self.folder.path())
            .env_remove("PERF_RUNS_DIR")
            .env("CARGO_MANIFEST_DIR", self.path("xtask"))
            .env("CARGO", self.path("cargo"))
            .env("PERF_LOCK_DIR", self.path("locks"))
            // What the scenarios of the façade's own tests ask for, and their server.
            .env("PERF_TEST_BEHAVIOUR", "")
            .env("PERF_SIM_PROFILE", "tiny-cpu")
            .env("PERF_SIM_STARTUP_MS", "0");
        command
    }

    /// Runs `cargo xtask perf …` in it; gives what it said.
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = format!("{}{}", out(&output), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }
}

fn baseline(file: &Path) -> Baseline {
    perf_store::baselines::find(file).baseline().unwrap().clone()
}

#[test]
fn the_command_of_every_night_adds_a_session_until_there_are_five_and_measures_no_sixth() {
    let repository = Repository::of("cpu_smoke");
    let file = repository.path("baselines/simulated/cpu_smoke/chat.snap");
    let night = |noise: &str| {
        let command = "refresh cpu_smoke --engine simulated --starts 3 --runs 1 --add-session";
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--noise", noise]);
        repository.run(&arguments, 0)
    };
    for (so_far, noise) in (1..).zip(["1", "2", "3", "4", "5"]) {
        let said = night(noise);
        assert_eq!(baseline(&file).rests_on(), (3 * so_far, so_far), "{said}");
        assert_eq!(said.contains("day-to-day drift not measured"), so_far < 3, "{said}");
    }
    let whole = std::fs::read(&file).unwrap();
    let said = night("6");
    assert!(said.contains("cpu_smoke: complete, 5 sessions"), "{said}");
    assert!(!said.contains("start 1 of"), "it measured a sixth session: {said}");
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}

#[test]
fn a_rewrite_shows_the_slacks_that_are_declared_and_changes_no_figure() {
    let repository = Repository::of("cpu_smoke");
    let file = repository.path("baselines/simulated/cpu_smoke/chat.snap");
    let refresh = "refresh cpu_smoke --engine simulated --starts 3 --runs 1";
    repository.run(&refresh.split(' ').collect::<Vec<_>>(), 0);
    let whole = baseline(&file);
    let mut other = whole.clone();
    other.slacks.clear();
    perf_store::baselines::write_files(&file, &other).unwrap();
    let said = repository.run(&["cpu_smoke", "--engine", "simulated", "--budget", "3"], 0);
    let warned =
        said.lines().filter(|line| line.contains("run `cargo xtask perf rewrite`")).count();
    assert_eq!(warned, 1, "{said}");

    let pending = file.with_extension("snap.new");
    std::fs::write(&pending, "pending").unwrap();
    let refused = repository.run(&["rewrite"], 2);
    assert!(refused.contains("has a pending snapshot; accept or reject it"), "{refused}");
    assert_eq!(baseline(&file), other);
    std::fs::remove_file(pending).unwrap();

    let said = repository.run(&["rewrite", "cpu_smoke"], 0);
    assert!(said.contains("wrote baselines/simulated/cpu_smoke/chat.snap\n1 of 3 "), "{said}");
    assert_eq!(baseline(&file), whole);
    let said = repository.run(&["rewrite"], 0);
    assert!(said.contains("0 of 3 baselines were rewritten"), "{said}");
}

#[test]
fn a_gain_over_a_baseline_of_long_ago_is_stale_by_the_day_in_its_file() {
    let repository = Repository::of("facade");
    let stand_in = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("perf-sim");
    if !stand_in.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--bin", "perf-sim"]).current_dir(root());
        assert!(build.status().unwrap().success());
    }
    std::fs::create_dir(repository.path("model")).unwrap();
    let model = format!("tiny={}", repository.path("model").display());
    let on = ["baseline_files::inner", "--engine", "process", "--model", model.as_str(), "--vllm"];
    let on = [&on[..], &[stand_in.to_str().unwrap()]].concat();
    repository.run(&[&["refresh"], &on[..], &["--starts", "3", "--runs", "1"]].concat(), 0);

    // Three sessions of a server that was a thousand times slower: no load of this machine hides the
    // gain, and no duet is needed to believe it.
    let file = repository.path("baselines/cpu/inner/only-1.5.snap");
    let mut slow = baseline(&file);
    for (metric, sessions) in &mut slow.metrics {
        let is_rate = metric.to_string().ends_with("_per_s");
        let value = sessions[0][0][0] * if is_rate { 1e-3 } else { 1e3 };
        let session: Vec<Vec<f64>> = [0.999, 1.0, 1.001].map(|by| vec![value * by]).into();
        *sessions = vec![session; 3];
    }
    let put = |day: &str| {
        let dated = Baseline { measured_on: Some(day.parse().unwrap()), ..slow.clone() };
        perf_store::baselines::write_files(&file, &dated).unwrap();
    };
    put("2025-01-01");
    // Long lines are broken.
    let said = repository.run(&on, 9).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("better than a baseline of 2025-01-01, "), "{said}");
    assert!(said.contains("refresh it, or losing the gain goes unnoticed"), "{said}");
    // The same gain over a baseline of a day that has not been yet is no reason to fail.
    put("2999-01-01");
    let said = repository.run(&on, 0);
    assert!(said.contains("improved") && !said.contains("losing the gain"), "{said}");
}
