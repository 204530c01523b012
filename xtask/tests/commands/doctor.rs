//! `cargo xtask perf doctor` on machines that are played by stand-ins for `docker` and `nvidia-smi`.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::common::{out, perf};

/// A machine with an empty repository, and nothing on the PATH.
struct Machine {
    folder: TempDir,
    /// Where its Docker listens.
    daemon: Option<UnixListener>,
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder, daemon: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a command on the PATH.
    fn has(&self, name: &str, script: &str) {
        let program = self.path("bin").join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Lets Docker answer, with these runtimes and one container of a dead run.
    fn has_docker(&mut self, runtimes: &str) {
        self.daemon = Some(UnixListener::bind(self.path("docker.sock")).unwrap());
        self.has(
            "docker",
            &format!(
                "case $1 in info) echo '28.2.2|/nowhere|{runtimes}';; image) echo sha256:1;; \
                 ps) echo 'vllm-perf-9|/nowhere/run-9.lock|';; esac"
            ),
        );
    }

    /// What it says for an engine, with its exit code.
    fn doctor(&self, engine: &str) -> (String, Option<i32>) {
        let output = perf(&["doctor", "--engine", engine])
            .current_dir(self.folder.path())
            .env("CARGO_MANIFEST_DIR", self.path("xtask"))
            .env("PATH", self.path("bin"))
            .env("PERF_LOCK_DIR", self.path("locks"))
            .env("DOCKER_HOST", format!("unix://{}", self.path("docker.sock").display()))
            .output()
            .unwrap();
        let said = out(&output);
        let is_path = |line: &str| line.split_whitespace().any(|word| word.len() > 40);
        let is_narrow = |line: &str| line.chars().count() <= 80 || is_path(line);
        assert!(said.lines().all(is_narrow), "{said}");
        // Long lines are broken.
        (said.split_whitespace().collect::<Vec<_>>().join(" "), output.status.code())
    }
}

/// A command of a machine with one GPU, and these processes on it.
fn nvidia_smi(processes: &str) -> String {
    let gpu = "0, GPU-a, NVIDIA H200, 580.1, Enabled, 700.00, 700.00, 4";
    format!(
        "case $1 in --query-gpu=index*) echo '{gpu}';; \
         --query-gpu=*) echo 'GPU-a, 1980, 1980, 0';; *) echo '{processes}';; esac"
    )
}

#[test]
fn a_machine_without_gpus_and_docker_can_simulate_and_cannot_start_containers() {
    let machine = Machine::new();
    let (said, code) = machine.doctor("simulated");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing stops a run on the engine simulated"), "{said}");

    let (said, code) = machine.doctor("docker");
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("PROBLEM Docker does not answer"), "{said}");
    assert!(said.contains("check the address in DOCKER_HOST"), "{said}");
}

#[test]
fn a_sound_machine_has_no_problem_and_its_leftovers_are_named() {
    let mut machine = Machine::new();
    machine.has_docker("runc nvidia");
    machine.has("nvidia-smi", &nvidia_smi(""));
    let (said, code) = machine.doctor("docker");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("driver 580.1: 1 of 1 GPUs free"), "{said}");
    assert!(said.contains("Docker has the NVIDIA runtime"), "{said}");
    assert!(said.contains("the container vllm-perf-9 is left of a run that is dead"), "{said}");
    assert!(said.contains("`docker rm -f -v vllm-perf-9`"), "{said}");
}

#[test]
fn a_process_of_another_on_the_only_gpu_is_named_with_what_to_do() {
    let mut machine = Machine::new();
    machine.has_docker("runc");
    machine.has("nvidia-smi", &nvidia_smi("GPU-a, 4242, /usr/bin/python3, 70000"));
    let (said, code) = machine.doctor("docker");
    assert_eq!(code, Some(7), "{said}");
    let user = "GPU 0 (NVIDIA H200) is in use by process 4242 (python3, 70000 MiB)";
    assert!(said.contains(user), "{said}");
    assert!(said.contains("`kill 4242`") && said.contains("`--wait=30m`"), "{said}");
    assert!(said.contains("Docker has no runtime called nvidia"), "{said}");
    assert!(said.contains("2 problems stop a run on the engine docker"), "{said}");
}

#[test]
fn a_perf_toml_that_is_wrong_is_named_with_the_place_and_the_remedy() {
    let machine = Machine::new();
    std::fs::write(machine.path("perf.toml"), "start_timeout_s = \"long\"\n").unwrap();
    let (said, code) = machine.doctor("simulated");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("perf.toml") && said.contains("PROBLEM"), "{said}");
    assert!(said.contains("`cargo xtask perf schema` prints what it may say"), "{said}");
}
