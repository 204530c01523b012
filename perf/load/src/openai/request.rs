//! The bodies of requests: [`calls`] turns what is asked into what is sent.
//!
//! Everything that could change a response or its length is sent with every request, because a
//! server's defaults differ between versions and lie in a model's files: the temperature, the
//! length. A sampling seed is not sent: vLLM samples seeded requests one by one, which is not the
//! path that users take.

use std::time::Duration;

use bytes::Bytes;
use perf_model::spec::load::{Api, Workload};
use rand::Rng;
use serde::Serialize;

use crate::openai::call::{Call, Limits};
use crate::openai::chat_message::{ChatMessage, ChatTurn};
use crate::openai::expectation::Expected;
use crate::workload::prompt::{PlannedRequest, Prompt, Turn};
use crate::workload::seed::RandomStream;

/// A request body, for both endpoints.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a Prompt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<&'a [Message<'a>; 1]>,
    /// Chat calls it `max_completion_tokens` by now and takes this name as well.
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    temperature: f64,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    /// Keeps what this run asks apart from all that was asked before in the server's prefix cache.
    cache_salt: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a Prompt,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
    continuous_usage_stats: bool,
}

/// Which part of a run requests belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    WarmUp,
    Measured,
}

/// The requests of one part of a run, ready to be sent. Each part has a cache salt of its own, so
/// that the warm-up leaves nothing in the prefix cache that would shorten the measured requests.
pub(crate) fn calls(
    part: Part,
    asks: &[PlannedRequest],
    workload: &Workload,
    model: &str,
    salt: u64,
    limits: Limits,
) -> Vec<Call> {
    let mut salts = RandomStream::Salts.generator(salt);
    let (measured_salt, warm_up_salt) = (salts.next_u64(), salts.next_u64());
    let cache_salt = match part {
        Part::Measured => format!("{measured_salt:016x}"),
        Part::WarmUp => format!("{warm_up_salt:016x}"),
    };
    let path = match workload.api {
        Api::Completions => "/v1/completions",
        Api::Chat => "/v1/chat/completions",
    };
    let bodies = (0..).zip(asks).map(|(index, ask)| {
        let exactly = ask.output.is_exact();
        let is_chat = workload.api == Api::Chat;
        let says = [Message { role: "user", content: &ask.prompt }];
        let is_alone = ask.turn == Turn::Alone;
        let body = Body {
            model,
            prompt: (!is_chat).then_some(&ask.prompt),
            messages: (is_chat && is_alone).then_some(&says),
            max_tokens: ask.output.limit(),
            min_tokens: exactly.then_some(ask.output.limit()),
            ignore_eos: exactly.then_some(true),
            temperature: workload.temperature,
            stream: workload.stream,
            stream_options: workload
                .stream
                .then_some(StreamOptions { include_usage: true, continuous_usage_stats: true }),
            cache_salt: &cache_salt,
        };
        // Strings and numbers under string keys: there is nothing here that JSON could refuse.
        let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
        let turn =
            |opens, pause| ChatTurn { opens, pause, message: ChatMessage::by_user(&ask.prompt) };
        let turn = match ask.turn {
            Turn::Alone => None,
            Turn::Opens => Some(turn(true, Duration::ZERO)),
            Turn::Follows { pause } => Some(turn(false, pause)),
        };
        Call { index, path, body, expected: expected(ask, workload), limits, turn }
    });
    bodies.collect()
}

/// What the response is held against.
fn expected(ask: &PlannedRequest, workload: &Workload) -> Expected {
    let prompt_tokens = match &ask.prompt {
        Prompt::TokenIds(ids) => u32::try_from(ids.len()).ok(),
        Prompt::Text(_) => None,
    };
    Expected { output: ask.output, prompt_tokens, streamed: workload.stream }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use perf_model::spec::load::{OutputLength, Prompts};

    const LIMITS: Limits =
        Limits { stall: Duration::from_secs(1), request: Duration::from_secs(9) };

    fn workload(api: Api, stream: bool, output: OutputLength) -> Workload {
        Workload { prompts: Prompts::Text("hi".to_owned()), output, api, stream, temperature: 0.0 }
    }

    fn bodies(part: Part, workload: &Workload, asks: &[PlannedRequest]) -> Vec<Value> {
        let calls = calls(part, asks, workload, "tiny", 7, LIMITS);
        calls.iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
    }

    #[test]
    fn a_completion_of_an_exact_length_ignores_the_end_of_sequence() {
        let workload = workload(Api::Completions, true, OutputLength::Exactly(12));
        let ask = PlannedRequest {
            prompt: Prompt::TokenIds(vec![1_001, 1_002]),
            output: workload.output,
            turn: Turn::Alone,
        };
        let mut body = bodies(Part::Measured, &workload, &[ask]).remove(0);
        let salt = body["cache_salt"].take();
        assert_eq!(salt.as_str().unwrap().len(), 16);
        assert_eq!(
            body,
            json!({
                "model": "tiny", "prompt": [1_001, 1_002], "max_tokens": 12, "min_tokens": 12, "ignore_eos": true,
                "temperature": 0.0, "stream": true, "cache_salt": null,
                "stream_options": {"include_usage": true, "continuous_usage_stats": true},
            })
        );
    }

    #[test]
    fn a_chat_that_is_not_streamed_asks_for_no_stream_options() {
        let workload = workload(Api::Chat, false, OutputLength::AtMost(12));
        let ask = PlannedRequest {
            prompt: Prompt::Text("hi".into()),
            output: workload.output,
            turn: Turn::Alone,
        };
        let calls = calls(Part::Measured, std::slice::from_ref(&ask), &workload, "tiny", 7, LIMITS);
        assert_eq!(calls[0].path, "/v1/chat/completions");
        let body = bodies(Part::Measured, &workload, &[ask]).remove(0);
        assert_eq!(body["messages"], json!([{"role": "user", "content": "hi"}]));
        for absent in ["prompt", "stream_options", "min_tokens", "ignore_eos"] {
            assert!(body.get(absent).is_none(), "{absent} in {body}");
        }
    }

    #[test]
    fn a_run_has_one_salt_and_its_warm_up_another() {
        let workload = workload(Api::Completions, true, OutputLength::AtMost(12));
        let asks = vec![
            PlannedRequest {
                prompt: Prompt::Text("hi".into()),
                output: workload.output,
                turn: Turn::Alone
            };
            2
        ];
        let measured = bodies(Part::Measured, &workload, &asks);
        let warm_up = bodies(Part::WarmUp, &workload, &asks);
        assert_eq!(measured[0]["cache_salt"], measured[1]["cache_salt"]);
        assert_ne!(measured[0]["cache_salt"], warm_up[0]["cache_salt"]);
        assert!(measured[0].get("seed").is_none());
    }
}
