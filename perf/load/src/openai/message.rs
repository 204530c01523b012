//! The fields of a response that matter: [`Message`], which is a chunk of a stream or a whole body.

use std::fmt;
use std::time::Duration;

use perf_model::record::answer_parts::Drafts;
use perf_model::record::sample::ServerTimes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use crate::openai::error_message::is_set;
use crate::openai::output_text::Delta;

/// The fields we need of a chunk, and of a response that is not streamed.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) choices: Option<Choices>,
    pub(crate) usage: Option<Usage>,
    /// vLLM's `--enable-per-request-metrics`. Other servers may mean something else by it.
    pub(crate) metrics: Option<Value>,
    error: Option<Value>,
}

/// The choices of a message. One is asked for, so the first is kept and the others are counted.
#[derive(Default)]
pub(crate) struct Choices {
    pub(crate) first: Option<Choice>,
    pub(crate) count: usize,
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices, A::Error> {
                let first: Option<Choice> = list.next_element()?;
                let mut count = usize::from(first.is_some());
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Choices { first, count })
            }
        }
        deserializer.deserialize_seq(Look)
    }
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    pub(crate) finish_reason: Option<String>,
    text: Option<Delta>,
    delta: Option<Delta>,
    message: Option<Delta>,
    token_ids: Option<Count>,
    /// As gateways write it that end the choice with an error.
    error: Option<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) completion_tokens: Option<u32>,
    completion_tokens_details: Option<Details>,
    /// As `SGLang` writes it.
    reasoning_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Details {
    reasoning_tokens: Option<u32>,
}

impl Usage {
    /// How many of the output tokens were reasoning, where the server says so.
    pub(crate) fn reasoning_tokens(&self) -> Option<u32> {
        let details = self.completion_tokens_details.as_ref();
        details.and_then(|details| details.reasoning_tokens).or(self.reasoning_tokens)
    }
}

impl Choice {
    /// What output it carries in any of its fields.
    pub(crate) fn output(&self) -> Delta {
        let delta = self.delta.or(self.message).unwrap_or_default();
        self.text.map_or(delta, |text| delta.and(text))
    }

    /// How many ids of tokens it lists; `None` where it lists none.
    pub(crate) fn listed_ids(&self) -> Option<u32> {
        self.token_ids.as_ref()?.0
    }
}

impl Message {
    /// Whether it has none of what a chunk or an error says.
    pub(crate) fn is_bare(&self) -> bool {
        self.choices.is_none() && self.usage.is_none() && self.error().is_none()
    }

    /// The error in it, of the whole message or of its choice.
    pub(crate) fn error(&self) -> Option<&Value> {
        let choice = self.choices.as_ref().and_then(|choices| choices.first.as_ref());
        let errors = [self.error.as_ref(), choice.and_then(|choice| choice.error.as_ref())];
        errors.into_iter().flatten().find(|error| is_set(error))
    }

    /// Reads a chunk of a stream or a whole body.
    pub(crate) fn read(data: &[u8]) -> serde_json::Result<Self> {
        // One look at all bytes costs less than one at each name and string. Bytes that are not
        // UTF-8 do no harm in a field that is not read.
        match std::str::from_utf8(data) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(data),
        }
    }
}

/// What vLLM says of its own time for a request; `None` for anything else under that name.
pub(crate) fn server_times(metrics: &Value) -> Option<ServerTimes> {
    let us = |name: &str| {
        Some(Duration::try_from_secs_f64(metrics.get(name)?.as_f64()? / 1_000.0).ok()?.as_micros())
    };
    let us = |name: &str| u64::try_from(us(name)?).ok();
    let times = ServerTimes {
        queue_us: us("queue_time_ms"),
        prefill_us: us("time_to_first_token_ms"),
        decode_us: us("generation_time_ms"),
    };
    (times != ServerTimes::default()).then_some(times)
}

/// What vLLM says of speculative decoding in a request; `None` for anything else under that name.
pub(crate) fn drafts(metrics: &Value) -> Option<Drafts> {
    let said = metrics.get("speculative_decoding")?;
    let count = |name: &str| u32::try_from(said.get(name)?.as_u64()?).ok();
    Some(Drafts {
        steps: count("num_spec_steps")?,
        drafted: count("num_draft_tokens")?,
        accepted: count("num_accepted_draft_tokens")?,
    })
}

/// The length of a list; `None` for anything else.
pub(crate) struct Count(pub(crate) Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Seen {
            List(Vec<IgnoredAny>),
            Other(IgnoredAny),
        }
        Ok(match Seen::deserialize(deserializer)? {
            Seen::List(items) => Self(u32::try_from(items.len()).ok()),
            Seen::Other(_) => Self(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(metrics: &str) -> Option<ServerTimes> {
        server_times(&serde_json::from_str(metrics).unwrap())
    }

    #[test]
    fn the_times_that_vllm_gives_are_read() {
        // As vLLM 0.32.0 wrote it.
        let metrics = "{\"time_to_first_token_ms\":23.46132499997111,\"generation_time_ms\":16.414072000316082,\
                       \"queue_time_ms\":0.033617000099184224,\"mean_itl_ms\":5.471357333438694,\
                       \"tokens_per_second\":100.3124809007216,\"speculative_decoding\":null}";
        let times =
            ServerTimes { queue_us: Some(33), prefill_us: Some(23_461), decode_us: Some(16_414) };
        assert_eq!(said(metrics), Some(times));
        assert_eq!(
            said("{\"queue_time_ms\":1}"),
            Some(ServerTimes { queue_us: Some(1_000), ..ServerTimes::default() })
        );
    }

    #[test]
    fn what_is_no_time_is_nothing() {
        for other in [
            "null",
            "{}",
            "[1]",
            "\"fast\"",
            "{\"queue_time_ms\":null}",
            "{\"queue_time_ms\":-1.0}",
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn what_vllm_says_of_speculative_decoding_is_read() {
        let metrics = r#"{"speculative_decoding":{"mean_acceptance_length":2.5,"draft_acceptance_rate":0.5,
            "acceptance_histogram":[1,0,0,1],"num_spec_steps":2,"num_accepted_draft_tokens":3,
            "num_draft_tokens":6,"num_spec_tokens":3}}"#;
        let said = drafts(&serde_json::from_str(metrics).unwrap());
        assert_eq!(said, Some(Drafts { steps: 2, drafted: 6, accepted: 3 }));
        assert_eq!(said.unwrap().acceptance_length(), Some(2.5));
        for other in [r#"{"speculative_decoding":null}"#, "{}", "[]"] {
            assert_eq!(drafts(&serde_json::from_str(other).unwrap()), None, "{other}");
        }
    }

    #[test]
    fn only_a_list_has_a_length() {
        let length = |text: &str| serde_json::from_str::<Count>(text).unwrap().0;
        assert_eq!(
            [length("[]"), length("[1,\"a\",[2,3]]"), length("null"), length("{}")],
            [Some(0), Some(3), None, None]
        );
    }
}
