//! The route `/v1/chat/completions`: [`Chat`].

use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::ask::Ask;
use super::errors::ApiError;
use super::fields::Fields;
use super::generation::Generation;
use super::stream::{self, Piece, Style};
use super::wire::{
    DetailedUsage, Envelope, FINGERPRINT, Null, TokenDetails, Usage, WholeMetrics, event,
};
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
    content: Option<String>,
    refusal: Null,
    annotations: Null,
    audio: Null,
    function_call: Null,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall; 1]>,
    reasoning: Option<String>,
}

#[derive(Serialize)]
struct ToolCall {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function,
}

#[derive(Serialize)]
struct Function {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    arguments: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall; 1]>,
}

#[derive(Serialize)]
struct ChunkUsage {
    #[serde(flatten)]
    usage: Usage,
    completion_tokens_details: Option<TokenDetails>,
}

/// The call of a tool whose arguments are this text. Its first piece names the tool.
fn tool_call(generation: &Generation, is_first: bool, arguments: String) -> [ToolCall; 1] {
    let id = is_first.then(|| format!("call-{}", generation.id));
    let (kind, name) = (is_first.then_some("function"), is_first.then_some("lookup"));
    [ToolCall { index: 0, id, kind, function: Function { name, arguments } }]
}

/// Why a choice ended, in the words of a chat.
fn reason(generation: &Generation, choice: usize, finished: FinishReason) -> &'static str {
    let has_call = generation.parts(choice).1 < generation.choices[choice].target;
    if has_call && finished == FinishReason::Stop { "tool_calls" } else { finished.name() }
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
    let thought = Chat::thought(generation).map(|all| all.min(completion_tokens));
    let completion_tokens_details =
        thought.map(|reasoning_tokens| TokenDetails { reasoning_tokens });
    generation.ask.continuous_usage.then_some(ChunkUsage { usage, completion_tokens_details })
}

/// How a chat request is read and answered.
pub(super) struct Chat;

impl Style for Chat {
    const ID_PREFIX: &'static str = "chatcmpl";
    const CHUNK_OBJECT: &'static str = "chat.completion.chunk";

    fn thought(generation: &Generation) -> Option<usize> {
        generation
            .api
            .settings()
            .reasoning
            .then(|| (0..generation.choices.len()).map(|choice| generation.parts(choice).0).sum())
    }

    fn read(fields: &Fields, api: &Api) -> Result<Ask, ApiError> {
        let mut ask = Ask::read(fields, &["max_completion_tokens", "max_tokens"], api)?;
        ask.take_prompt(prompt(fields, api)?, api)?;
        Ok(ask)
    }

    fn whole(generation: &Generation) -> impl Serialize {
        let choices = (0..generation.choices.len()).map(|index| {
            let choice = &generation.choices[index];
            let ids = generation.token_ids(index, 0..choice.target);
            let (thought, text) = generation.parts(index);
            let all = 0..choice.target;
            let message = Message {
                role: "assistant",
                content: generation.text(index, &all, thought..text),
                refusal: None,
                annotations: None,
                audio: None,
                function_call: None,
                tool_calls: generation
                    .text(index, &all, text..choice.target)
                    .map(|arguments| tool_call(generation, true, arguments)),
                reasoning: generation.text(index, &all, 0..thought),
            };
            AnswerChoice {
                index,
                message,
                logprobs: None,
                finish_reason: choice.finished.map(|finished| reason(generation, index, finished)),
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
            usage: DetailedUsage {
                completion_tokens_details: Self::thought(generation)
                    .map(|reasoning_tokens| TokenDetails { reasoning_tokens }),
                ..DetailedUsage::new(stream::usage(generation))
            },
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
                delta: Delta {
                    role: Some("assistant"),
                    content: Some(String::new()),
                    reasoning: None,
                    tool_calls: None,
                },
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
        let (thought, text) = generation.parts(piece.choice);
        let part = |part| generation.text(piece.choice, &piece.places, part);
        let arguments = part(text..generation.choices[piece.choice].target);
        event(&Chunk {
            envelope: generation.envelope(Self::CHUNK_OBJECT),
            choices: [ChunkChoice {
                index: piece.choice,
                delta: Delta {
                    role: None,
                    content: part(thought..text),
                    reasoning: part(0..thought),
                    tool_calls: arguments.map(|arguments| {
                        tool_call(generation, piece.places.start <= text, arguments)
                    }),
                },
                logprobs: None,
                finish_reason: piece
                    .finished
                    .map(|finished| reason(generation, piece.choice, finished)),
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
