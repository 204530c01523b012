//! The route `/v1/completions`: [`Completion`].

use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::ask::Ask;
use super::errors::ApiError;
use super::fields::Fields;
use super::generation::Generation;
use super::stream::{self, Piece, Style};
use super::wire::{
    DetailedUsage, Envelope, FINGERPRINT, Logprobs, Null, Usage, WholeMetrics, event,
};
use crate::draw::unit;
use crate::metrics::FinishReason;

/// vLLM's default where a completion's length is not limited.
const DEFAULT_MAX_TOKENS: usize = 16;

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a>,
    choices: Vec<AnswerChoice>,
    service_tier: Null,
    system_fingerprint: &'static str,
    usage: DetailedUsage,
    kv_transfer_params: Null,
    ec_transfer_params: Null,
    metrics: Option<WholeMetrics>,
}

#[derive(Serialize)]
struct AnswerChoice {
    index: usize,
    text: String,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'static str>,
    stop_reason: Null,
    token_ids: Option<Vec<u32>>,
    prompt_logprobs: Null,
    prompt_token_ids: Option<Vec<u32>>,
    routed_experts: Null,
}

#[derive(Serialize)]
struct Chunk<'a> {
    #[serde(flatten)]
    envelope: Envelope<'a>,
    choices: [ChunkChoice; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'static str>,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: usize,
    text: String,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'static str>,
    stop_reason: Null,
    prompt_token_ids: Option<Vec<u32>>,
    token_ids: Option<Vec<u32>>,
}

fn token_ids(items: &[Value]) -> Option<Vec<u32>> {
    items.iter().map(|item| item.as_u64().and_then(|id| u32::try_from(id).ok())).collect()
}

/// Made-up log probabilities, where the request asks for them.
fn logprobs(generation: &Generation, ids: &[u32], mut offset: usize) -> Option<Logprobs> {
    let top = generation.ask.logprobs?;
    let mut logprobs = Logprobs::default();
    for id in ids {
        let token = generation.api.settings().tokenizer.decode(&[*id]);
        let logprob = -0.1 - 4.0 * unit(0x1065, u64::from(*id));
        logprobs.text_offset.push(offset);
        offset += token.chars().count();
        logprobs.token_logprobs.push(logprob);
        let best = if top > 0 { vec![(token.clone(), logprob.into())] } else { Vec::new() };
        logprobs.top_logprobs.push(best.into_iter().collect());
        logprobs.tokens.push(token);
    }
    Some(logprobs)
}

/// How a completion request is read and answered.
pub(super) struct Completion;

impl Style for Completion {
    const ID_PREFIX: &'static str = "cmpl";
    const CHUNK_OBJECT: &'static str = "text_completion";

    fn read(fields: &Fields, api: &Api) -> Result<Ask, ApiError> {
        let prompt = fields.get("prompt").filter(|prompt| prompt.as_str() != Some(""));
        let mut ask = Ask::read(fields, &["max_tokens"], api)?;
        let Some(prompt) = prompt else {
            let message = "Either prompt or prompt_embeds must be provided and non-empty.";
            return Err(ApiError::parameter(message, "prompt"));
        };
        ask.max_tokens.get_or_insert(DEFAULT_MAX_TOKENS);
        ask.logprobs = fields.integer("logprobs")?;
        let tokenizer = api.settings().tokenizer;
        let wrong =
            || fields.wrong("prompt", "string_type", "Input should be a valid string", prompt);
        match prompt {
            Value::String(text) => ask.take_prompt(tokenizer.encode(text), api)?,
            Value::Array(items) if items.is_empty() => {
                return Err(ApiError::plain("You must pass at least one prompt"));
            }
            Value::Array(items) if items.iter().all(Value::is_number) => {
                ask.take_prompt(token_ids(items).ok_or_else(wrong)?, api)?;
            }
            Value::Array(items) => {
                for item in items {
                    let tokens = match item {
                        Value::String(text) => tokenizer.encode(text),
                        Value::Array(ids) => token_ids(ids).ok_or_else(wrong)?,
                        _ => return Err(wrong()),
                    };
                    ask.take_prompt(tokens, api)?;
                }
            }
            _ => return Err(wrong()),
        }
        Ok(ask)
    }

    fn whole(generation: &Generation) -> impl Serialize {
        let choices = (0..generation.choices.len()).map(|index| {
            let choice = &generation.choices[index];
            let ids = generation.token_ids(index, 0..choice.target);
            AnswerChoice {
                index,
                text: generation.api.settings().tokenizer.decode(&ids),
                logprobs: logprobs(generation, &ids, 0),
                finish_reason: choice.finished.map(FinishReason::name),
                stop_reason: None,
                prompt_logprobs: None,
                prompt_token_ids: generation.ask.return_token_ids.then(|| choice.prompt.to_vec()),
                token_ids: generation.ask.return_token_ids.then_some(ids),
                routed_experts: None,
            }
        });
        Answer {
            envelope: generation.envelope(Self::CHUNK_OBJECT),
            choices: choices.collect(),
            service_tier: None,
            system_fingerprint: FINGERPRINT,
            usage: DetailedUsage::new(stream::usage(generation)),
            kv_transfer_params: None,
            ec_transfer_params: None,
            metrics: generation.metrics().map(WholeMetrics::new),
        }
    }

    fn chunk(generation: &Generation, piece: &Piece) -> String {
        let ask = &generation.ask;
        let choice = &generation.choices[piece.choice];
        let ids = generation.token_ids(piece.choice, piece.places.clone());
        let tokenizer = generation.api.settings().tokenizer;
        let offset = if ask.logprobs.is_some() {
            tokenizer
                .decode(&generation.token_ids(piece.choice, 0..piece.places.start))
                .chars()
                .count()
        } else {
            0
        };
        let is_last = piece.finished.is_some();
        event(&Chunk {
            envelope: generation.envelope(Self::CHUNK_OBJECT),
            choices: [ChunkChoice {
                index: piece.choice,
                text: tokenizer.decode(&ids),
                logprobs: logprobs(generation, &ids, offset),
                finish_reason: piece.finished.map(FinishReason::name),
                stop_reason: None,
                prompt_token_ids: (ask.return_token_ids && piece.places.start == 0)
                    .then(|| choice.prompt.to_vec()),
                token_ids: ask.return_token_ids.then_some(ids),
            }],
            usage: ask.continuous_usage.then(|| Usage::new(choice.prompt.len(), piece.places.end)),
            system_fingerprint: (is_last && !ask.include_usage).then_some(FINGERPRINT),
        })
    }
}
