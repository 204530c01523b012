//! Why a suite could not be measured: [`Error`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perf_engine::EngineError;
use perf_load::LoadError;
use perf_model::spec::units::Percent;

/// What a test returns.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Why a suite could not be measured. A regression is no error: it makes the test fail.
#[derive(thiserror::Error)]
pub enum Error {
    /// `perf.toml` or the settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// The server did not come up, or could not be removed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The load could not be put on the server.
    #[error("{}{}", of_load(load, cause), log_hint(log.as_deref()))]
    Load {
        /// The load's name.
        load: String,
        /// What happened.
        cause: LoadError,
        /// Where the server's log is kept, if it is.
        log: Option<PathBuf>,
    },
    /// The server died under load.
    #[error("the server died under load `{load}`: {how}")]
    ServerDied {
        /// The load's name.
        load: String,
        /// Exit code, and the end of its log.
        how: String,
    },
    /// The server hangs: it answers nothing any more.
    #[error(
        "gave up: the server hangs; {stalled} request{} of load `{load}` received nothing for {}, and /health does not \
         answer{}",
        plural(*.stalled), text(*.limit), log_hint(log.as_deref())
    )]
    ServerHangs {
        /// The load's name.
        load: String,
        /// Requests that fell silent.
        stalled: u32,
        /// The load's stall limit.
        limit: Duration,
        /// Where the server's log is kept, if it is.
        log: Option<PathBuf>,
    },
    /// More requests fell silent than the load allows to fail.
    #[error(
        "gave up: {stalled} of {requests} requests of load `{load}` received nothing for {}, and the load allows {}; the \
         server still answers /health: look at its log or raise the load's stall_limit{}",
        text(*.limit), allowance(*.allowed), log_hint(log.as_deref())
    )]
    Stalled {
        /// The load's name.
        load: String,
        /// Requests that fell silent.
        stalled: u32,
        /// All its requests.
        requests: u32,
        /// How many of these may fail.
        allowed: Percent,
        /// The load's stall limit.
        limit: Duration,
        /// Where the server's log is kept, if it is.
        log: Option<PathBuf>,
    },
    /// A record or report could not be written.
    #[error("cannot write {path}: {cause}; make room or make it writable, then run again")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// What was measured on a refresh may not take the place of what is there.
    #[error("did not overwrite {file}: {why}; the new measurement is saved in {kept}")]
    NotReplaced {
        /// The baseline's file, from the repository's root.
        file: String,
        /// What stands in the way.
        why: String,
        /// Where the new session is.
        kept: PathBuf,
    },
    /// Ctrl-C, or the signal to terminate.
    #[error("interrupted; the server was stopped, and the measurements so far are kept in {0}")]
    Interrupted(PathBuf),
}

impl From<perf_store::atomic::WriteError> for Error {
    fn from(error: perf_store::atomic::WriteError) -> Self {
        Self::Write { path: error.path, cause: error.cause }
    }
}

impl Error {
    /// The same with where the server's log is kept, for what its log may explain.
    pub(crate) fn logged(mut self, path: &Path) -> Self {
        if let Self::Load { log, .. } | Self::ServerHangs { log, .. } | Self::Stalled { log, .. } =
            &mut self
        {
            *log = path.is_file().then(|| path.to_owned());
        }
        self
    }
}

/// Some causes name the load themselves.
fn of_load(load: &str, cause: &LoadError) -> String {
    let cause = cause.to_string();
    if cause.contains(&format!("load `{load}`")) {
        cause
    } else {
        format!("load `{load}`: {cause}")
    }
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A duration as `120 s` or `300 ms`.
fn text(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        return format!("{} s", duration.as_secs());
    }
    format!("{} ms", duration.as_millis())
}

fn allowance(allowed: Percent) -> String {
    if allowed.value() == 0.0 {
        return "no failures".to_owned();
    }
    format!("{allowed} to fail")
}

fn log_hint(log: Option<&Path>) -> String {
    log.map(|path| format!("\nthe server's log is in {}", path.display())).unwrap_or_default()
}

/// The message itself: libtest prints errors with `{:?}`, and people read them.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_named_once() {
        let message = |cause| Error::Load { load: "l".into(), cause, log: None }.to_string();
        let reason = "it sends nothing".to_owned();
        assert_eq!(
            message(LoadError::Declaration { load: "l".into(), reason }),
            "the load `l` cannot be run: it sends nothing"
        );
        let no_trace =
            message(LoadError::Trace { path: "t.jsonl".into(), cause: "it is empty".into() });
        assert_eq!(no_trace, "load `l`: the trace t.jsonl cannot be replayed: it is empty");
    }
}
