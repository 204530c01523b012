//! The JSON of answers, field by field, in the order in which vLLM 0.32 writes them: [`Envelope`].

use std::time::Duration;

use serde::Serialize;

use crate::request::Times;
use crate::speculation::Drafts;

/// The software version that answers name.
pub(super) const FINGERPRINT: &str = "vllm-0.32.0-51a7ed00";

/// A field that is always null here.
pub(super) type Null = Option<()>;

/// The first fields of every answer and every chunk.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created: u64,
    pub(super) model: &'a str,
}

/// Token counts.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "the API's own names")]
pub(super) struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
    completion_tokens: usize,
}

impl Usage {
    pub(super) fn new(prompt_tokens: usize, completion_tokens: usize) -> Self {
        Self { prompt_tokens, total_tokens: prompt_tokens + completion_tokens, completion_tokens }
    }
}

/// Token counts of a whole answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct DetailedUsage {
    #[serde(flatten)]
    pub(super) usage: Usage,
    pub(super) prompt_tokens_details: Null,
    pub(super) completion_tokens_details: Option<TokenDetails>,
}

impl DetailedUsage {
    pub(super) fn new(usage: Usage) -> Self {
        Self { usage, prompt_tokens_details: None, completion_tokens_details: None }
    }
}

/// How many of the output tokens were reasoning.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TokenDetails {
    pub(super) reasoning_tokens: usize,
}

/// Token counts of a whole stream.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct LastUsage {
    #[serde(flatten)]
    pub(super) usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_tokens_details: Option<TokenDetails>,
}

/// The chunk that carries the usage of a whole stream.
#[derive(Clone, Debug, Serialize)]
pub(super) struct UsageChunk<'a> {
    #[serde(flatten)]
    pub(super) envelope: Envelope<'a>,
    pub(super) choices: [(); 0],
    pub(super) usage: LastUsage,
    pub(super) system_fingerprint: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metrics: Option<RequestMetrics>,
}

/// What was drafted for one request, with `--per-request-spec-decode-metrics`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct DraftMetrics {
    mean_acceptance_length: f64,
    draft_acceptance_rate: f64,
    num_spec_steps: usize,
    num_accepted_draft_tokens: usize,
    num_draft_tokens: usize,
}

impl DraftMetrics {
    fn new(drafts: Drafts) -> Self {
        let ratio = |over: usize| drafts.accepted as f64 / over.max(1) as f64;
        Self {
            mean_acceptance_length: 1.0 + ratio(drafts.steps),
            draft_acceptance_rate: ratio(drafts.drafted),
            num_spec_steps: drafts.steps,
            num_accepted_draft_tokens: drafts.accepted,
            num_draft_tokens: drafts.drafted,
        }
    }
}

/// The times of one request, with `--enable-per-request-metrics`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct RequestMetrics {
    time_to_first_token_ms: f64,
    generation_time_ms: f64,
    queue_time_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_itl_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speculative_decoding: Option<DraftMetrics>,
}

impl RequestMetrics {
    /// vLLM counts the first token from the moment at which the request was scheduled, and its rate
    /// from there too.
    pub(super) fn new(times: Times, tokens: usize, drafts: Option<Drafts>) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let inference = (times.prefill + times.decode).as_secs_f64();
        Self {
            time_to_first_token_ms: ms(times.prefill),
            generation_time_ms: ms(times.decode),
            queue_time_ms: ms(times.queue),
            mean_itl_ms: (tokens > 1).then(|| ms(times.decode) / (tokens - 1) as f64),
            tokens_per_second: (inference > 0.0).then(|| tokens as f64 / inference),
            speculative_decoding: drafts.map(DraftMetrics::new),
        }
    }
}

/// The same in an answer that is not streamed, where absent fields are written as null.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct WholeMetrics {
    time_to_first_token_ms: f64,
    generation_time_ms: f64,
    queue_time_ms: f64,
    mean_itl_ms: Option<f64>,
    tokens_per_second: Option<f64>,
    speculative_decoding: Option<DraftMetrics>,
}

impl WholeMetrics {
    pub(super) fn new(of: RequestMetrics) -> Self {
        Self {
            time_to_first_token_ms: of.time_to_first_token_ms,
            generation_time_ms: of.generation_time_ms,
            queue_time_ms: of.queue_time_ms,
            mean_itl_ms: of.mean_itl_ms,
            tokens_per_second: of.tokens_per_second,
            speculative_decoding: of.speculative_decoding,
        }
    }
}

/// Log probabilities of a completion's tokens.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(clippy::struct_field_names, reason = "the API's own names")]
pub(super) struct Logprobs {
    pub(super) text_offset: Vec<usize>,
    pub(super) token_logprobs: Vec<f64>,
    pub(super) tokens: Vec<String>,
    pub(super) top_logprobs: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// One line of an event stream.
pub(super) fn event(data: &impl Serialize) -> String {
    format!("data: {}\n\n", serde_json::to_string(data).unwrap_or_default())
}
