//! Why a suite could not be measured: [`Error`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use perf_engine::EngineError;
use perf_load::LoadError;

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
    #[error("load `{load}`: {cause}")]
    Load {
        /// The load's name.
        load: String,
        /// What happened.
        cause: LoadError,
    },
    /// The server died under load.
    #[error("the server died under load `{load}`: {how}")]
    ServerDied {
        /// The load's name.
        load: String,
        /// Exit code, and the end of its log.
        how: String,
    },
    /// The server hangs: a request stayed silent for too long.
    #[error("the server hangs: a request of load `{load}` was silent for {limit:?}, and the run was given up")]
    ServerHangs {
        /// The load's name.
        load: String,
        /// The load's stall limit.
        limit: Duration,
    },
    /// A record or report could not be written.
    #[error("cannot write {path}: {cause}; make room or make it writable, then run again")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Ctrl-C, or the signal to terminate.
    #[error("interrupted; the server was removed, and what was measured so far is kept in {0}")]
    Interrupted(PathBuf),
}

/// The message itself: libtest prints errors with `{:?}`, and people read them.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
