//! Why a load cannot be put on a server: [`LoadError`].

use std::path::PathBuf;

use perf_model::record::sample::FailureKind;

/// Why a load could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A load that cannot work.
    #[error("the load `{load}` cannot be run: {reason}")]
    Declaration {
        /// The load's name.
        load: String,
        /// What is wrong with it, and what to declare instead.
        reason: String,
    },
    /// The file of prompts cannot be read.
    #[error("the prompts in {} cannot be read: {cause}; check the path, which starts at the working directory", path.display())]
    PromptFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: String,
    },
    /// A line of the file of prompts is not a prompt.
    #[error(
        "line {line} of {} is not a prompt: {cause}; each line is an object with a `prompt` text and optionally its `output_tokens`",
        path.display()
    )]
    PromptLine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
    /// A file without conversations.
    #[error(
        "{} is not a file of conversations: {cause}; it must be a JSON list of objects with `conversations`, whose entries have `from` (`human`, `gpt`, `user` or `assistant`) and `value`",
        path.display()
    )]
    Conversations {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        cause: String,
    },
    /// A line of a trace is not a request.
    #[error(
        "line {line} of {} is not a request of a trace: {cause}; each line is an object with `timestamp` (milliseconds, rising), `input_length` and `output_length`",
        path.display()
    )]
    TraceLine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
    /// A trace that cannot be replayed.
    #[error("the trace {} cannot be replayed: {cause}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        cause: String,
    },
    /// The counters of a server that was named for them cannot be read.
    #[error("the counters at {url} cannot be read: {cause}")]
    Metrics {
        /// Where they should be.
        url: String,
        /// What came instead, and what to do.
        cause: String,
    },
    /// A request of the warm-up failed, so nothing was measured.
    #[error(
        "request {number} of {total} to warm up the load `{load}` failed, so nothing was measured: {kind}: {detail}; look at the server's log"
    )]
    WarmUp {
        /// The load's name.
        load: String,
        /// Which request, from 1.
        number: u32,
        /// How many there were to be.
        total: u32,
        /// What kind of failure.
        kind: FailureKind,
        /// What the client saw, for a message.
        detail: String,
    },
}
