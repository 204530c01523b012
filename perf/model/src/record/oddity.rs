//! What a server did beside the protocol without making a figure wrong: an [`Oddity`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a server did beside the protocol. The response was understood even so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oddity {
    /// What kind it is.
    pub kind: OddityKind,
    /// What came, shortened; absent where the kind says it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The kinds of oddities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OddityKind {
    /// Another content type than `text/event-stream`.
    ContentType,
    /// Lines that are not server-sent events.
    ForeignLines,
    /// An event whose data is empty.
    EmptyEvent,
    /// The last event ended with the stream instead of a blank line.
    UnterminatedEvent,
    /// The stream ended without `[DONE]`, after a finish reason and the token counts.
    NoDone,
    /// Something followed `[DONE]`.
    DataAfterDone,
    /// A chunk without choices where the list should be empty.
    NoChoices,
    /// A finish reason that the protocol does not know.
    FinishReason,
    /// The server's token count leaves out tokens that it sent as reasoning.
    UncountedReasoning,
}

impl fmt::Display for OddityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContentType => "the content type was not text/event-stream",
            Self::ForeignLines => "lines were not server-sent events",
            Self::EmptyEvent => "events had no data",
            Self::UnterminatedEvent => "the last event had no blank line after it",
            Self::NoDone => "the stream ended without [DONE]",
            Self::DataAfterDone => "data followed [DONE]",
            Self::NoChoices => "a chunk had no list of choices",
            Self::FinishReason => "the finish reason is unknown",
            Self::UncountedReasoning => "the server's token count leaves out its reasoning",
        })
    }
}

impl Oddity {
    /// An oddity that its kind describes completely.
    pub fn plain(kind: OddityKind) -> Self {
        Self { kind, detail: None }
    }

    /// An oddity with what came.
    pub fn with(kind: OddityKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: Some(detail.into()) }
    }
}
