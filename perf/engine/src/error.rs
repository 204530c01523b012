//! What can go wrong between a declared server and one that answers: [`EngineError`].

use std::path::{Path, PathBuf};

use perf_machine::lock::LockUnusable;
use perf_model::spec::engine_kind::EngineKind;

use crate::failure::ServerFailure;

/// How many lines of the log an error message shows.
const SHOWN: usize = 12;

/// Why there is no server to measure, or why one could not be removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// What was asked for contradicts itself or cannot be read.
    #[error("{message}")]
    Invalid {
        /// What, and what to write in its place.
        message: String,
    },
    /// The engine crate was built without what this needs.
    #[error(
        "this build has no support for {what}; add `--features {feature}` to the cargo command, or start the tests with `cargo xtask perf`, which adds it"
    )]
    FeatureMissing {
        /// The Cargo feature.
        feature: &'static str,
        /// What it brings.
        what: &'static str,
    },
    /// A secret is declared and not set.
    #[error(
        "the test declares the environment variable `{name}` as a secret, but it is not set; set it in your environment"
    )]
    SecretMissing {
        /// The variable.
        name: String,
    },
    /// Docker cannot be reached.
    #[error("Docker cannot be reached: {reason}; {hint}")]
    DockerUnavailable {
        /// What the connection attempt said.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The image is not on this machine and cannot be pulled.
    #[error(
        "the image `{image}` is not on this machine and cannot be pulled: {reason}; name one that exists, or fetch it \
         with `docker pull {image}`"
    )]
    ImageMissing {
        /// As it was named.
        image: String,
        /// What the registry or the daemon said.
        reason: String,
    },
    /// The image does not serve vLLM.
    #[error(
        "the image `{image}` has the entrypoint {entrypoint:?}, and a vLLM image's is [\"vllm\", \"serve\"] or \
         [\"python3\", \"-m\", \"vllm.entrypoints.openai.api_server\"]; name a vLLM image"
    )]
    UnknownEntrypoint {
        /// As it was named.
        image: String,
        /// Its entrypoint.
        entrypoint: Vec<String>,
    },
    /// Docker refused something else.
    #[error("Docker failed to {what}: {reason}{}", next_step(self.failure()))]
    Docker {
        /// What it was asked to do.
        what: String,
        /// What it said.
        reason: String,
    },
    /// This machine has too few GPUs.
    #[error(
        "the server needs {needed} GPUs, but this machine has {available}; run it on another machine, or ask for fewer"
    )]
    NotEnoughGpus {
        /// What the test declares.
        needed: u8,
        /// What there is.
        available: usize,
    },
    /// Docker cannot hand GPUs to containers here.
    #[error(
        "Docker cannot give GPUs to a container: {reason}; install the NVIDIA Container Toolkit and restart Docker"
    )]
    GpuRuntimeMissing {
        /// What it said.
        reason: String,
    },
    /// Another run measures on this hardware already.
    #[error("{what} is in use by {}; wait until it has ended, or end it", holder(*.pid))]
    Busy {
        /// The hardware.
        what: String,
        /// The process that holds the lease, where it could be read.
        pid: Option<u32>,
    },
    /// Another program computes on the GPUs.
    #[error("{}; end it, or wait until it has ended, and run again: a shared GPU gives no valid measurement", used.join(", "))]
    GpusInUse {
        /// Each GPU, and what uses it.
        used: Vec<String>,
    },
    /// The lock file of a lease cannot be used.
    #[error(transparent)]
    LockUnusable(#[from] LockUnusable),
    /// The model's files are in none of the places where they could be.
    #[error(
        "the model `{model}` is not on this machine; looked in {}{}; name its folder as `path` under [models.{}] in perf.toml or \
         with --model, or the folder of all models as models_folder",
        places(looked), suggestion(nearest.as_ref()), key(model)
    )]
    ModelNotFound {
        /// The model.
        model: String,
        /// Where it could have been.
        looked: Vec<PathBuf>,
        /// The known model whose name is the nearest, if one is near.
        nearest: Option<String>,
    },
    /// A model of the hub is not in its cache.
    #[error(
        "the model {id} is not in the hub's cache {}; fetch it with `{command}`, which reads HF_TOKEN and HTTPS_PROXY",
        cache.display()
    )]
    ModelNotFetched {
        /// Its id.
        id: String,
        /// The cache.
        cache: PathBuf,
        /// The command that fetches it.
        command: String,
    },
    /// The model's files cannot be served.
    #[error("the model cannot be served ({kind}): {reason}; {}", kind.advice())]
    ModelUnusable {
        /// Why.
        kind: ServerFailure,
        /// The file, and what is wrong with it.
        reason: String,
    },
    /// There is no such `vllm` command.
    #[error("cannot run `{}`: {reason}; install vLLM, or name its command as vllm under [process] in perf.toml", vllm.display())]
    VllmNotFound {
        /// The command.
        vllm: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// There is no such command of another server.
    #[error("cannot run `{}`, the first word of the server command: {reason}; install it, or correct --server-command or \
             process.server_command in perf.toml", command.display())]
    CommandNotFound {
        /// The command.
        command: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// Another process listens on the port of the server.
    #[error(
        "port {port} of 127.0.0.1 is in use by {holder}, and not by the server that was started; end that process, or run again to get another port"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// The process, as far as it can be read.
        holder: String,
    },
    /// The server ended while it started.
    #[error("the server did not start ({kind}, {}): {}{}{}", ended(*.exit_code), kind.advice(), cause_line(cause.as_ref()), tail(log_tail, log.as_deref()))]
    StartFailed {
        /// The engine.
        engine: EngineKind,
        /// Why.
        kind: ServerFailure,
        /// Its exit code; 128 and the signal's number when a signal ended it.
        exit_code: Option<i64>,
        /// Whether the kernel ended it for want of memory.
        oom_killed: bool,
        /// The line of the log that names the root cause, where one does.
        cause: Option<String>,
        /// The end of its log.
        log_tail: Vec<String>,
        /// Where all of its log is kept, if it is.
        log: Option<PathBuf>,
    },
    /// The server did not become ready in time.
    #[error(
        "the server was not ready after {seconds} s; look at its log, or raise start_timeout_s in perf.toml{}",
        tail(log_tail, log.as_deref())
    )]
    StartTimedOut {
        /// How long it was given.
        seconds: u64,
        /// The end of its log.
        log_tail: Vec<String>,
        /// Where all of its log is kept, if it is.
        log: Option<PathBuf>,
    },
    /// A server that should be up does not answer.
    #[error("the server at {url} cannot be reached: {reason}; start it, or correct the address")]
    Unreachable {
        /// Its address.
        url: String,
        /// What the attempt said.
        reason: String,
    },
    /// A server that should be up cannot be measured as it is reached.
    #[error("the server at {url} cannot be measured: {answer}")]
    NotMeasurable {
        /// Its address.
        url: String,
        /// What it answered, and what to do.
        answer: String,
    },
    /// A server that should be up says that it is not well.
    #[error("the server at {url} is up but not healthy: it answered {answer}; look at its log")]
    Unhealthy {
        /// Its address.
        url: String,
        /// What it answered.
        answer: String,
    },
    /// A server that is up serves something else.
    #[error(
        "the server at {url} does not serve `{model}`; it serves {}; ask for one of these",
        list(served)
    )]
    ModelNotServed {
        /// Its address.
        url: String,
        /// The model asked for.
        model: String,
        /// The models there are.
        served: Vec<String>,
    },
    /// What was started could not be removed.
    #[error("the server was stopped, but something of it is left: {reason}")]
    NotRemoved {
        /// What is left, and how to remove it by hand.
        reason: String,
    },
}

impl EngineError {
    pub(crate) fn feature_missing(feature: &'static str, what: &'static str) -> Self {
        Self::FeatureMissing { feature, what }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into() }
    }
}

/// What to do about a failure that has a name.
fn next_step(failure: Option<ServerFailure>) -> String {
    failure.map(|failure| format!("; {}", failure.advice())).unwrap_or_default()
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another run".to_owned(), |pid| format!("the run with process id {pid}"))
}

fn places(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return "no folder, because perf.toml names none".to_owned();
    }
    looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn suggestion(nearest: Option<&String>) -> String {
    nearest.map(|name| format!("; the nearest known name is `{name}`")).unwrap_or_default()
}

/// A key of a TOML file, in quotes where it needs them.
fn key(name: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.chars().all(is_bare) { name.to_owned() } else { format!("{name:?}") }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

fn ended(exit_code: Option<i64>) -> String {
    exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"))
}

fn cause_line(cause: Option<&String>) -> String {
    cause.map(|line| format!("\n  {line}")).unwrap_or_default()
}

fn tail(lines: &[String], log: Option<&Path>) -> String {
    let shown = &lines[lines.len().saturating_sub(SHOWN)..];
    if shown.is_empty() {
        return "; it logged nothing".to_owned();
    }
    let all =
        log.map(|path| format!("\nall of its log is in {}", path.display())).unwrap_or_default();
    format!("\nthe end of its log:\n  | {}{all}", shown.join("\n  | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_shows_what_to_do_the_cause_and_the_end_of_the_log() {
        let error = EngineError::StartFailed {
            engine: EngineKind::Docker,
            kind: ServerFailure::UnknownArgument,
            exit_code: Some(2),
            oom_killed: false,
            cause: Some("vllm: error: unrecognized arguments: --x".into()),
            log_tail: (0..40).map(|line| format!("line {line}")).collect(),
            log: Some("runs/1/start-1/server.log".into()),
        };
        let text = error.to_string();
        assert!(
            text.starts_with(
                "the server did not start (unknown argument, exit code 2): it does not know"
            ),
            "{text}"
        );
        assert!(text.contains("\n  vllm: error: unrecognized arguments: --x\n"), "{text}");
        assert!(
            text.ends_with("| line 39\nall of its log is in runs/1/start-1/server.log"),
            "{text}"
        );
        assert!(
            text.contains("| line 28") && text.contains("| line 39") && !text.contains("| line 27"),
            "{text}"
        );
    }

    #[test]
    fn a_busy_machine_names_the_process() {
        let error = EngineError::Busy { what: "the CPU".into(), pid: Some(42) };
        assert_eq!(
            error.to_string(),
            "the CPU is in use by the run with process id 42; wait until it has ended, or end it"
        );
    }
}
