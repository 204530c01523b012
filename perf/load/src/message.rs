//! The fields of a response that matter: [`Message`], which is a chunk of a stream or a whole body.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};

use crate::extra::Count;

/// The fields we need of a chunk, and of a response that is not streamed.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) choices: Option<Vec<Choice>>,
    pub(crate) usage: Option<Usage>,
    /// vLLM's `--enable-per-request-metrics`. Other servers may mean something else by it.
    pub(crate) metrics: Option<serde_json::Value>,
    pub(crate) error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    pub(crate) finish_reason: Option<String>,
    delta: Option<Delta>,
    token_ids: Option<Count>,
}

#[derive(Deserialize)]
struct Delta {
    role: Option<IgnoredAny>,
    content: Option<Text>,
}

#[derive(Deserialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) completion_tokens: Option<u32>,
}

/// A text of which only matters whether there is any; it is not copied.
struct Text {
    is_empty: bool,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl Visitor<'_> for Look {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text { is_empty: text.is_empty() })
            }
        }
        deserializer.deserialize_str(Look)
    }
}

impl Choice {
    /// Whether it is the chunk that opens a chat.
    pub(crate) fn only_names_the_role(&self) -> bool {
        self.delta.as_ref().is_some_and(|delta| {
            delta.role.is_some() && delta.content.as_ref().is_none_or(|content| content.is_empty)
        })
    }
}

/// How many ids of tokens the choices of a chunk list; `None` where they list none.
pub(crate) fn listed_in(choices: &[Choice]) -> Option<u32> {
    choices.iter().filter_map(|choice| choice.token_ids.as_ref()?.0).reduce(u32::saturating_add)
}
