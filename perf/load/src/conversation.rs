//! Conversations: [`Conversation`] makes each request of everything that was said before it.

use std::collections::VecDeque;

use crate::client::Call;
use crate::said::Said;
use bytes::Bytes;

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
                None => {
                    conversations.push_back(Self { calls: [call].into(), history: String::new() })
                }
            }
        }
        conversations
    }

    /// Notes what the server answered.
    pub(crate) fn answered(&mut self, text: &str) {
        self.add(&Said::by_assistant(text));
    }

    /// The next request, with all that was said before.
    pub(crate) fn next(&mut self) -> Option<Call> {
        let mut call = self.calls.pop_front()?;
        if let Some(says) = &call.says {
            self.add(&says.message);
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

    fn add(&mut self, said: &Said) {
        if !self.history.is_empty() {
            self.history.push(',');
        }
        self.history.push_str(said.json());
    }
}
