//! What the API gives to the engine and gets back: [`Submission`].

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::metrics::FinishReason;
use crate::scheduler::NewSequence;
use crate::speculation::Drafts;

/// One sequence to generate, with the channel to the API handler that waits for it.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) sequence: NewSequence,
    /// How it ends when it has all its tokens.
    pub(crate) reason: FinishReason,
    pub(crate) max_tokens: usize,
    /// Index of the request's choice.
    pub(crate) choice: usize,
    /// Arrival at the API server.
    pub(crate) arrived: Duration,
    /// Whether every token is reported, or only the end.
    pub(crate) reports_tokens: bool,
    /// Whether it kills the engine halfway.
    pub(crate) is_poison: bool,
    /// Closed without an end when the engine dies.
    pub(crate) progress: UnboundedSender<Progress>,
}

/// The progress of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Index of the request's choice.
    pub(crate) choice: usize,
    /// Tokens written so far.
    pub(crate) generated: usize,
    pub(crate) finished: Option<FinishReason>,
    /// How long it took, from its arrival in the engine to this moment.
    pub(crate) times: Times,
    /// What was drafted for it so far.
    pub(crate) drafts: Drafts,
}

/// The phases of a sequence's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// From its arrival in the engine until it was scheduled.
    pub(crate) queue: Duration,
    /// From there to its first token.
    pub(crate) prefill: Duration,
    /// From there to its last token so far.
    pub(crate) decode: Duration,
}
