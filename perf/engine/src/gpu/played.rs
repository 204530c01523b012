//! Runs a test on GPUs that the stand-in for NVML plays: [`played`].

#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

use std::path::PathBuf;
use std::process::Command;

use perf_fake_nvml::{Script, VARIABLE, install};

/// Runs `test` in a copy of this test program that finds the stand-in where the real library would be:
/// the system looks for libraries in the folders that are named when a program starts.
pub(super) fn played(name: &str, script: &Script, test: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        return test();
    }
    let folder = tempfile::tempdir().unwrap();
    install(folder.path()).unwrap();
    let path = folder.path().join("script.json");
    let mut script = script.clone();
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "0").unwrap();
    script.clock = Some(clock);
    std::fs::write(&path, serde_json::to_string(&script).unwrap()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, path)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Moves the time of the script that is played, in seconds.
pub(super) fn set_time(seconds: f64) {
    let script = PathBuf::from(std::env::var_os(VARIABLE).unwrap());
    std::fs::write(script.with_file_name("clock"), seconds.to_string()).unwrap();
}
