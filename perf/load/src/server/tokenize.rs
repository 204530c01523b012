//! How many tokens a server should read where the client sends text: [`expect`].
//!
//! A prompt of ids says by itself how many it has. Of a text only the server's tokenizer knows, and
//! a server that cuts prompts to its context without a word counts what is left. vLLM offers its
//! tokenizer at `/tokenize`: the longest prompt, which would be cut first, is held against it. A
//! server without that offer is believed.

use bytes::Bytes;
use http::{Method, StatusCode};
use perf_clock::Clock;
use perf_model::spec::load::{Api, Load};
use serde::Deserialize;
use serde_json::json;

use crate::http::endpoint::{Endpoint, GET_LIMIT};
use crate::openai::call::Call;
use crate::workload::prompt::{PlannedRequest, Prompt, Turn};

/// The longest answer: it lists the id of every token of the longest prompt.
const BODY: usize = 128 * 1024 * 1024;

/// Notes in the longest prompt's call how many tokens the server must read, if it says.
pub(crate) async fn expect(
    calls: &mut [Call],
    asks: &[PlannedRequest],
    load: &Load,
    model: &str,
    endpoint: &Endpoint,
    clock: Clock,
) {
    let texts = asks.iter().enumerate().filter_map(|(place, ask)| match (&ask.prompt, ask.turn) {
        (Prompt::Text(text), Turn::Alone) => Some((place, text, ask.model)),
        _ => None,
    });
    let longest = texts.max_by_key(|(_, text, _)| text.len());
    let Some((place, text, of_mix)) = longest else { return };
    let model = load.model_mix.name_or(of_mix, model);
    let question = match load.workload.api {
        Api::Completions => json!({ "model": model, "prompt": &**text }),
        Api::Chat | Api::Responses => {
            json!({ "model": model, "messages": [{ "role": "user", "content": &**text }] })
        }
    };
    let counted = clock.timeout(GET_LIMIT, count(question.to_string().into(), endpoint)).await;
    if let (Ok(Some(tokens)), Some(call)) = (counted, calls.get_mut(place)) {
        call.expected.prompt_tokens = Some(tokens);
    }
}

async fn count(question: Bytes, endpoint: &Endpoint) -> Option<u32> {
    #[derive(Deserialize)]
    struct Tokenized {
        count: u32,
    }
    let mut incoming = endpoint.send(Method::POST, "/tokenize", question).await.ok()?;
    let body = incoming.body(BODY).await.ok()?;
    let answer: Tokenized =
        serde_json::from_slice(&body).ok().filter(|_| incoming.status == StatusCode::OK)?;
    Some(answer.count)
}
