//! Whether a piece of a chunk carries output, and of which kind: [`Delta`], of any JSON value and all
//! of its fields, known or unknown.
//!
//! Servers put output into fields of their own (`reasoning`, `reasoning_content`, `thinking`, tool
//! calls, content parts, audio), and new fields appear every year. So every field counts as output
//! if there is text in it, and the few that describe the chunk are left out. Nothing is copied.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Fields that describe a chunk or a part of it, and are no output.
const DESCRIPTIONS: [&str; 5] = ["type", "index", "format", "object", "signature"];

/// The fields in which servers send their reasoning.
const REASONING: [&str; 6] = [
    "reasoning",
    "reasoning_content",
    "reasoning_text",
    "reasoning_details",
    "thinking",
    "thought",
];

/// The fields in which servers send the calls of tools.
const TOOLS: [&str; 2] = ["tool_calls", "function_call"];

/// The output in any JSON value: the delta of a chunk, the message of a whole response, or a part of
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Delta {
    /// Whether any field carries output.
    pub(crate) has_output: bool,
    /// Whether a field of reasoning does.
    pub(crate) has_reasoning: bool,
    /// Whether a field that is not of reasoning does.
    pub(crate) has_answer: bool,
    /// Whether a call of a tool does.
    pub(crate) has_tool: bool,
    /// Whether it names the role of who speaks.
    pub(crate) has_role: bool,
}

impl Delta {
    /// A text of the answer.
    pub(crate) const ANSWER: Self = Self {
        has_output: true,
        has_reasoning: false,
        has_answer: true,
        has_tool: false,
        has_role: false,
    };

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            has_output: self.has_output || other.has_output,
            has_reasoning: self.has_reasoning || other.has_reasoning,
            has_answer: self.has_answer || other.has_answer,
            has_tool: self.has_tool || other.has_tool,
            has_role: self.has_role || other.has_role,
        }
    }

    /// The same as reasoning.
    pub(crate) fn as_reasoning(self) -> Self {
        let has_reasoning = self.has_output;
        Self { has_reasoning, has_answer: false, has_tool: false, ..self }
    }

    /// The same as a call of a tool.
    pub(crate) fn as_tool(self) -> Self {
        Self { has_tool: self.has_output, ..self }
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Delta;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Delta, E> {
                Ok(if text.is_empty() { Delta::default() } else { Delta::ANSWER })
            }

            fn visit_unit<E>(self) -> Result<Delta, E> {
                Ok(Delta::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Delta, E> {
                Ok(Delta::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Delta, E> {
                Ok(Delta::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Delta, E> {
                Ok(Delta::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Delta, E> {
                Ok(Delta::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Delta, A::Error> {
                let mut all = Delta::default();
                while let Some(item) = list.next_element::<Delta>()? {
                    all = all.and(item);
                }
                Ok(all)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Delta, A::Error> {
                look(map)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Looks through the fields of an object.
fn look<'de, A: MapAccess<'de>>(mut map: A) -> Result<Delta, A::Error> {
    let mut delta = Delta::default();
    while let Some(field) = map.next_key()? {
        if matches!(field, Field::Role | Field::Description) {
            // A role that is null names none.
            let is_there = map.next_value::<Option<IgnoredAny>>()?.is_some();
            delta.has_role |= is_there && field == Field::Role;
            continue;
        }
        let value: Delta = map.next_value()?;
        if value.has_output {
            delta = delta.and(match field {
                Field::Reasoning => value.as_reasoning(),
                Field::Tool => value.as_tool(),
                _ => value,
            });
        }
    }
    Ok(delta)
}

/// What the name of a field says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Role,
    Description,
    Reasoning,
    Tool,
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(match name {
                    "content" => Field::Other,
                    "role" => Field::Role,
                    _ if DESCRIPTIONS.contains(&name) => Field::Description,
                    _ if REASONING.contains(&name) => Field::Reasoning,
                    _ if TOOLS.contains(&name) => Field::Tool,
                    _ => Field::Other,
                })
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(delta: &str) -> Delta {
        serde_json::from_str(delta).unwrap()
    }

    #[test]
    fn any_field_with_text_is_output() {
        for delta in [
            r#"{"content":"a"}"#,
            r#"{"role":"assistant","content":"","reasoning":"a"}"#,
            r#"{"content":null,"reasoning_content":"a"}"#,
            r#"{"content":[{"type":"text","text":"a"}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#,
            r#"{"function_call":{"arguments":"x"}}"#,
            r#"{"audio":{"data":"UklGRg=="}}"#,
            r#"{"refusal":"no"}"#,
            r#"{"a_field_of_next_year":{"text":"a"}}"#,
        ] {
            assert!(of(delta).has_output, "{delta}");
        }
    }

    #[test]
    fn what_describes_a_chunk_is_no_output() {
        for delta in [
            "{}",
            r#"{"role":"assistant"}"#,
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":null,"refusal":null,"tool_calls":[],"function_call":null,"audio":null}"#,
            r#"{"content":[]}"#,
            r#"{"content":[{"type":"text","text":""}]}"#,
            r#"{"tool_calls":[{"index":0,"type":"function","function":{"arguments":""}}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"","format":"unknown","index":0}]}"#,
            r#"{"logprob":-0.5,"final":true}"#,
        ] {
            assert!(!of(delta).has_output && !of(delta).has_reasoning, "{delta}");
        }
    }

    #[test]
    fn reasoning_is_recognised_by_its_fields() {
        assert!(of(r#"{"content":"","reasoning":"a"}"#).has_reasoning);
        assert!(of(r#"{"reasoning_details":[{"text":"a"}]}"#).has_reasoning);
        assert!(!of(r#"{"content":"a","reasoning":""}"#).has_reasoning);
        // A part of a list of parts, as Mistral's models have it.
        let parts = r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}"#;
        assert_eq!(of(parts), Delta::ANSWER.as_reasoning());
    }

    #[test]
    fn reasoning_answer_and_tool_calls_are_distinguished() {
        let both = of(r#"{"reasoning_content":"a","content":"b"}"#);
        assert!(both.has_reasoning && both.has_answer && !both.has_tool);
        let tool = of(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#);
        assert!(tool.has_tool && tool.has_answer && !tool.has_reasoning);
        assert!(of(r#"{"role":"assistant","content":"a"}"#).has_role);
        assert!(!of(r#"{"role":null,"content":"a"}"#).has_role);
        assert_eq!(of(r#"{"content":"a"}"#), Delta::ANSWER);
    }
}
