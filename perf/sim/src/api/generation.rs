//! One request's way through the engine, up to its answer: [`Generation`].

use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Api;
use super::ask::Ask;
use super::errors::ApiError;
use super::wire::{Envelope, RequestMetrics};
use crate::draw::{Stream, mix, seed_for, unit};
use crate::injection::Fault;
use crate::kv::{chain, root};
use crate::metrics::FinishReason;
use crate::request::{Progress, Submission, Times};
use crate::scheduler::NewSequence;
use crate::speculation::Drafts;

/// One answer that is being written.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) prompt: Arc<[u32]>,
    sequence: u64,
    /// Number of tokens that it will have.
    pub(super) target: usize,
    output_state: u64,
    /// Number of tokens sent to the client.
    pub(super) sent: usize,
    pub(super) finished: Option<FinishReason>,
    pub(super) times: Times,
    pub(super) drafts: Drafts,
}

impl Choice {
    /// Decides how long the answer to a prompt becomes, why it ends, and what it is drawn from.
    fn plan(api: &Api, ask: &Ask, prompt: &Arc<[u32]>, copy: usize) -> (Self, FinishReason) {
        let settings = api.settings();
        let limit =
            (settings.max_model_len - prompt.len()).min(ask.max_tokens.unwrap_or(usize::MAX));
        let natural = if ask.ignore_eos {
            usize::MAX
        } else {
            api.natural_length().max(ask.min_tokens).max(1)
        };
        let reason = if natural < limit { FinishReason::Stop } else { FinishReason::Length };
        let sequence = api.next_sequence();
        let output_state = match ask.seed {
            None if !ask.is_greedy => mix(seed_for(settings.seed, Stream::Output), sequence),
            seed => mix(
                chain(root(""), prompt.iter().copied()),
                seed.unwrap_or(0).cast_unsigned() ^ (copy as u64) << 32,
            ),
        };
        let target = natural.min(limit);
        (
            Self {
                prompt: Arc::clone(prompt),
                sequence,
                target,
                output_state,
                sent: 0,
                finished: None,
                times: Times::default(),
                drafts: Drafts::default(),
            },
            reason,
        )
    }
}

/// A request in the engine.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) api: Api,
    pub(super) ask: Ask,
    pub(super) id: String,
    /// Wall-clock time of arrival, in seconds.
    pub(super) created: u64,
    pub(super) choices: Vec<Choice>,
    pub(super) fault: Option<Fault>,
    pub(super) progress: UnboundedReceiver<Progress>,
}

impl Generation {
    /// Hands a request to the engine. `prefix` begins its id.
    pub(super) async fn begin(
        api: Api,
        ask: Ask,
        prefix: &str,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let number = api.next_request();
        let settings = api.settings();
        let fault = settings.injection.fault(settings.seed, number);
        if fault == Some(Fault::Fail) {
            return Err(ApiError::injected());
        }
        let given_id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let id = format!("{prefix}-{}", given_id.map_or_else(|| api.id(number), String::from));
        let arrived = api.clock().now();
        api.clock().sleep(settings.admission).await;
        let (sender, progress) = unbounded_channel();
        let mut choices = Vec::new();
        for prompt in &ask.prompts {
            for copy in 0..ask.n {
                let (choice, reason) = Choice::plan(&api, &ask, prompt, copy);
                let submission = Submission {
                    sequence: NewSequence {
                        id: choice.sequence,
                        prompt: Arc::clone(prompt),
                        target: choice.target,
                        output_state: choice.output_state,
                        cache_salt: ask.cache_salt.clone(),
                    },
                    reason,
                    max_tokens: ask.max_tokens.unwrap_or(settings.max_model_len - prompt.len()),
                    choice: choices.len(),
                    arrived,
                    reports_tokens: ask.stream,
                    is_poison: settings.injection.die_after == Some(number),
                    progress: sender.clone(),
                };
                if !api.replicas().generate(Box::new(submission)) {
                    return Err(ApiError::engine_dead());
                }
                choices.push(choice);
            }
        }
        let created = api.wall_time().as_secs();
        Ok(Self { api, ask, id, created, choices, fault, progress })
    }

    /// The next progress report from the engine; none when it has died.
    pub(super) async fn next(&mut self) -> Option<Progress> {
        self.progress.recv().await
    }

    /// Waits for the end of every choice.
    pub(super) async fn finish(&mut self) -> Result<(), ApiError> {
        while self.choices.iter().any(|choice| choice.finished.is_none()) {
            let progress = self.next().await.ok_or_else(ApiError::engine_dead)?;
            let choice = &mut self.choices[progress.choice];
            (choice.finished, choice.times) = (progress.finished, progress.times);
            choice.drafts = progress.drafts;
        }
        match self.fault {
            Some(Fault::ErrorInBand) => Err(ApiError::engine_dead()),
            Some(Fault::Stall) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// Ids of a choice's tokens in a range of places.
    pub(super) fn token_ids(&self, choice: usize, places: std::ops::Range<usize>) -> Vec<u32> {
        let state = self.choices[choice].output_state;
        places.map(|place| self.api.settings().tokenizer.written(state, place)).collect()
    }

    /// The times of the request, with `--enable-per-request-metrics`. Only for requests with a
    /// single answer.
    pub(super) fn metrics(&self) -> Option<RequestMetrics> {
        match &self.choices[..] {
            [choice] if self.api.settings().per_request_metrics => {
                let drafts = self.api.settings().per_request_drafts.then_some(choice.drafts);
                Some(RequestMetrics::new(choice.times, choice.target, drafts))
            }
            _ => None,
        }
    }

    /// Where the parts of a chat's answer end: the reasoning, and the text after it. What follows is a
    /// call of a tool.
    pub(super) fn parts(&self, choice: usize) -> (usize, usize) {
        let (settings, target) = (self.api.settings(), self.choices[choice].target);
        let thought = if settings.reasoning { target * 3 / 5 } else { 0 };
        let has_call = settings.tool_calls && self.ask.has_tools;
        (thought, if has_call { thought + (target - thought) / 3 } else { target })
    }

    /// The text of the tokens in a range of places that lie in a part of the answer.
    pub(super) fn text(
        &self,
        choice: usize,
        places: &std::ops::Range<usize>,
        part: std::ops::Range<usize>,
    ) -> Option<String> {
        let inside = places.start.max(part.start)..places.end.min(part.end);
        let ids = (!inside.is_empty()).then(|| self.token_ids(choice, inside))?;
        Some(self.api.settings().tokenizer.decode(&ids))
    }

    /// The first fields of an answer or of a chunk.
    pub(super) fn envelope(&self, object: &'static str) -> Envelope<'_> {
        Envelope {
            id: &self.id,
            object,
            created: self.created,
            model: self.api.settings().names.first().map_or("", String::as_str),
        }
    }

    /// Prompt tokens of all prompts together, each counted once.
    pub(super) fn prompt_tokens(&self) -> usize {
        self.ask.prompts.iter().map(|prompt| prompt.len()).sum()
    }

    /// Whether a token is sent in one chunk with the next token.
    pub(super) fn is_merged(&self, choice: usize, place: usize) -> bool {
        let settings = self.api.settings();
        let seed = mix(seed_for(settings.seed, Stream::Merge), self.choices[choice].output_state);
        self.ask.stream_interval == 1 && unit(seed, place as u64) < settings.merged_chunk_share
    }
}
