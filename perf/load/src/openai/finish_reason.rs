//! How a response ended, by the names that servers give it: [`FinishReason`].

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinishReason {
    /// It reached its length.
    Length,
    /// The model ended it.
    Stop,
    /// It did not end well.
    Broken,
    /// A name that is not known.
    Unknown,
}

impl FinishReason {
    /// What a server's name means.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "length" | "max_tokens" | "max_output_tokens" | "max_length" | "MAX_TOKENS" => {
                Self::Length
            }
            "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "tool_calls"
            | "function_call" | "STOP" => Self::Stop,
            "abort" | "aborted" | "cancelled" | "canceled" | "content_filter" | "error"
            | "timeout" => Self::Broken,
            _ => Self::Unknown,
        }
    }
}
