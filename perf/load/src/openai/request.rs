//! The bodies of requests: [`calls`] turns what is asked into what is sent.
//!
//! Everything that could change a response or its length is sent with every request, because a
//! server's defaults differ between versions and lie in a model's files: the temperature, the
//! length. A sampling seed is not sent: vLLM samples seeded requests one by one, which is not the
//! path that users take.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use perf_model::spec::extra_body::ExtraBody;
use perf_model::spec::load::{Api, Load, OutputLength, Workload};
use perf_model::spec::request_field::RequestField;
use rand::Rng;
use serde::Serialize;

use crate::openai::call::{Call, Limits};
use crate::openai::chat_message::{ChatMessage, ChatTurn};
use crate::openai::expectation::Expected;
use crate::workload::prompt::{PlannedRequest, Prompt, Turn};
use crate::workload::seed::RandomStream;
use crate::workload::verse;

/// A request body, for every endpoint.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a Prompt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<&'a [Message<'a>; 1]>,
    /// What `/v1/responses` calls its prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Prompt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    /// The name that chat has for it by now; most servers take both.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    /// `/v1/responses` keeps what it said for later requests, unless it is asked not to.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    /// Keeps what this run asks apart from all that was asked before in the server's prefix cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_salt: Option<&'a str>,
    /// What the load adds.
    #[serde(flatten)]
    extra: &'a ExtraBody,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a Prompt,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    continuous_usage_stats: Option<bool>,
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
    load: &Load,
    model: &str,
    salt: u64,
    limits: Limits,
    left_out: &[RequestField],
) -> Vec<Call> {
    let workload = &load.workload;
    let sends = |field| !left_out.contains(&field);
    let vocabulary = (!sends(RequestField::TokenIds)).then(verse::words);
    let mut salts = RandomStream::Salts.generator(salt);
    let (measured_salt, warm_up_salt) = (salts.next_u64(), salts.next_u64());
    let cache_salt = match part {
        Part::Measured => format!("{measured_salt:016x}"),
        Part::WarmUp => format!("{warm_up_salt:016x}"),
    };
    let path = match workload.api {
        Api::Completions => "/v1/completions",
        Api::Chat => "/v1/chat/completions",
        Api::Responses => "/v1/responses",
    };
    let bodies = (0..).zip(asks).map(|(index, ask)| {
        let ask = &in_words(ask, vocabulary.as_deref());
        let exactly = ask.output.is_exact();
        let api = workload.api;
        let is_typed = api == Api::Responses;
        let limit = ask.output.limit();
        let says = [Message { role: "user", content: &ask.prompt }];
        let is_alone = ask.turn == Turn::Alone;
        let body = Body {
            model: load.model_mix.name_or(ask.model, model),
            prompt: (api == Api::Completions).then_some(&ask.prompt),
            messages: (api == Api::Chat && is_alone).then_some(&says),
            input: is_typed.then_some(&ask.prompt),
            max_tokens: (!is_typed && sends(RequestField::MaxTokens)).then_some(limit),
            max_completion_tokens: (!is_typed && !sends(RequestField::MaxTokens)).then_some(limit),
            max_output_tokens: is_typed.then_some(limit),
            store: is_typed.then_some(false),
            // `/v1/responses` of vLLM knows `ignore_eos`, and no `min_tokens`.
            min_tokens: (exactly && !is_typed && sends(RequestField::MinTokens)).then_some(limit),
            ignore_eos: (exactly && sends(RequestField::IgnoreEos)).then_some(true),
            temperature: sends(RequestField::Temperature).then_some(workload.temperature),
            stream: workload.stream,
            stream_options: (workload.stream && !is_typed && sends(RequestField::StreamOptions))
                .then_some(StreamOptions {
                    include_usage: true,
                    continuous_usage_stats: sends(RequestField::ContinuousUsageStats)
                        .then_some(true),
                }),
            cache_salt: sends(RequestField::CacheSalt).then_some(&cache_salt),
            extra: &load.body,
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
        let expected = expected(ask, workload, left_out);
        Call { index, path, body, expected, limits, turn, model: ask.model }
    });
    bodies.collect()
}

/// What the response is held against.
fn expected(ask: &PlannedRequest, workload: &Workload, left_out: &[RequestField]) -> Expected {
    let sends = |field| !left_out.contains(&field);
    // Either of the two keeps an answer from ending early.
    let holds_length = sends(RequestField::MinTokens) || sends(RequestField::IgnoreEos);
    let output = match ask.output {
        OutputLength::Exactly(tokens) if !holds_length => OutputLength::AtMost(tokens),
        same => same,
    };
    let prompt_tokens = match &ask.prompt {
        Prompt::TokenIds(ids) => u32::try_from(ids.len()).ok(),
        Prompt::Text(_) => None,
    };
    // `/v1/responses` counts without being asked to.
    let is_typed = workload.api == Api::Responses;
    let counted = !workload.stream || is_typed || sends(RequestField::StreamOptions);
    Expected { output, prompt_tokens, streamed: workload.stream, counted, is_typed }
}

/// The fields of a workload's requests that can be left out.
pub(crate) fn optional_fields(asks: &[PlannedRequest], workload: &Workload) -> Vec<RequestField> {
    let exactly = workload.output.is_exact();
    let ids = asks.iter().any(|ask| matches!(ask.prompt, Prompt::TokenIds(_)));
    let is_sent = |field: &RequestField| match field {
        RequestField::CacheSalt | RequestField::Temperature => true,
        RequestField::ContinuousUsageStats | RequestField::StreamOptions => {
            workload.stream && workload.api != Api::Responses
        }
        RequestField::MinTokens => exactly && workload.api != Api::Responses,
        RequestField::IgnoreEos => exactly,
        // Only chat has another name for it.
        RequestField::MaxTokens => workload.api == Api::Chat,
        RequestField::TokenIds => ids,
    };
    RequestField::ALL.into_iter().filter(is_sent).collect()
}

/// The same request, with a word for each token id where there is a vocabulary.
fn in_words<'a>(ask: &'a PlannedRequest, vocabulary: Option<&[&str]>) -> Cow<'a, PlannedRequest> {
    let (Prompt::TokenIds(ids), Some(vocabulary)) = (&ask.prompt, vocabulary) else {
        return Cow::Borrowed(ask);
    };
    let words: Vec<&str> =
        ids.iter().map(|id| vocabulary[*id as usize % vocabulary.len()]).collect();
    let prompt = Prompt::Text(words.join(" ").into());
    Cow::Owned(PlannedRequest { prompt, ..ask.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use perf_model::spec::load::Prompts;

    const LIMITS: Limits =
        Limits { stall: Duration::from_secs(1), request: Duration::from_secs(9) };

    fn workload(api: Api, stream: bool, output: OutputLength) -> Workload {
        Workload { prompts: Prompts::Text("hi".to_owned()), output, api, stream, temperature: 0.0 }
    }

    fn load(workload: &Workload) -> Load {
        Load { workload: workload.clone(), ..perf_model::fixtures::load() }
    }

    fn bodies(part: Part, workload: &Workload, asks: &[PlannedRequest]) -> Vec<Value> {
        let calls = calls(part, asks, &load(workload), "tiny", 7, LIMITS, &[]);
        calls.iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
    }

    #[test]
    fn a_completion_of_an_exact_length_ignores_the_end_of_sequence() {
        let workload = workload(Api::Completions, true, OutputLength::Exactly(12));
        let ask = PlannedRequest {
            prompt: Prompt::TokenIds(vec![1_001, 1_002]),
            output: workload.output,
            turn: Turn::Alone,
            model: None,
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
            model: None,
        };
        let one = std::slice::from_ref(&ask);
        let calls = calls(Part::Measured, one, &load(&workload), "tiny", 7, LIMITS, &[]);
        assert_eq!(calls[0].path, "/v1/chat/completions");
        let body = bodies(Part::Measured, &workload, &[ask]).remove(0);
        assert_eq!(body["messages"], json!([{"role": "user", "content": "hi"}]));
        for absent in ["prompt", "stream_options", "min_tokens", "ignore_eos"] {
            assert!(body.get(absent).is_none(), "{absent} in {body}");
        }
    }

    #[test]
    fn a_request_for_a_response_has_the_names_of_that_endpoint() {
        let workload = workload(Api::Responses, true, OutputLength::Exactly(12));
        let ask = PlannedRequest {
            prompt: Prompt::Text("hi".into()),
            output: workload.output,
            turn: Turn::Alone,
            model: None,
        };
        let calls = calls(
            Part::Measured,
            std::slice::from_ref(&ask),
            &load(&workload),
            "tiny",
            7,
            LIMITS,
            &[],
        );
        assert_eq!((calls[0].path, calls[0].expected.is_typed), ("/v1/responses", true));
        let mut body = bodies(Part::Measured, &workload, &[ask]).remove(0);
        body["cache_salt"].take();
        assert_eq!(
            body,
            json!({
                "model": "tiny", "input": "hi", "max_output_tokens": 12, "store": false,
                "ignore_eos": true, "temperature": 0.0, "stream": true, "cache_salt": null,
            })
        );
    }

    #[test]
    fn the_fields_that_a_load_adds_are_in_every_body_beside_the_usual_ones() {
        let workload = workload(Api::Chat, true, OutputLength::AtMost(12));
        let ask = PlannedRequest {
            prompt: Prompt::Text("hi".into()),
            output: workload.output,
            turn: Turn::Opens,
            model: None,
        };
        let mut load = load(&workload);
        load.body.set("chat_template_kwargs", json!({"enable_thinking": false}));
        for part in [Part::WarmUp, Part::Measured] {
            let one = std::slice::from_ref(&ask);
            let plain = bodies(part, &workload, one).remove(0);
            let call = calls(part, one, &load, "tiny", 7, LIMITS, &[]).remove(0);
            let mut body: Value = serde_json::from_slice(&call.body).unwrap();
            let added = body.as_object_mut().unwrap().remove("chat_template_kwargs");
            assert_eq!(added, Some(json!({"enable_thinking": false})));
            assert_eq!(body, plain);
        }
    }

    #[test]
    fn a_run_has_one_salt_and_its_warm_up_another() {
        let workload = workload(Api::Completions, true, OutputLength::AtMost(12));
        let asks = vec![
            PlannedRequest {
                prompt: Prompt::Text("hi".into()),
                output: workload.output,
                turn: Turn::Alone,
                model: None,
            };
            2
        ];
        let measured = bodies(Part::Measured, &workload, &asks);
        let warm_up = bodies(Part::WarmUp, &workload, &asks);
        assert_eq!(measured[0]["cache_salt"], measured[1]["cache_salt"]);
        assert_ne!(measured[0]["cache_salt"], warm_up[0]["cache_salt"]);
        assert!(measured[0].get("seed").is_none());
    }

    #[test]
    fn a_field_that_is_left_out_is_not_sent_and_not_counted_on() {
        let workload = workload(Api::Chat, true, OutputLength::Exactly(12));
        let ask = PlannedRequest {
            prompt: Prompt::TokenIds(vec![1_001, 1_002]),
            output: workload.output,
            turn: Turn::Alone,
            model: None,
        };
        let asks = [ask];
        let call = |left_out: &[RequestField]| {
            calls(Part::Measured, &asks, &load(&workload), "tiny", 7, LIMITS, left_out).remove(0)
        };
        let none = call(&RequestField::ALL);
        let body: Value = serde_json::from_slice(&none.body).unwrap();
        let content = body["messages"][0]["content"].as_str().unwrap();
        assert_eq!(content.split(' ').count(), 2);
        let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["max_completion_tokens", "messages", "model", "stream"]);
        let Expected { output, prompt_tokens, counted, .. } = none.expected;
        assert_eq!((output, prompt_tokens, counted), (OutputLength::AtMost(12), None, false));
        // One of the two is enough for an exact length.
        let still = call(&[RequestField::MinTokens, RequestField::ContinuousUsageStats]);
        assert_eq!(still.expected.output, OutputLength::Exactly(12));
        let body: Value = serde_json::from_slice(&still.body).unwrap();
        assert_eq!(body["stream_options"], json!({"include_usage": true}));
        assert_eq!(optional_fields(&asks, &workload).len(), RequestField::ALL.len());
    }
}
