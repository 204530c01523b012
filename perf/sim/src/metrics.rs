//! What the engine counts about itself: [`Metrics`].

mod histogram;
mod render;

pub(crate) use histogram::Histogram;
pub(crate) use render::{CacheConfig, render};

use crate::speculation::AllDrafts;
use histogram::{E2E, FEW, ITERATION, ITL, PREEMPTIONS, TOKENS, TTFT};

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinishReason {
    Stop,
    Length,
    Abort,
}

impl FinishReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Abort => "abort",
        }
    }
}

/// Times and sizes of one finished sequence; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) reason: FinishReason,
    pub(crate) prompt_tokens: usize,
    pub(crate) cached_tokens: usize,
    pub(crate) generated: usize,
    pub(crate) max_tokens: usize,
    pub(crate) preemptions: usize,
    pub(crate) e2e: f64,
    pub(crate) queue: f64,
    pub(crate) prefill: f64,
    pub(crate) decode: f64,
}

/// Counters, gauges and histograms under the names that vLLM gives them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) kv_cache_usage: f64,
    pub(crate) prefix_cache_queries: usize,
    pub(crate) prefix_cache_hits: usize,
    pub(crate) preemptions: usize,
    pub(crate) prompt_tokens: usize,
    pub(crate) cached_prompt_tokens: usize,
    pub(crate) generation_tokens: usize,
    /// What was drafted; none without speculative decoding.
    pub(crate) drafts: Option<AllDrafts>,
    /// Finished sequences by [`FinishReason`], and those that ended in an error.
    pub(crate) success: [usize; 4],
    pub(crate) iteration_tokens: Histogram,
    pub(crate) time_to_first_token: Histogram,
    pub(crate) inter_token_latency: Histogram,
    pub(crate) time_per_output_token: Histogram,
    pub(crate) e2e: Histogram,
    pub(crate) queue: Histogram,
    pub(crate) inference: Histogram,
    pub(crate) prefill: Histogram,
    pub(crate) decode: Histogram,
    pub(crate) request_prompt_tokens: Histogram,
    pub(crate) request_generation_tokens: Histogram,
    pub(crate) request_max_generation_tokens: Histogram,
    pub(crate) request_n: Histogram,
    pub(crate) request_max_tokens: Histogram,
    pub(crate) request_preemptions: Histogram,
    pub(crate) request_prefill_computed: Histogram,
}

impl Metrics {
    pub(crate) fn new(drafts: Option<AllDrafts>) -> Self {
        Self {
            running: 0,
            waiting: 0,
            kv_cache_usage: 0.0,
            prefix_cache_queries: 0,
            prefix_cache_hits: 0,
            preemptions: 0,
            prompt_tokens: 0,
            cached_prompt_tokens: 0,
            generation_tokens: 0,
            drafts,
            success: [0; 4],
            iteration_tokens: Histogram::new(ITERATION),
            time_to_first_token: Histogram::new(TTFT),
            inter_token_latency: Histogram::new(ITL),
            time_per_output_token: Histogram::new(ITL),
            e2e: Histogram::new(E2E),
            queue: Histogram::new(E2E),
            inference: Histogram::new(E2E),
            prefill: Histogram::new(E2E),
            decode: Histogram::new(E2E),
            request_prompt_tokens: Histogram::new(TOKENS),
            request_generation_tokens: Histogram::new(TOKENS),
            request_max_generation_tokens: Histogram::new(TOKENS),
            request_n: Histogram::new(FEW),
            request_max_tokens: Histogram::new(TOKENS),
            request_preemptions: Histogram::new(PREEMPTIONS),
            request_prefill_computed: Histogram::new(TOKENS),
        }
    }

    /// Counts a sequence that ended for any reason.
    pub(crate) fn finish(&mut self, finished: &Finished) {
        self.success[finished.reason as usize] += 1;
        self.e2e.observe(finished.e2e);
        self.queue.observe(finished.queue);
        self.inference.observe(finished.prefill + finished.decode);
        self.prefill.observe(finished.prefill);
        self.decode.observe(finished.decode);
        self.time_per_output_token.observe(match finished.generated {
            0 | 1 => 0.0,
            tokens => finished.decode / (tokens - 1) as f64,
        });
        self.request_prompt_tokens.observe(finished.prompt_tokens as f64);
        self.request_generation_tokens.observe(finished.generated as f64);
        self.request_max_generation_tokens.observe(finished.generated as f64);
        self.request_n.observe(1.0);
        self.request_max_tokens.observe(finished.max_tokens as f64);
        self.request_preemptions.observe(finished.preemptions as f64);
        self.request_prefill_computed
            .observe((finished.prompt_tokens - finished.cached_tokens) as f64);
    }
}
