//! Conversations: [`ChatSession`] makes each request of everything that was said before it.

use std::collections::VecDeque;

use crate::openai::call::Call;
use crate::openai::chat_message::ChatMessage;
use bytes::Bytes;

/// The requests of one conversation that are still to come, and what was said.
#[derive(Debug, Default)]
pub(crate) struct ChatSession {
    calls: VecDeque<Call>,
    /// Messages as JSON, parted by commas.
    history: String,
}

impl ChatSession {
    /// Cuts calls into conversations.
    pub(crate) fn split(calls: Vec<Call>) -> VecDeque<Self> {
        let mut conversations: VecDeque<Self> = VecDeque::new();
        for call in calls {
            let opens = call.turn.as_ref().is_none_or(|turn| turn.opens);
            match conversations.back_mut().filter(|_| !opens) {
                Some(conversation) => conversation.calls.push_back(call),
                None => {
                    conversations.push_back(Self { calls: [call].into(), history: String::new() });
                }
            }
        }
        conversations
    }

    /// Notes what the server answered.
    pub(crate) fn answered(&mut self, text: &str) {
        self.add(&ChatMessage::by_assistant(text));
    }

    /// The next request, with all that was said before.
    pub(crate) fn next(&mut self) -> Option<Call> {
        let mut call = self.calls.pop_front()?;
        if let Some(turn) = &call.turn {
            self.add(&turn.message);
            // The body is an object without messages, from its brace on.
            let rest = call.body.get(1..).unwrap_or_default();
            call.body =
                Bytes::from([b"{\"messages\":[", self.history.as_bytes(), b"],", rest].concat());
        }
        Some(call)
    }

    /// The requests that are still to come.
    pub(crate) fn rest(self) -> impl Iterator<Item = Call> {
        self.calls.into_iter()
    }

    fn add(&mut self, said: &ChatMessage) {
        if !self.history.is_empty() {
            self.history.push(',');
        }
        self.history.push_str(said.json());
    }
}
