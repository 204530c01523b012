//! The simulated vLLM on a port of this machine: [`start`].

use std::path::{Path, PathBuf};
use std::process::Command;

use perf_sim::ServerProcess;
use serde_json::Value;

use crate::text;

/// A simulated server that is up.
pub(crate) fn start() -> ServerProcess {
    start_with(&[], &[])
}

/// With more flags, and more of the environment.
pub(crate) fn start_with(flags: &[&str], environment: &[(&str, &str)]) -> ServerProcess {
    let mut command = Command::new(program());
    command.envs([("PERF_SIM_STARTUP_MS", "0"), ("PERF_SIM_PROFILE", "tiny-cpu")]);
    command.envs(environment.iter().copied());
    ServerProcess::start(command, "tiny", flags).unwrap()
}

/// The simulated server's program, which belongs to another package.
fn program() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bin", "perf-sim", "--message-format=json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let built = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    built
        .filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from))
        .next_back()
        .unwrap()
}
