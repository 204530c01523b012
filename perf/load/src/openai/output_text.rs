//! Whether a piece of a chunk carries output: [`OutputText`] of any JSON value, [`Delta`] of the
//! fields of a chat's chunk, known or unknown.
//!
//! Servers put output into fields of their own (`reasoning`, `reasoning_content`, `thinking`, tool
//! calls, content parts, audio), and new fields appear every year. So every field counts as output
//! if there is text in it, and the few that describe the chunk are left out. Nothing is copied.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Fields that describe a chunk or a part of it, and are no output.
const DESCRIPTIONS: [&str; 6] = ["role", "type", "index", "format", "object", "signature"];

/// The fields in which servers send their reasoning.
const REASONING: [&str; 6] = [
    "reasoning",
    "reasoning_content",
    "reasoning_text",
    "reasoning_details",
    "thinking",
    "thought",
];

/// Whether there is any text in a JSON value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutputText(pub(crate) bool);

/// The output in the delta of a chunk, or in the message of a whole response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Whether any field carries output.
    pub(crate) has_output: bool,
    /// Whether a field of reasoning does.
    pub(crate) has_reasoning: bool,
    /// Whether it names the role of who speaks.
    pub(crate) has_role: bool,
}

impl<'de> Deserialize<'de> for OutputText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = OutputText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<OutputText, E> {
                Ok(OutputText(!text.is_empty()))
            }

            fn visit_unit<E>(self) -> Result<OutputText, E> {
                Ok(OutputText(false))
            }

            fn visit_bool<E>(self, _: bool) -> Result<OutputText, E> {
                Ok(OutputText(false))
            }

            fn visit_i64<E>(self, _: i64) -> Result<OutputText, E> {
                Ok(OutputText(false))
            }

            fn visit_u64<E>(self, _: u64) -> Result<OutputText, E> {
                Ok(OutputText(false))
            }

            fn visit_f64<E>(self, _: f64) -> Result<OutputText, E> {
                Ok(OutputText(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OutputText, A::Error> {
                let mut any = false;
                while let Some(OutputText(has)) = list.next_element()? {
                    any |= has;
                }
                Ok(OutputText(any))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OutputText, A::Error> {
                Ok(OutputText(look(map)?.has_output))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Delta;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a chunk")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Delta, A::Error> {
                look(map)
            }
        }
        deserializer.deserialize_map(Look)
    }
}

/// Looks through the fields of an object.
fn look<'de, A: MapAccess<'de>>(mut map: A) -> Result<Delta, A::Error> {
    let mut delta = Delta::default();
    while let Some(Field { describes, reasons, is_role }) = map.next_key()? {
        delta.has_role |= is_role;
        if describes {
            map.next_value::<IgnoredAny>()?;
            continue;
        }
        let OutputText(has) = map.next_value()?;
        delta.has_output |= has;
        delta.has_reasoning |= has && reasons;
    }
    Ok(delta)
}

/// What the name of a field says.
struct Field {
    describes: bool,
    reasons: bool,
    is_role: bool,
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
                Ok(Field {
                    describes: DESCRIPTIONS.contains(&name),
                    reasons: REASONING.contains(&name),
                    is_role: name == "role",
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
    }
}
