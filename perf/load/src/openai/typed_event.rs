//! The typed events of `/v1/responses`, and the body of a response that is not streamed:
//! [`TypedEvent`].
//!
//! Every event names its type. Those that end in `.delta` carry output, of the kind that the type
//! says; `response.completed`, `response.incomplete` and `response.failed` end the stream and carry
//! the whole response, with the token counts. All other events carry no output.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::openai::error_message::is_set;
use crate::openai::output_text::Delta;

/// The fields we need of an event.
#[derive(Deserialize)]
pub(crate) struct TypedEvent {
    #[serde(rename = "type")]
    kind: Option<String>,
    delta: Option<Delta>,
    pub(crate) response: Option<Whole>,
    pub(crate) error: Option<Value>,
    /// Of an event `error`.
    message: Option<Value>,
}

/// A whole response, or what is known of it.
#[derive(Deserialize)]
pub(crate) struct Whole {
    /// That it is one: a list of what was put out.
    pub(crate) output: Option<IgnoredAny>,
    status: Option<String>,
    incomplete_details: Option<Incomplete>,
    pub(crate) error: Option<Value>,
    pub(crate) usage: Option<TypedUsage>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

/// The token counts of a response.
#[derive(Deserialize)]
pub(crate) struct TypedUsage {
    pub(crate) input_tokens: Option<u32>,
    pub(crate) output_tokens: Option<u32>,
    output_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    reasoning_tokens: Option<u32>,
}

impl TypedUsage {
    /// How many of the output tokens were reasoning, where the server says so.
    pub(crate) fn reasoning_tokens(&self) -> Option<u32> {
        self.output_tokens_details.as_ref()?.reasoning_tokens
    }
}

impl Whole {
    /// Why it ended, in the words of the other endpoints; `None` while it has not.
    pub(crate) fn finish_reason(&self) -> Option<String> {
        let reason = || self.incomplete_details.as_ref()?.reason.clone();
        match self.status.as_deref()? {
            "completed" => Some("stop".to_owned()),
            "incomplete" => Some(reason().unwrap_or_else(|| "length".to_owned())),
            "cancelled" => Some("cancelled".to_owned()),
            _ => None,
        }
    }

    /// The error of one that failed.
    pub(crate) fn failure(&self) -> Option<Value> {
        let error = self.error.clone().filter(is_set);
        let has_failed = self.status.as_deref() == Some("failed");
        error.or_else(|| has_failed.then(|| Value::from("the response failed without a reason")))
    }
}

/// What an event is.
pub(crate) enum Kind {
    /// It carries output, or could.
    Output(Delta),
    /// It ends the response.
    End,
    /// An error.
    Error(Value),
    /// Anything else that belongs to the protocol.
    Other,
    /// Not an event of this protocol.
    Unknown,
}

impl TypedEvent {
    /// What the event is.
    pub(crate) fn kind(&self) -> Kind {
        if let Some(error) = self.error.as_ref().filter(|error| is_set(error)) {
            return Kind::Error(error.clone());
        }
        let Some(kind) = self.kind.as_deref() else { return Kind::Unknown };
        match kind {
            "error" => Kind::Error(self.message.clone().unwrap_or(Value::Null)),
            "response.completed" | "response.incomplete" | "response.failed" => Kind::End,
            _ if kind.strip_suffix(".delta").is_some() => {
                let delta = self.delta.unwrap_or_default();
                Kind::Output(if kind.contains("reasoning") {
                    delta.as_reasoning()
                } else if kind.contains("_call") {
                    delta.as_tool()
                } else {
                    delta
                })
            }
            _ => Kind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(data: &str) -> Delta {
        match serde_json::from_str::<TypedEvent>(data).unwrap().kind() {
            Kind::Output(delta) => delta,
            _ => panic!("{data} is no output"),
        }
    }

    #[test]
    fn the_type_says_what_a_delta_is() {
        let of = |kind: &str| output(&format!(r#"{{"type":"response.{kind}.delta","delta":"a"}}"#));
        assert_eq!(of("output_text"), Delta::ANSWER);
        assert_eq!(of("refusal"), Delta::ANSWER);
        assert_eq!(of("reasoning_text"), Delta::ANSWER.as_reasoning());
        assert_eq!(of("reasoning_summary_text"), Delta::ANSWER.as_reasoning());
        assert_eq!(of("function_call_arguments"), Delta::ANSWER.as_tool());
        assert_eq!(of("mcp_call_arguments"), Delta::ANSWER.as_tool());
        assert!(!output(r#"{"type":"response.output_text.delta","delta":""}"#).has_output);
    }

    #[test]
    fn a_response_ends_in_the_words_of_the_other_endpoints() {
        let reason = |json: &str| serde_json::from_str::<Whole>(json).unwrap().finish_reason();
        assert_eq!(reason(r#"{"status":"completed"}"#).as_deref(), Some("stop"));
        let cut = r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}"#;
        assert_eq!(reason(cut).as_deref(), Some("max_output_tokens"));
        assert_eq!(reason(r#"{"status":"in_progress"}"#), None);
        let failed: Whole = serde_json::from_str(r#"{"status":"failed","error":null}"#).unwrap();
        assert!(failed.failure().is_some());
    }
}
