//! The parts of an answer that is more than plain text: [`AnswerParts`]. And what speculative decoding
//! did for it: [`Drafts`].

use serde::{Deserialize, Serialize};

/// The parts of an answer with reasoning or tool calls. Times are microseconds since the run began.
/// What is not known is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerParts {
    /// When the first chunk with output came that was not reasoning: text, or a tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer_us: Option<u64>,
    /// When the last chunk of a tool call came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_us: Option<u64>,
    /// Output tokens that were reasoning: as the server counts them, or those of the chunks that
    /// came before the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u32>,
    /// All other output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_tokens: Option<u32>,
}

/// What speculative decoding did for one request (vLLM's `metrics.speculative_decoding`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drafts {
    /// Steps that verified a draft.
    pub steps: u32,
    /// Tokens that were drafted.
    pub drafted: u32,
    /// Those of them that were accepted.
    pub accepted: u32,
}

impl Drafts {
    /// The mean number of tokens that a step gave: those accepted, and one of its own. Absent
    /// without a step.
    pub fn acceptance_length(self) -> Option<f64> {
        (self.steps > 0).then(|| 1.0 + f64::from(self.accepted) / f64::from(self.steps))
    }
}
