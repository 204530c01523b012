//! Fields that a load adds to the body of its requests: [`ExtraBody`].
//!
//! Servers take hundreds of them (sampling, tools, templates), and new ones every month, so a name
//! is not checked against a list. Only the fields that this client sends itself are refused: a
//! figure depends on each of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::spec::hash::fnv_1a;

/// The longest value that a description shows as it is, in characters.
const SHOWN: usize = 80;

/// The fields that this client sends or counts on, and what to use instead.
const RESERVED: [(&str, &str); 16] = [
    (
        "model",
        "the model is the one under test; on the command line, `--model` names it, or `--model-mix` several",
    ),
    ("prompt", "prompts are declared with the load"),
    ("messages", "prompts are declared with the load"),
    ("input", "prompts are declared with the load"),
    ("stream", "whether answers are streamed is declared with the load"),
    ("stream_options", "the client asks for the token counts itself"),
    ("max_tokens", "the output length is declared with the load"),
    ("max_completion_tokens", "the output length is declared with the load"),
    ("max_output_tokens", "the output length is declared with the load"),
    ("min_tokens", "the output length is declared with the load"),
    ("ignore_eos", "an exact output length sends it"),
    ("temperature", "the temperature is declared with the load"),
    ("cache_salt", "the client keeps runs apart with it"),
    ("store", "nothing is kept on the server"),
    ("n", "one answer is measured per request; raise the number of requests"),
    ("echo", "the prompt would count as output"),
];

/// Fields of a request's body beside those of every request, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExtraBody(BTreeMap<String, Value>);

impl ExtraBody {
    /// Sets a field, in place of one of the same name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes in the fields of another, which replace those of the same name.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their length as JSON, in bytes.
    pub fn size(&self) -> usize {
        // Values under string keys: there is nothing here that JSON could refuse.
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }

    /// What is wrong with them, and what to do instead.
    pub fn fault(&self) -> Option<String> {
        let find = |name: &str| RESERVED.iter().find(|(reserved, _)| *reserved == name);
        let (name, instead) = self.0.keys().find_map(|name| find(name))?;
        Some(format!("its body cannot set `{name}`: {instead}"))
    }
}

impl fmt::Display for ExtraBody {
    /// The fields on one line. Long values are named by a hash of their JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { " and " })?;
            let json = value.to_string();
            if json.chars().count() <= SHOWN {
                write!(f, "{name} = {json}")?;
            } else {
                write!(f, "{name} (content {:016x})", fnv_1a(json.as_bytes()))?;
            }
        }
        Ok(())
    }
}

impl FromStr for ExtraBody {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let body: Self = serde_json::from_str(text).map_err(|error| {
            format!("{error}; give a JSON object, such as '{{\"top_p\": 0.9}}'")
        })?;
        body.fault().map_or(Ok(body), Err)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_shown_in_one_order_and_long_values_by_their_hash() {
        let mut body: ExtraBody = "{\"top_p\":0.9,\"min_p\":0}".parse().unwrap();
        assert_eq!(body.to_string(), "min_p = 0 and top_p = 0.9");
        body.set("tools", vec![json!({"type": "function", "name": "x".repeat(100)})]);
        let shown = body.to_string();
        assert!(shown.starts_with("min_p = 0 and tools (content "), "{shown}");
        let mut other = body.clone();
        other.set("tools", vec![json!({"type": "function", "name": "y".repeat(100)})]);
        assert_ne!(other.to_string(), shown);
    }

    #[test]
    fn a_field_that_the_client_sends_itself_is_refused_with_the_way_to_set_it() {
        for (name, instead) in RESERVED {
            let error = json!({name: 1}).to_string().parse::<ExtraBody>().unwrap_err();
            assert_eq!(error, format!("its body cannot set `{name}`: {instead}"));
        }
    }

    #[test]
    fn what_is_not_an_object_is_refused_with_an_example() {
        for text in ["", "[1]", "top_p=0.9", "{\"a\":"] {
            let error = text.parse::<ExtraBody>().unwrap_err();
            assert!(error.ends_with("give a JSON object, such as '{\"top_p\": 0.9}'"), "{error}");
        }
    }

    #[test]
    fn a_later_field_replaces_one_of_the_same_name() {
        let mut body: ExtraBody = "{\"top_p\":0.9,\"top_k\":5}".parse().unwrap();
        body.merge("{\"top_p\":0.5}".parse().unwrap());
        assert_eq!(body.to_string(), "top_k = 5 and top_p = 0.5");
        assert_eq!(body.size(), "{\"top_k\":5,\"top_p\":0.5}".len());
    }
}
