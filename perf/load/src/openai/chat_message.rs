//! What is said in a conversation: [`ChatMessage`], and the text of a response.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A message of a conversation, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatMessage(String);

#[derive(Serialize)]
struct Message<'a, T> {
    role: &'a str,
    content: &'a T,
}

impl ChatMessage {
    /// What the user says.
    pub(crate) fn by_user<T: Serialize>(content: &T) -> Self {
        Self::by("user", content)
    }

    /// What the server says.
    pub(crate) fn by_assistant(text: &str) -> Self {
        Self::by("assistant", &text)
    }

    /// The message, as JSON.
    pub(crate) fn json(&self) -> &str {
        &self.0
    }

    fn by<T: Serialize>(role: &str, content: &T) -> Self {
        // A text under a string key: there is nothing here that JSON could refuse.
        Self(serde_json::to_string(&Message { role, content }).unwrap_or_default())
    }
}

/// What a request of a conversation adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatTurn {
    /// Whether it is the first of its conversation.
    pub(crate) opens: bool,
    /// How long after the answer before it the request is due.
    pub(crate) pause: Duration,
    pub(crate) message: ChatMessage,
}

/// The text in an event of a chat's stream or in a whole response, which the next request repeats.
pub(crate) fn content_of(data: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Chunk {
        choices: Vec<Choice>,
    }
    #[derive(Deserialize)]
    struct Choice {
        delta: Option<Content>,
        message: Option<Content>,
    }
    #[derive(Deserialize)]
    struct Content {
        content: Option<Text>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Whole(String),
        Parts(Vec<Part>),
    }
    #[derive(Deserialize)]
    struct Part {
        text: Option<String>,
    }
    let chunk: Chunk = serde_json::from_slice(data).ok()?;
    let choice = chunk.choices.into_iter().next()?;
    Some(match choice.delta.or(choice.message)?.content? {
        Text::Whole(text) => text,
        Text::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_of, capture};

    #[test]
    fn the_text_of_a_real_answer_is_read() {
        let whole = capture("chat-nonstream");
        let said = content_of(body_of(&whole)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(body_of(&whole)).unwrap();
        assert_eq!(value["choices"][0]["message"]["content"], said);
        assert_eq!(
            content_of(br#"{"choices":[{"delta":{"content":"a \"b\""}}]}"#).as_deref(),
            Some("a \"b\"")
        );
        let parts =
            br#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"text":"b"}]}}]}"#;
        assert_eq!(content_of(parts).as_deref(), Some("ab"));
        assert_eq!(content_of(br#"{"choices":[]}"#), None);
        assert_eq!(content_of(b"[DONE]"), None);
    }
}
