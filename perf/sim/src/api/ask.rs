//! What a client can ask of both generation routes: [`Ask`].

use std::sync::Arc;

use super::Api;
use super::errors::ApiError;
use super::fields::Fields;

/// A validated request.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "the request's own fields")]
pub(super) struct Ask {
    /// The prompts' tokens; chat has one.
    pub(super) prompts: Vec<Arc<[u32]>>,
    /// Answers to each prompt.
    pub(super) n: usize,
    /// The most tokens of an answer, before the context length cuts it.
    pub(super) max_tokens: Option<usize>,
    pub(super) min_tokens: usize,
    pub(super) ignore_eos: bool,
    /// Whether the same request always gets the same answer.
    pub(super) is_greedy: bool,
    pub(super) seed: Option<i64>,
    pub(super) cache_salt: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) continuous_usage: bool,
    pub(super) return_token_ids: bool,
    pub(super) logprobs: Option<i64>,
    /// Whether it brings tools.
    pub(super) has_tools: bool,
    pub(super) stream_interval: usize,
}

impl Ask {
    /// Reads everything except the prompts. `max_tokens` lists the names of that limit; the first
    /// one present wins.
    pub(super) fn read(fields: &Fields, max_tokens: &[&str], api: &Api) -> Result<Self, ApiError> {
        let mut limit = None;
        for name in max_tokens {
            limit = limit.or(fields.integer(name)?);
        }
        let min_tokens = fields.integer("min_tokens")?.unwrap_or(0);
        let temperature = fields.float("temperature")?;
        let n = fields.integer("n")?.unwrap_or(1);
        let stream_interval = fields.integer("stream_interval")?.unwrap_or(1);
        let stream = fields.truth("stream")?;
        let options = fields.object("stream_options")?;
        let option = |name| options.as_ref().map_or(Ok(false), |options| options.truth(name));
        let ask = Self {
            prompts: Vec::new(),
            n: usize::try_from(n).unwrap_or(0),
            max_tokens: limit.map(|limit| usize::try_from(limit).unwrap_or(0)),
            min_tokens: usize::try_from(min_tokens).unwrap_or(0),
            ignore_eos: fields.truth("ignore_eos")?,
            is_greedy: temperature == Some(0.0),
            seed: fields.integer("seed")?,
            cache_salt: fields.text("cache_salt")?.unwrap_or_default().into(),
            stream,
            include_usage: option("include_usage")?,
            continuous_usage: option("include_usage")? && option("continuous_usage_stats")?,
            return_token_ids: fields.truth("return_token_ids")?,
            logprobs: None,
            has_tools: fields
                .get("tools")
                .and_then(|it| it.as_array())
                .is_some_and(|it| !it.is_empty()),
            stream_interval: usize::try_from(stream_interval)
                .unwrap_or(1)
                .max(api.settings().stream_interval),
        };
        if options.is_some() && !stream {
            let message = "Stream options can only be defined when `stream=True`.";
            return Err(ApiError::parameter(message, "stream_options"));
        }
        check_model(fields, api)?;
        check_sampling(n, limit, min_tokens, temperature)?;
        Ok(ask)
    }

    /// Checks a prompt against the context length, and adds it.
    pub(super) fn take_prompt(&mut self, prompt: Vec<u32>, api: &Api) -> Result<(), ApiError> {
        let settings = api.settings();
        let (tokens, limit) = (prompt.len(), settings.max_model_len);
        if tokens == 0 {
            return Err(ApiError::plain("The decoder prompt cannot be empty"));
        }
        if tokens >= limit {
            let message = format!(
                "This model's maximum context length is {limit} tokens. However, your prompt contains {tokens} input \
                 tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input \
                 prompt."
            );
            return Err(ApiError::value(&message, "input_tokens", &tokens.to_string()));
        }
        if let Some(id) = prompt.iter().find(|id| !settings.tokenizer.knows(**id)) {
            return Err(ApiError::plain(format!("Token id {id} is out of vocabulary")));
        }
        self.prompts.push(prompt.into());
        Ok(())
    }
}

/// Whether the model asked for is the one served. A request without a model is valid.
pub(super) fn check_model(fields: &Fields, api: &Api) -> Result<(), ApiError> {
    let names = &api.settings().names;
    match fields.text("model")? {
        Some(asked) if !names.iter().any(|name| name == asked) => {
            Err(ApiError::unknown_model(asked, names))
        }
        _ => Ok(()),
    }
}

fn check_sampling(
    n: i64,
    limit: Option<i64>,
    min_tokens: i64,
    temperature: Option<f64>,
) -> Result<(), ApiError> {
    if n < 1 {
        return Err(ApiError::value(
            &format!("n must be at least 1, got {n}."),
            "n",
            &n.to_string(),
        ));
    }
    if let Some(temperature) = temperature.filter(|temperature| *temperature < 0.0) {
        let message = format!("temperature must be non-negative, got {temperature:?}.");
        return Err(ApiError::value(&message, "temperature", &format!("{temperature:?}")));
    }
    if let Some(limit) = limit {
        if limit < 1 {
            let message = format!("max_tokens must be at least 1, got {limit}.");
            return Err(ApiError::value(&message, "max_tokens", &limit.to_string()));
        }
        if min_tokens > limit {
            let message = format!(
                "min_tokens must be less than or equal to max_tokens={limit}, got {min_tokens}."
            );
            return Err(ApiError::plain(message));
        }
    }
    if min_tokens < 0 {
        return Err(ApiError::plain(format!(
            "min_tokens must be greater than or equal to 0, got {min_tokens}."
        )));
    }
    Ok(())
}
