//! Asks a command of this machine: [`ask`].

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use perf_machine::command::is_on_path;
use rustix::process::{Pid, Signal, kill_process};

/// A driver or a daemon that hangs gives no answer at all; one that works gives it within a second or
/// two, also when it loads the driver first.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command said.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is not on the PATH.
    NoCommand,
    /// It failed, with the first line that it said.
    Failed(String),
    /// Its standard output.
    Said(String),
}

/// Runs a command and waits for its end.
pub(super) fn ask(program: &str, arguments: &[&str]) -> Answer {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => return Answer::NoCommand,
        Err(error) => return Answer::Failed(format!("it cannot be run: {error}")),
        Ok(child) => child,
    };
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Answer::Failed(error.to_string()),
        Err(_) => {
            // The thread has not waited for it yet, so the number is still its own.
            let _ = process.map(|process| kill_process(process, Signal::KILL));
            return Answer::Failed(format!("no answer within {} s", PATIENCE.as_secs()));
        }
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Answer::Said(said);
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = errors.lines().chain(said.lines()).find(|line| !line.trim().is_empty());
    Answer::Failed(first.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned()))
}

/// Whether a command can be run: a name that is on the PATH, or a path to a file.
pub(super) fn is_command(program: &Path) -> bool {
    match program.to_str() {
        Some(name) if program.components().count() == 1 => is_on_path(name),
        _ => program.exists(),
    }
}
