//! What the tests of `cargo xtask perf` share: running it, reading what it says, interrupting it.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `cargo xtask perf …` in this repository.
pub(crate) fn perf(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("perf").args(arguments).current_dir(root()).stdin(Stdio::null()).env_remove("CI");
    command.env("PERF_RUNS_DIR", runs());
    command
}

/// Where the runs of tests are: not among the user's.
pub(crate) fn runs() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("runs")
}

/// What cargo says of a test program of the scenarios, which it builds.
pub(crate) fn artifact(name: &str) -> Value {
    let built = Command::new(env!("CARGO"))
        .args(["test", "--package", "vllm-perf", "--test", "*", "--no-run", "--quiet"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", err(&built));
    out(&built)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|said| said["target"]["name"] == name && said["executable"].is_string())
        .unwrap_or_else(|| panic!("cargo builds no {name}"))
}

/// Where a test program of the scenarios is.
pub(crate) fn program(name: &str) -> PathBuf {
    PathBuf::from(artifact(name)["executable"].as_str().unwrap())
}

/// What a command wrote on standard output.
pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command wrote on standard error.
pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must end with this exit code.
pub(crate) fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}{}", out(&output), err(&output));
    output
}

/// A run that is under way.
pub(crate) struct UnderWay {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl UnderWay {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until it says something.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let said = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(text));
        said.unwrap_or_else(|| panic!("it ended without saying `{text}`"));
    }

    /// Presses Ctrl-C; gives the exit code and what it said from then on.
    pub(crate) fn interrupt(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), Signal::INT)
            .unwrap();
        let rest: Vec<String> = self.lines.map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest.join("\n"))
    }
}
