//! Conversations: [`Conversation`] makes each request of everything that was said before it.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::client::Call;

/// A message of a conversation, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said(String);

#[derive(Serialize)]
struct Message<'a, T> {
    role: &'a str,
    content: &'a T,
}

impl Said {
    /// What the user says.
    pub(crate) fn by_user<T: Serialize>(content: &T) -> Self {
        Self::by("user", content)
    }

    fn by<T: Serialize>(role: &str, content: &T) -> Self {
        // A text under a string key: there is nothing here that JSON could refuse.
        Self(serde_json::to_string(&Message { role, content }).unwrap_or_default())
    }
}

/// What a request of a conversation adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Says {
    /// Whether it is the first of its conversation.
    pub(crate) opens: bool,
    pub(crate) message: Said,
}

/// The requests of one conversation that are still to come, and what was said.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    calls: VecDeque<Call>,
    /// Messages as JSON, parted by commas.
    history: String,
}

impl Conversation {
    /// Cuts calls into conversations.
    pub(crate) fn split(calls: Vec<Call>) -> VecDeque<Self> {
        let mut conversations: VecDeque<Self> = VecDeque::new();
        for call in calls {
            let opens = call.says.as_ref().is_none_or(|says| says.opens);
            match conversations.back_mut().filter(|_| !opens) {
                Some(conversation) => conversation.calls.push_back(call),
                None => conversations.push_back(Self { calls: [call].into(), history: String::new() }),
            }
        }
        conversations
    }

    /// Notes what the server answered.
    pub(crate) fn answered(&mut self, text: &str) {
        self.add(&Said::by("assistant", &text));
    }

    /// The next request, with all that was said before.
    pub(crate) fn next(&mut self) -> Option<Call> {
        let mut call = self.calls.pop_front()?;
        if let Some(says) = &call.says {
            self.add(&says.message);
            // The body is an object without messages, from its brace on.
            let rest = call.body.get(1..).unwrap_or_default();
            call.body = Bytes::from([b"{\"messages\":[", self.history.as_bytes(), b"],", rest].concat());
        }
        Some(call)
    }

    fn add(&mut self, Said(message): &Said) {
        if !self.history.is_empty() {
            self.history.push(',');
        }
        self.history.push_str(message);
    }
}

/// The text in an event of a chat's stream or in a whole response, which the next request repeats.
pub(crate) fn said_in(data: &[u8]) -> Option<String> {
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
        content: Option<String>,
    }
    let chunk: Chunk = serde_json::from_slice(data).ok()?;
    let choice = chunk.choices.into_iter().next()?;
    choice.delta.or(choice.message)?.content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_of, capture};

    #[test]
    fn the_text_of_a_real_answer_is_read() {
        let whole = capture("chat-nonstream");
        let said = said_in(body_of(&whole)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(body_of(&whole)).unwrap();
        assert_eq!(value["choices"][0]["message"]["content"], said);
        assert_eq!(said_in(br#"{"choices":[{"delta":{"content":"a \"b\""}}]}"#).as_deref(), Some("a \"b\""));
        assert_eq!(said_in(br#"{"choices":[]}"#), None);
        assert_eq!(said_in(b"[DONE]"), None);
    }
}
