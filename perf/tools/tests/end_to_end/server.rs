//! The simulated vLLM on a port of this machine: [`Server`].

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::text;

/// A simulated server that is up; gone when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// With more flags, and more of the environment.
    pub(crate) fn start_with(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(program())
            .args(["serve", "tiny", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(flags)
            .envs([("PERF_SIM_STARTUP_MS", "0"), ("PERF_SIM_PROFILE", "tiny-cpu")])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(
            log.any(|line| line.contains("Application startup complete")),
            "it ended before it was ready"
        );
        // A process that writes to a closed pipe dies: read to the end.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The simulated server's program, which belongs to another package.
fn program() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--package",
            "vllm-perf-sim",
            "--bin",
            "perf-sim",
            "--message-format=json",
        ])
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
