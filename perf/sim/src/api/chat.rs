//! The route `/v1/chat/completions`: [`Chat`].

use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::ask::Ask;
use super::errors::ApiError;
use super::fields::Fields;
use super::generation::Generation;
use super::stream::{self, Piece, Style};
use super::wire::{DetailedUsage, Envelope, FINGERPRINT, Null, Usage, WholeMetrics, event};
use crate::metrics::FinishReason;

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a>,
    choices: Vec<AnswerChoice>,
    service_tier: Null,
    system_fingerprint: &'static str,
    usage: DetailedUsage,
    prompt_logprobs: Null,
    prompt_token_ids: Option<Vec<u32>>,
    prompt_text: Null,
    kv_transfer_params: Null,
    ec_transfer_params: Null,
    metrics: Option<WholeMetrics>,
}

#[derive(Serialize)]
struct AnswerChoice {
    index: usize,
    message: Message,
    logprobs: Null,
    finish_reason: Option<&'static str>,
    stop_reason: Null,
    token_ids: Option<Vec<u32>>,
    routed_experts: Null,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: String,
    refusal: Null,
    annotations: Null,
    audio: Null,
    function_call: Null,
    reasoning: Null,
}

#[derive(Serialize)]
#[allow(clippy::option_option, reason = "a field that is absent, null, or has a value")]
struct Chunk<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a>,
    choices: [ChunkChoice; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ChunkUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'static str>,
    /// Both only in the chunk that names the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_token_ids: Option<Option<Vec<u32>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_text: Option<Null>,
}

#[derive(Serialize)]
#[allow(clippy::option_option, reason = "a field that is absent, null, or has a value")]
struct ChunkChoice {
    index: usize,
    delta: Delta,
    logprobs: Null,
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<Null>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<Option<Vec<u32>>>,
}

#[derive(Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    content: String,
}

#[derive(Serialize)]
struct ChunkUsage {
    #[serde(flatten)]
    usage: Usage,
    completion_tokens_details: Null,
}

/// The tokens of the request's messages.
pub(super) fn prompt(fields: &Fields, api: &Api) -> Result<Vec<u32>, ApiError> {
    let messages = match fields.get("messages") {
        None => return Err(fields.missing("messages")),
        Some(Value::Array(messages)) => messages,
        Some(other) => {
            return Err(fields.wrong(
                "messages",
                "list_type",
                "Input should be a valid list",
                other,
            ));
        }
    };
    if messages.is_empty() {
        return Err(ApiError::plain("You must pass at least one message"));
    }
    let mut said = Vec::new();
    let has_system =
        messages.iter().any(|message| message.get("role").is_some_and(|role| role == "system"));
    if let (Some(text), false) = (&api.settings().system_message, has_system) {
        said.push(("system", text.clone()));
    }
    for message in messages {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .ok_or_else(|| fields.missing("messages.0.role"))?;
        let content = match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect::<Vec<_>>()
                .join("\n"),
            _ => String::new(),
        };
        said.push((role, content));
    }
    Ok(api
        .settings()
        .tokenizer
        .encode_chat(said.iter().map(|(role, content)| (*role, content.as_str()))))
}

fn prompt_ids(generation: &Generation) -> Option<Vec<u32>> {
    generation.ask.return_token_ids.then(|| generation.ask.prompts[0].to_vec())
}

fn chunk_usage(generation: &Generation, completion_tokens: usize) -> Option<ChunkUsage> {
    let usage = Usage::new(generation.prompt_tokens(), completion_tokens);
    generation.ask.continuous_usage.then_some(ChunkUsage { usage, completion_tokens_details: None })
}

/// How a chat request is read and answered.
pub(super) struct Chat;

impl Style for Chat {
    const ID_PREFIX: &'static str = "chatcmpl";
    const CHUNK_OBJECT: &'static str = "chat.completion.chunk";

    fn read(fields: &Fields, api: &Api) -> Result<Ask, ApiError> {
        let mut ask = Ask::read(fields, &["max_completion_tokens", "max_tokens"], api)?;
        ask.take_prompt(prompt(fields, api)?, api)?;
        Ok(ask)
    }

    fn whole(generation: &Generation) -> impl Serialize {
        let choices = (0..generation.choices.len()).map(|index| {
            let choice = &generation.choices[index];
            let ids = generation.token_ids(index, 0..choice.target);
            let message = Message {
                role: "assistant",
                content: generation.api.settings().tokenizer.decode(&ids),
                refusal: None,
                annotations: None,
                audio: None,
                function_call: None,
                reasoning: None,
            };
            AnswerChoice {
                index,
                message,
                logprobs: None,
                finish_reason: choice.finished.map(FinishReason::name),
                stop_reason: None,
                token_ids: generation.ask.return_token_ids.then_some(ids),
                routed_experts: None,
            }
        });
        Answer {
            envelope: generation.envelope("chat.completion"),
            choices: choices.collect(),
            service_tier: None,
            system_fingerprint: FINGERPRINT,
            usage: DetailedUsage::new(stream::usage(generation)),
            prompt_logprobs: None,
            prompt_token_ids: prompt_ids(generation),
            prompt_text: None,
            kv_transfer_params: None,
            ec_transfer_params: None,
            metrics: generation.metrics().map(WholeMetrics::new),
        }
    }

    /// The chunk that names the role of each choice.
    fn opening(generation: &Generation) -> Vec<String> {
        let chunk = |index| Chunk {
            envelope: generation.envelope(Self::CHUNK_OBJECT),
            choices: [ChunkChoice {
                index,
                delta: Delta { role: Some("assistant"), content: String::new() },
                logprobs: None,
                finish_reason: None,
                stop_reason: None,
                token_ids: None,
            }],
            usage: chunk_usage(generation, 0),
            system_fingerprint: None,
            prompt_token_ids: Some(prompt_ids(generation)),
            prompt_text: Some(None),
        };
        (0..generation.choices.len()).map(|index| event(&chunk(index))).collect()
    }

    fn chunk(generation: &Generation, piece: &Piece) -> String {
        let ask = &generation.ask;
        let ids = generation.token_ids(piece.choice, piece.places.clone());
        let is_last = piece.finished.is_some();
        event(&Chunk {
            envelope: generation.envelope(Self::CHUNK_OBJECT),
            choices: [ChunkChoice {
                index: piece.choice,
                delta: Delta {
                    role: None,
                    content: generation.api.settings().tokenizer.decode(&ids),
                },
                logprobs: None,
                finish_reason: piece.finished.map(FinishReason::name),
                stop_reason: is_last.then_some(None),
                token_ids: Some(ask.return_token_ids.then_some(ids)),
            }],
            usage: chunk_usage(generation, piece.places.end),
            system_fingerprint: (is_last && !ask.include_usage).then_some(FINGERPRINT),
            prompt_token_ids: None,
            prompt_text: None,
        })
    }
}
